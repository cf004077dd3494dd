"""Optimal transport between labelled point clouds: torch tensors in, torch tensors out."""

from ._correspondence import CORRESPONDENCES, class_coupling, resolve_correspondence
from ._entropic import EntropicSolver
from ._exact import ExactSolver
from ._free_labels import FreeLabelCost, GaussianLabels, free_label_distances
from ._gaussian import bures_wasserstein, class_factor
from ._ground_cost import mean_ground_cost, squared_distances
from ._label_distances import LABEL_DISTANCES, LabelCost, label_distance_matrix, make_label_cost
from ._memory import require_memory
from ._plan import TransportPlan
from ._points import LabelledPoints
from ._problem import TransportProblem

__all__ = [
    "CORRESPONDENCES",
    "LABEL_DISTANCES",
    "EntropicSolver",
    "ExactSolver",
    "FreeLabelCost",
    "GaussianLabels",
    "LabelCost",
    "LabelledPoints",
    "TransportPlan",
    "TransportProblem",
    "bures_wasserstein",
    "class_coupling",
    "class_factor",
    "free_label_distances",
    "label_distance_matrix",
    "make_label_cost",
    "mean_ground_cost",
    "require_memory",
    "resolve_correspondence",
    "squared_distances",
]
