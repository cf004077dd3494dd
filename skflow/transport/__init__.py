"""Optimal transport between labelled point clouds: torch tensors in, torch tensors out."""

from ._blocks import BlockSolver, batches
from ._correspondence import CORRESPONDENCES, class_coupling, resolve_correspondence
from ._dense import DenseSolver
from ._entropic import EntropicSolver
from ._exact import ExactSolver, LogDomainSolver
from ._free_labels import FreeLabelCost, GaussianLabels, free_label_distances
from ._gaussian import bures_wasserstein, class_factor
from ._ground_cost import Features, GroundCost, mean_ground_cost, squared_distances
from ._label_distances import LABEL_DISTANCES, LabelCost, label_distance_matrix, make_label_cost
from ._memory import Workspace, require_memory
from ._minibatch import MiniBatchSolver
from ._plan import Solver, TransportPlan
from ._points import LabelledPoints
from ._problem import TransportProblem
from ._solvers import SOLVERS, make_solver
from ._tiled import TiledSolver

__all__ = [
    "CORRESPONDENCES",
    "LABEL_DISTANCES",
    "SOLVERS",
    "BlockSolver",
    "DenseSolver",
    "EntropicSolver",
    "ExactSolver",
    "Features",
    "FreeLabelCost",
    "GaussianLabels",
    "GroundCost",
    "LabelCost",
    "LabelledPoints",
    "LogDomainSolver",
    "MiniBatchSolver",
    "Solver",
    "TiledSolver",
    "TransportPlan",
    "TransportProblem",
    "Workspace",
    "batches",
    "bures_wasserstein",
    "class_coupling",
    "class_factor",
    "free_label_distances",
    "label_distance_matrix",
    "make_label_cost",
    "make_solver",
    "mean_ground_cost",
    "require_memory",
    "resolve_correspondence",
    "squared_distances",
]
