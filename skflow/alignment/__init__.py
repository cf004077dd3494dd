"""Alignment of two datasets by one global map: invariances, the alternation of plan and map, starts, and the choice."""

from ._affine_map import AffineMap
from ._align import Alignment, align
from ._alternation import Alternation, alternate, schedule
from ._base import Invariance
from ._choice import Candidate
from ._divergence import Divergence, sinkhorn_divergence
from ._invariance_names import INVARIANCES, named_invariance
from ._invariances import (
    Affine,
    Diagonal,
    Gaussian,
    Identity,
    Orthogonal,
    Similarity,
    Translation,
)
from ._monomial import Monomial
from ._pair import Pair
from ._permutation import Permutation
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
    "Monomial",
    "Orthogonal",
    "Pair",
    "Permutation",
    "PlanMoments",
    "Similarity",
    "Spectral",
    "Translation",
    "align",
    "alternate",
    "named_invariance",
    "schedule",
    "sinkhorn_divergence",
]
