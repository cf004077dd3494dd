"""What an invariance needs to know of a plan: its first and second moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._affine_map import Array


@dataclass(frozen=True)
class PlanMoments:
    """First and second moments of the pairs (x, y) that a plan couples.

    The best map of each class of affine maps depends on the plan through these alone, since
    ``sum_ij P_ij |h(x_i) - y_j|^2`` is a quadratic function of h's coefficients whose own coefficients they are. So a
    plan is never needed whole: its marginals and its barycentric images suffice.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows of the source.
    rows : array of shape (n,)
        The plan's row masses, which sum to one.
    barycentres : array of shape (n, k), or callable () -> array
        Barycentric image of each row, ``sum_j P_ij y_j / rows_i``. A callable is called where they are needed.
    Y : array of shape (m, k)
        Rows of the target.
    columns : array of shape (m,)
        The plan's column masses, which sum to one.
    zero : array of shape (d,) or None
        Where the origin of the user's columns lies in these coordinates; None: at their own origin.
    """

    X: Array
    rows: Array
    barycentres: Array | Callable[[], Array]
    Y: Array
    columns: Array
    zero: Array | None = None

    @classmethod
    def of_marginals(cls, X: Array, Y: Array, zero: Array | None = None) -> PlanMoments:
        """Moments of two sides of uniform weights with nothing known of their pairs: the cross-covariance is zero."""
        rows, columns = np.full(len(X), 1 / len(X)), np.full(len(Y), 1 / len(Y))
        return cls(X, rows, np.broadcast_to(columns @ Y, (len(X), Y.shape[1])), Y, columns, zero)

    @property
    def n_features(self) -> tuple[int, int]:
        """Number of features of either side."""
        return self.X.shape[1], self.Y.shape[1]

    @cached_property
    def images(self) -> Array:
        """Barycentric image of each row, shape (n, k)."""
        return self.barycentres() if callable(self.barycentres) else self.barycentres

    @cached_property
    def mean_x(self) -> Array:
        """Mean of the source, shape (d,)."""
        return self.rows @ self.X

    @cached_property
    def mean_y(self) -> Array:
        """Mean of the target under the plan's column masses, shape (k,)."""
        return self.columns @ self.Y

    @cached_property
    def var_x(self) -> Array:
        """Variances of the source's columns, shape (d,)."""
        return self.rows @ (self.X - self.mean_x) ** 2

    @cached_property
    def var_y(self) -> Array:
        """Variances of the target's columns under the plan's column masses, shape (k,)."""
        return self.columns @ (self.Y - self.mean_y) ** 2

    @cached_property
    def cov_x(self) -> Array:
        """Covariance of the source, shape (d, d)."""
        X = self.X - self.mean_x
        return X.T @ (self.rows[:, None] * X)

    @cached_property
    def cov_y(self) -> Array:
        """Covariance of the target under the plan's column masses, shape (k, k)."""
        Y = self.Y - self.mean_y
        return Y.T @ (self.columns[:, None] * Y)

    @cached_property
    def cross(self) -> Array:
        """Cross-covariance ``sum_ij P_ij (x_i - mean_x) (y_j - mean_y)^T``, shape (d, k)."""
        return (self.X - self.mean_x).T @ (self.rows[:, None] * (self.images - self.rows @ self.images))
