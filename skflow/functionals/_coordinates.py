"""Coordinates in which a flow neither depends on units and offsets nor carries dimensions that it never uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


class Coordinates:
    """Centred and scaled coordinates of the points on both sides, made in float64.

    Single precision has seven digits: features far from the origin, or in units that make them 1e-13, leave none. About
    the target's mean and in units of the typical distance from it, all digits are there. A rotation into the joint
    span is exact, too: velocities of the OTDD are combinations of the points of both sides, so that with more features
    than points nothing ever leaves their span, and all that the flow depends on, distances between points and between
    Gaussians, is the same in an orthonormal basis of it.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Points of both sides.
    rotate : bool
        Whether the axes may be turned: into a basis of the span where there are more features than points.

    Attributes
    ----------
    origin : ndarray of shape (n_features,)
        Mean of the target.
    scale : float
        Root of the mean squared distance of all points from the origin; 1 where they all lie there.
    basis : ndarray of shape (n_features, n_samples + m_samples) or None
        Orthonormal columns; None where the axes are the features'.
    """

    def __init__(self, X: ArrayLike, X_target: ArrayLike, *, rotate: bool = False) -> None:
        X, X_target = (np.asarray(side, dtype=np.float64) for side in (X, X_target))
        # The first row goes before the mean is taken: the mean of equal numbers is not that number, to the last digit.
        self.origin = X_target[0] + (X_target - X_target[0]).mean(axis=0)
        self.basis: np.ndarray | None = None
        sides = [X - self.origin, X_target - self.origin]
        self.scale = _typical_norm(sides)
        n_points = sum(map(len, sides))
        if rotate and n_points < X.shape[1]:
            self.basis = np.linalg.qr((np.concatenate(sides) / self.scale).T)[0]

    def reduce(self, X: ArrayLike) -> np.ndarray:
        """Points in these coordinates, float64."""
        Z = (np.asarray(X, dtype=np.float64) - self.origin) / self.scale
        return Z if self.basis is None else Z @ self.basis

    def lift(self, Z: ArrayLike) -> np.ndarray:
        """Points back from these coordinates, float64."""
        Z = np.asarray(Z, dtype=np.float64)
        return (Z if self.basis is None else Z @ self.basis.T) * self.scale + self.origin


def _typical_norm(sides: list[np.ndarray]) -> float:
    """Root mean square of the row norms, whose squares neither over- nor underflow; 1 for nothing but zeros."""
    largest = max(float(np.abs(side).max(initial=0.0)) for side in sides)
    if largest == 0:
        return 1.0
    total = sum(float(np.square(side / largest).sum()) for side in sides)
    return largest * (total / sum(map(len, sides))) ** 0.5
