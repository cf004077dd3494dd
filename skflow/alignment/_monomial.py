"""Columns in another order and in other units."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._affine_map import AffineMap, Array
from ._base import Invariance, Proposal
from ._column_matching import Matching, match_columns
from ._column_summary import ColumnSummary
from ._matrices import EPS, completed
from ._pair import Pair
from ._permutation import Permutation
from ._plan_moments import PlanMoments

STANDS_OUT, STANDS_OUT_ALONE = 3.0, 4.0
"""Ratio of the cost of random orders to that of the best one from which on it stands out, if it leaves no more than
chance, and else. Chosen on other seeds and tables than those of ``fidelity.py``: those that were turned had less."""

NOT_FAR = 0.8
"""Share of that ratio below which a few starts are enough."""


class OrderedUnits(Invariance):
    """One order of the columns, each with a gain and an offset: what is left of a monomial matrix whose order is known.

    Parameters
    ----------
    order : array of shape (d, k)
        Entries -1, 0 and 1.
    """

    same_columns = False
    whole_classes = True

    def __init__(self, order: Array) -> None:
        self.order = order

    def fit(self, moments: PlanMoments) -> AffineMap:
        spread, goal = np.sqrt(moments.var_x), np.abs(self.order) @ np.sqrt(moments.var_y)
        varies = (spread > EPS**0.5 * spread.max(initial=0.0)) & (goal > EPS**0.5 * goal.max(initial=0.0))
        gains = np.divide(goal, spread, out=np.ones_like(spread), where=varies)
        grows = self.order.shape[0] < self.order.shape[1]
        matrix = completed(self.order, moments.cov_y) if grows else self.order
        return AffineMap(moments.mean_x, moments.mean_y, (gains, matrix))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 2 * n_features_target


class Monomial(Permutation):
    """Columns in another order and in other units: ``h(x)_k = s_k x_p(k) + b_k``, s of any sign.

    The matrix of such a map is monomial: it has one entry in each row and each column. As for :class:`Permutation`,
    columns are matched by the likelihood that their distributions and their correlations are the same, here of columns
    in standard deviations about their means; with a plan the order maximises the sum of absolute correlations, a linear
    assignment. The gain is the ratio of standard deviations, as for :class:`Diagonal`. Tried where columns are not in
    their places, and no simpler map of single columns fits.

    Parameters
    ----------
    signs : bool, default=True
        Whether a column may be turned upside down.
    """

    last_resort = True
    whole_classes = True

    def _matchings(self, pair: Pair, rng: np.random.RandomState) -> list[Matching]:
        source, target = (ColumnSummary.of(*side).in_own_units() for side in ((pair.X, pair.a), (pair.Y, pair.b)))
        return match_columns(source, target, rng, signs=self.signs, offsets=True, least_contrast=NOT_FAR * STANDS_OUT)

    def _proposal(self, matching: Matching, pair: Pair) -> Proposal:
        return Proposal(
            OrderedUnits(matching.matrix).fit(PlanMoments.of_marginals(pair.X, pair.Y)),
            matching.likely and matching.contrast >= STANDS_OUT,
            matching.contrast >= (STANDS_OUT if matching.likely else STANDS_OUT_ALONE),
        )

    def near(self, h: AffineMap, pair: Pair) -> Invariance:
        moments = PlanMoments.of_marginals(pair.X, pair.Y)
        likeness = np.abs(h.matrix) * np.sqrt(moments.var_x)[:, None]
        likeness = likeness / (np.sqrt(moments.var_y) + np.finfo(float).tiny)
        source, column = linear_sum_assignment(-likeness)
        order = np.zeros(h.matrix.shape)
        order[source, column] = np.sign(h.matrix[source, column])
        return OrderedUnits(order)

    def fit(self, moments: PlanMoments) -> AffineMap:
        variances = np.outer(moments.var_x, moments.var_y)
        likeness = moments.cross / np.sqrt(variances + EPS * variances.max() + np.finfo(float).tiny)
        source, column = linear_sum_assignment(-np.abs(likeness) if self.signs else -likeness)
        order = np.zeros(likeness.shape)
        order[source, column] = np.where(likeness[source, column] < 0, -1.0, 1.0) if self.signs else 1.0
        return OrderedUnits(order).fit(moments)

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 3 * n_features + 1
