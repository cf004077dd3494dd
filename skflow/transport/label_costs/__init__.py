"""Label distances: what stands for a class, how plans between classes are found, how gradients come back."""

from .._points import LabelledPoints
from ..solvers import BoundSolver
from ._base import LabelCost
from ._class_models import CLASS_MODELS
from ._free import FreeLabelCost, GaussianLabels, free_label_distances
from ._kept import KeptImages, KeptPlans
from ._matrix import LABEL_DISTANCES, label_distance_matrix, matched_label_distances
from ._moments import MomentCost
from ._pairwise import NEGLIGIBLE, MatchedCost, PairwiseCost

__all__ = [
    "LABEL_DISTANCES",
    "FreeLabelCost",
    "GaussianLabels",
    "LabelCost",
    "free_label_distances",
    "label_distance_matrix",
    "make_label_cost",
    "matched_label_distances",
    "prefers_images",
]


def make_label_cost(
    kind: str,
    source: LabelledPoints,
    target: LabelledPoints,
    *,
    negligible: float = NEGLIGIBLE,
    by_image: bool = False,
    matched: bool = False,
) -> LabelCost:
    """The :class:`LabelCost` of that name; it keeps none of the features, which come with each call.

    Parameters
    ----------
    kind : {"gaussian", "gaussian-diag", "means", "exact"}
        What stands for a class.
    source, target : LabelledPoints
        The two sides.
    negligible : float
        Share of a class's mass below which its exchange with another class has no part in the gradient.
    by_image : bool
        Whether images of the plans between classes are kept instead of the plans, see :func:`prefers_images`.
    matched : bool
        Whether class k meets class k alone; distances between others are then not computed.
    """
    source, target = source.without_features(), target.without_features()
    if kind not in CLASS_MODELS:
        return MomentCost(source, target, deviations=kind == "gaussian-diag")
    classes = CLASS_MODELS[kind]
    if matched and by_image:
        return MatchedCost(source, target, classes)
    kept = (KeptImages if by_image else KeptPlans)(source, target)
    return PairwiseCost(source, target, classes, kept, negligible)


def prefers_images(source: LabelledPoints, target: LabelledPoints, solver: BoundSolver) -> bool:
    """Whether images are to be kept: less than plans where features are few, and all that there is without a plan."""
    few_features = target.x.shape[1] * target.n_classes < len(target.a) and source is not target
    return few_features or not solver.holds_plan
