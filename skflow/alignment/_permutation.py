"""Columns in another order, found with a plan between rows or by the columns alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._column_matching import ColumnMoments, match_columns
from ._matrices import EPS, completed
from ._pair import Pair
from ._plan_moments import PlanMoments

MAX_MATCHED = 128
"""Columns beyond which they are not matched without rows."""
N_MATCHINGS, MATCHED = 6, 1.5
"""Most matchings of columns that are tried, and how much more they may cost than the best."""


class Ordered(Invariance):
    """One order of the columns, with offsets: what is left of a permutation once it is known.

    Parameters
    ----------
    order : array of shape (d, k)
        Entries -1, 0 and 1.
    """

    same_columns = False

    def __init__(self, order: Array) -> None:
        self.order = order

    def fit(self, moments: PlanMoments) -> AffineMap:
        grows = self.order.shape[0] < self.order.shape[1]
        matrix = completed(self.order, moments.cov_y) if grows else self.order
        return AffineMap(moments.mean_x, moments.mean_y, (matrix,))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return n_features_target


class Permutation(Invariance):
    """Columns in another order, with signs and offsets: ``h(x)_k = s_k x_p(k) + b_k``, s in {-1, 1}.

    The best order maximises ``sum_k |M_p(k),k|`` for the plan's cross-covariance M: a linear assignment (Kuhn, 1955;
    Crouse, "On implementing 2D rectangular assignment algorithms", 2016). Quarter turns and mirror images of pictures,
    inverted polarity and shuffled columns are all of this class, and a map of this class that is found at all is
    usually found exactly. Between different numbers of columns, correlations take M's place. Columns that the source
    lacks are filled in by their regression on the others in the target; columns that the target lacks are left out.

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

    def proposals(self, pair: Pair, rng: np.random.RandomState) -> list[AffineMap]:
        if max(pair.X.shape[1], pair.Y.shape[1]) > MAX_MATCHED:
            return []
        moments = PlanMoments.of_marginals(pair.X, pair.Y)
        spread = np.sqrt(pair.b @ (pair.Y - pair.b @ pair.Y) ** 2 @ np.ones(pair.Y.shape[1]) / pair.Y.shape[1])
        unit = spread if spread > 0 else 1.0
        sides = ColumnMoments.of(pair.X / unit, pair.a), ColumnMoments.of(pair.Y / unit, pair.b)
        n_starts = int(np.clip(1000 // max(moments.n_features), 12, 40))
        matchings = match_columns(*sides, rng, signs=self.signs, n_starts=n_starts)
        return [
            Ordered(matching.matrix).fit(moments)
            for matching in matchings[:N_MATCHINGS]
            if matching.cost <= MATCHED * matchings[0].cost
        ]

    def near(self, h: AffineMap) -> Invariance:
        return Ordered(_order_of(h.matrix))

    def fit(self, moments: PlanMoments) -> AffineMap:
        cross = moments.cross
        likeness = np.abs(cross) if self.signs else cross
        if cross.shape[0] != cross.shape[1]:
            # Where columns may be left over, those of large variance must not be taken for that alone.
            variances = np.outer(*(np.diag(cov).clip(0) for cov in (moments.cov_x, moments.cov_y)))
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
