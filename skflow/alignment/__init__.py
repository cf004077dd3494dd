"""Alignment of two datasets by one global map: invariances, the alternation of plan and map, starts, and the choice."""

from ._affine_map import AffineMap
from ._align import Alignment, align
from ._alternation import Alternation, Pair, alternate, schedule
from ._choice import Candidate
from ._divergence import Divergence, sinkhorn_divergence
from ._invariance_names import INVARIANCES
from ._invariances import (
    Affine,
    Diagonal,
    Gaussian,
    Identity,
    Invariance,
    Orthogonal,
    Permutation,
    Similarity,
    Translation,
)
from ._plan_moments import PlanMoments
from ._spectral import Spectral

__all__ = [
    "INVARIANCES",
    "Affine",
    "AffineMap",
    "Alignment",
    "Alternation",
    "Candidate",
    "Diagonal",
    "Divergence",
    "Gaussian",
    "Identity",
    "Invariance",
    "Orthogonal",
    "Pair",
    "Permutation",
    "PlanMoments",
    "Similarity",
    "Spectral",
    "Translation",
    "align",
    "alternate",
    "schedule",
    "sinkhorn_divergence",
]
