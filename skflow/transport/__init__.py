"""Optimal transport between labelled point clouds: torch tensors in, torch tensors out."""

from ._continuous_labels import label_columns
from ._correspondence import CORRESPONDENCES, histogram_coupling, resolve_correspondence
from ._gaussian import bures_wasserstein, class_factor
from ._ground_cost import Features, GroundCost, mean_ground_cost, squared_distances
from ._memory import Workspace, require_memory
from ._padding import batches
from ._points import LabelledPoints
from ._problem import SolvedProblem, TransportProblem
from ._refreshes import RefreshRule
from .label_costs import (
    LABEL_DISTANCES,
    FreeLabelCost,
    GaussianLabels,
    LabelCost,
    free_label_distances,
    label_distance_matrix,
    make_label_cost,
    matched_label_distances,
    prefers_images,
)
from .solvers import (
    SOLVERS,
    BoundSolver,
    Dense,
    EntropicSolver,
    Exact,
    Fused,
    Geomloss,
    Hierarchical,
    MiniBatches,
    NetworkSimplex,
    Sharded,
    Solver,
    Task,
    Tiled,
    TransportPlan,
    bind_solver,
    solves_matched_together,
)

__all__ = [
    "CORRESPONDENCES",
    "LABEL_DISTANCES",
    "SOLVERS",
    "BoundSolver",
    "Dense",
    "EntropicSolver",
    "Exact",
    "Features",
    "FreeLabelCost",
    "Fused",
    "GaussianLabels",
    "Geomloss",
    "GroundCost",
    "Hierarchical",
    "LabelCost",
    "LabelledPoints",
    "MiniBatches",
    "NetworkSimplex",
    "RefreshRule",
    "Sharded",
    "SolvedProblem",
    "Solver",
    "Task",
    "Tiled",
    "TransportPlan",
    "TransportProblem",
    "Workspace",
    "batches",
    "bind_solver",
    "bures_wasserstein",
    "class_factor",
    "free_label_distances",
    "histogram_coupling",
    "label_columns",
    "label_distance_matrix",
    "make_label_cost",
    "matched_label_distances",
    "mean_ground_cost",
    "prefers_images",
    "require_memory",
    "resolve_correspondence",
    "solves_matched_together",
    "squared_distances",
]
