"""Exact reduction of the dimension: a flow between few points stays in their span."""

from __future__ import annotations

import numpy as np


class JointSpan:
    """Coordinates in the affine span of the points on both sides.

    Velocities of the OTDD are combinations of the points of both sides, so that with more features than points nothing
    ever leaves their span; and all that the flow depends on, distances between points and between Gaussians, is the
    same in an orthonormal basis of it.

    Parameters
    ----------
    X, X_target : ndarray of shape (n_samples, n_features), (m_samples, n_features)
        Points of both sides.
    """

    def __init__(self, X: np.ndarray, X_target: np.ndarray) -> None:
        self._origin = X_target.mean(axis=0, dtype=np.float64)
        points = np.concatenate([X, X_target]) - self._origin
        self._basis = np.linalg.qr(points.T)[0]

    def reduce(self, X: np.ndarray) -> np.ndarray:
        """Points of the span in its coordinates, (n, n_samples + m_samples)."""
        return (X - self._origin) @ self._basis

    def lift(self, Z: np.ndarray) -> np.ndarray:
        """Points back from their coordinates, (n, n_features)."""
        return Z @ self._basis.T + self._origin
