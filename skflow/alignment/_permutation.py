"""Columns in another order, found with a plan between rows or by the columns alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._affine_map import AffineMap, Array
from ._base import Invariance, Proposal
from ._column_matching import InPlace, Matching, correspond, match_columns
from ._column_summary import ColumnSummary
from ._matrices import EPS, completed
from ._pair import Pair
from ._plan_moments import PlanMoments

MAX_MATCHED = 128
"""Columns beyond which they are not matched without rows."""
N_MATCHINGS, MATCHED = 12, 30.0
"""Most matchings of columns that are tried, and how much less likely they may be than the best, in -2 log."""


class Ordered(Invariance):
    """One order of the columns: what is left of a permutation once it is known.

    Parameters
    ----------
    order : array of shape (d, k)
        Entries -1, 0 and 1.
    zeros : pair of arrays of shape (d,), (k,), or None
        The origins of both sides' columns, which go to each other: values stay as they are, but for signs. With None
        each column has an offset.
    """

    same_columns = False

    def __init__(self, order: Array, zeros: tuple[Array, Array] | None = None) -> None:
        self.order = order
        self.zeros = zeros
        self.whole_classes = order.shape[0] < order.shape[1]  # what fills columns in is a regression within the target

    def fit(self, moments: PlanMoments) -> AffineMap:
        grows = self.order.shape[0] < self.order.shape[1]
        matrix = completed(self.order, moments.cov_y) if grows else self.order
        center = moments.mean_x if self.zeros is None else self._origin_of(moments.mean_y)
        return AffineMap(center, moments.mean_y, (matrix,))

    def keeps_values(self, h: AffineMap) -> bool:
        """Whether `h` has no offsets."""
        return self.zeros is not None and np.allclose(h.center, self._origin_of(h.image), rtol=1e-9, atol=1e-9)

    def _origin_of(self, image: Array) -> Array:
        """The row of the source that goes to a row of the target."""
        assert self.zeros is not None
        return self.zeros[0] + (image - self.zeros[1]) @ self.order.T

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return n_features_target


class Permutation(Invariance):
    """Columns in another order, with signs and offsets: ``h(x)_k = s_k x_p(k) + b_k``, s in {-1, 1}.

    The best order maximises ``sum_k |M_p(k),k|`` for the plan's cross-covariance M: a linear assignment (Kuhn, 1955;
    Crouse, "On implementing 2D rectangular assignment algorithms", 2016). Quarter turns and mirror images of pictures,
    inverted polarity and shuffled columns are all of this class, and a map of this class that is found at all is
    usually found exactly. Between different numbers of columns, correlations take M's place. Columns that the source
    lacks are filled in by their regression on the others in the target; columns that the target lacks are left out.

    Up to 128 columns, the order is first looked for by the columns alone, by the likelihood that their distributions
    and their correlations are the same: with values as they are, then with offsets, then with signs. So columns whose
    values are far apart are told by these alone, and are sooner found in their places.

    Parameters
    ----------
    signs : bool, default=True
        Whether a column may be turned upside down.
    """

    same_columns = False
    turns = True
    _parameter_constraints = {"signs": ["boolean"]}

    def __init__(self, signs: bool = True) -> None:
        self.signs = signs

    def proposals(self, pair: Pair, rng: np.random.RandomState) -> list[Proposal]:
        if max(pair.X.shape[1], pair.Y.shape[1]) > MAX_MATCHED:
            return []
        matchings = self._matchings(pair, rng)
        return [
            self._proposal(matching, pair)
            for matching in matchings[:N_MATCHINGS]
            if matching.cost <= matchings[0].cost + MATCHED
        ]

    def _matchings(self, pair: Pair, rng: np.random.RandomState) -> list[Matching]:
        """Columns matched without rows, the likeliest first."""
        return match_columns(*_summaries(pair), rng, signs=self.signs)

    def _proposal(self, matching: Matching, pair: Pair) -> Proposal:
        """The map of matched columns."""
        ordered = Ordered(matching.matrix, None if matching.shifted else _zeros(pair))
        return Proposal(ordered.fit(PlanMoments.of_marginals(pair.X, pair.Y)), matching.likely)

    def near(self, h: AffineMap, pair: Pair) -> Invariance:
        order = _order_of(h.matrix)
        kept = Ordered(order, _zeros(pair))
        return kept if kept.keeps_values(h) else Ordered(order)

    def fit(self, moments: PlanMoments) -> AffineMap:
        cross = moments.cross
        likeness = np.abs(cross) if self.signs else cross
        if cross.shape[0] != cross.shape[1]:
            # Where columns may be left over, those of large variance must not be taken for that alone.
            variances = np.outer(moments.var_x, moments.var_y)
            likeness = likeness / np.sqrt(variances + EPS * variances.max() + np.finfo(float).tiny)
        source, column = linear_sum_assignment(-likeness)
        matrix = np.zeros(cross.shape)
        matrix[source, column] = np.where(cross[source, column] < 0, -1.0, 1.0) if self.signs else 1.0
        return Ordered(matrix).fit(moments)

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 2 * n_features + 1


def _order_of(matrix: Array) -> Array:
    """The order of columns in a matrix that may have been filled in: its own columns are nearly unit vectors."""
    source, column = linear_sum_assignment((matrix**2).sum(0) - 2 * np.abs(matrix))
    order = np.zeros(matrix.shape)
    order[source, column] = np.sign(matrix[source, column])
    return order


def columns_correspond(pair: Pair, rng: np.random.RandomState) -> InPlace:
    """Whether the columns of both sides are in the same order; many columns may be."""
    if max(pair.X.shape[1], pair.Y.shape[1]) > MAX_MATCHED:
        return InPlace(True, False)
    return correspond(*_summaries(pair), rng)


def _summaries(pair: Pair) -> tuple[ColumnSummary, ColumnSummary]:
    zero, zero_target = _zeros(pair)
    return ColumnSummary.of(pair.X - zero, pair.a), ColumnSummary.of(pair.Y - zero_target, pair.b)


def _zeros(pair: Pair) -> tuple[Array, Array]:
    sides = (pair.zero, pair.X), (pair.zero_target, pair.Y)
    zero, zero_target = (np.zeros(Z.shape[1]) if zero is None else zero for zero, Z in sides)
    return zero, zero_target
