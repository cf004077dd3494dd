"""Classes of global maps under which two datasets may be the same, one small class each."""

from __future__ import annotations

from numbers import Real

import numpy as np

from .._sklearn import Interval
from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._matrices import EPS, completed, gain_of, gaussian_map, nearest_orthogonal
from ._plan_moments import PlanMoments


class Identity(Invariance):
    """Leaves rows as they are: ``h(x) = x``."""

    uses_plan = False

    def fit(self, moments: PlanMoments) -> AffineMap:
        zero = np.zeros(moments.n_features[0])
        return AffineMap(zero, zero)

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 0


class Translation(Invariance):
    """Offsets: ``h(x) = x + b``. The best b is the difference of the plan's means."""

    def fit(self, moments: PlanMoments) -> AffineMap:
        return AffineMap(moments.mean_x, moments.mean_y)

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return n_features


class Diagonal(Invariance):
    """Units: ``h(x)_k = s_k x_k + b_k`` with positive s.

    A regression of each column on its own counterpart would shrink it by as much as the plan is blurred. The gain is
    the ratio of standard deviations instead, the one-dimensional Gaussian map, which a blurred plan does not bias.
    A column that does not vary on one of the sides keeps its gain of one.
    """

    whole_classes = True

    def fit(self, moments: PlanMoments) -> AffineMap:
        sx, sy = np.sqrt(moments.var_x), np.sqrt(moments.var_y)
        varies = (sx > EPS**0.5 * _rms(sx)) & (sy > EPS**0.5 * _rms(sy))
        gains = np.divide(sy, sx, out=np.ones_like(sx), where=varies)
        return AffineMap(moments.mean_x, moments.mean_y, (gains,))

    def variants(self) -> list[Invariance]:
        return [self, UnitsOfMatched()]

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 2 * n_features


class UnitsOfMatched(Diagonal):
    """The same units, read from those rows of the target that find a counterpart."""

    whole_classes = False

    def variants(self) -> list[Invariance]:
        return [self]


class Orthogonal(Invariance):
    """Rotations, reflections and offsets: ``h(x) = (x - mean_x) Q + mean_y`` with Q^T Q = I.

    The orthogonal Procrustes problem (Schönemann, 1966): ``Q = U V^T`` for the singular vectors of the plan's
    cross-covariance ``U S V^T``. Between different numbers of features Q is semi-orthogonal: to more columns it is an
    isometry, to fewer it maximises the plan's cross-covariance over the Stiefel manifold (Alvarez-Melis, Jegelka and
    Jaakkola, 2019).
    """

    same_columns = False
    turns = True
    by_column = False

    def fit(self, moments: PlanMoments) -> AffineMap:
        return AffineMap(moments.mean_x, moments.mean_y, (nearest_orthogonal(moments.cross),))

    def closest(self, h: AffineMap) -> AffineMap | None:
        return AffineMap(h.center, h.image, (nearest_orthogonal(h.matrix),))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        r, s = sorted((n_features, n_features_target))
        return r * s - r * (r + 1) // 2 + n_features_target


class Turned(Invariance):
    """Offsets after one rotation, with its gain: what is left of a class of rotations once the rotation is known."""

    same_columns = False
    by_column = False

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix

    def fit(self, moments: PlanMoments) -> AffineMap:
        return AffineMap(moments.mean_x, moments.mean_y, (self.matrix,))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return n_features_target


class Similarity(Invariance):
    """Rotations with one gain: ``h(x) = c (x - mean_x) Q + mean_y``.

    Q as for :class:`Orthogonal`. The gain that is best for a plan (Schönemann and Carroll, 1970) shrinks as the plan
    blurs; the ratio of the spreads in the directions that Q can carry does not, and is used.
    """

    same_columns = False
    turns = True
    by_column = False

    def fit(self, moments: PlanMoments) -> AffineMap:
        Q = nearest_orthogonal(moments.cross)
        return AffineMap(moments.mean_x, moments.mean_y, (gain_of(Q, moments) * Q,))

    def closest(self, h: AffineMap) -> AffineMap | None:
        return h

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return Orthogonal().n_parameters(n_features, n_features_target) + 1


class Gaussian(Invariance):
    """The Gaussian optimal transport map: symmetric and positive, ``cov_x^-½ (cov_x^½ cov_y cov_x^½)^½ cov_x^-½``.

    The map that carries one covariance into the other and moves as little as possible (Dowson and Landau, 1982;
    Takatsu, 2011; Peyré and Cuturi, "Computational optimal transport", 2019, remark 2.31). It depends on the plan
    through its marginals alone.

    Parameters
    ----------
    shrinkage : float, default=0.01
        Share of the mean variance that is added to each direction of either covariance.
    """

    by_column = False
    _parameter_constraints = {"shrinkage": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, shrinkage: float = 0.01) -> None:
        self.shrinkage = shrinkage

    def fit(self, moments: PlanMoments) -> AffineMap:
        matrix = gaussian_map(moments.cov_x, moments.cov_y, self.shrinkage)
        return AffineMap(moments.mean_x, moments.mean_y, (matrix,))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return n_features * (n_features + 1) // 2 + n_features


class Affine(Invariance):
    """Any linear map with an offset: ridge regression towards the orthogonal one, its spread put right.

    ``A = (cov_x + r I)^-1 (cross + r Q)`` minimises ``sum_ij P_ij |x_i A - y_j|^2 + r |A - Q|^2`` (Hoerl and Kennard,
    1970, about Q instead of zero), with Q the best (semi-)orthogonal map for the same plan: what the rows do not say
    stays a rotation and does not vanish. A blurred plan shrinks a regression (regression dilution), which the Gaussian
    map from the covariance of the mapped rows to the target's undoes. To more columns than there are, that would
    invent spread; there Q is completed by the target's own regressions instead.

    Parameters
    ----------
    ridge : float, default=1.0
        Penalty r, as a share of the source's mean variance.
    shrinkage : float, default=0.03
        As in :class:`Gaussian`.
    """

    same_columns = False
    turns = True
    by_column = False
    _parameter_constraints = {
        "ridge": [Interval(Real, 0, None, closed="left")],
        "shrinkage": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, ridge: float = 1.0, shrinkage: float = 0.03) -> None:
        self.ridge = ridge
        self.shrinkage = shrinkage

    def fit(self, moments: PlanMoments) -> AffineMap:
        Q = nearest_orthogonal(moments.cross)
        penalty = max(self.ridge, EPS) * np.trace(moments.cov_x) / len(moments.cov_x) + np.finfo(float).tiny
        gram = moments.cov_x + penalty * np.eye(len(moments.cov_x))
        grows = Q.shape[0] < Q.shape[1]
        towards = gain_of(Q, moments) * completed(Q, moments.cov_y) if grows else Q
        A = np.linalg.solve(gram, moments.cross + penalty * towards)
        if not grows:
            A = A @ gaussian_map(A.T @ moments.cov_x @ A, moments.cov_y, self.shrinkage)
        return AffineMap(moments.mean_x, moments.mean_y, (A,))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return (n_features + 1) * n_features_target


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))
