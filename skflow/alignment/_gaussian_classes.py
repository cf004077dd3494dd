"""Probabilities of the target's classes, each a Gaussian with one covariance for all."""

from __future__ import annotations

import numpy as np
import torch

from ._affine_map import Array


class GaussianPosterior:
    """Posterior of the target's classes under Gaussian classes with one shrunk covariance (linear discriminants).

    Parameters
    ----------
    Y : array of shape (m, r)
    t : integer array of shape (m,)
        Codes 0, ..., K - 1.
    shrinkage : float
        Share of the mean variance that is added to each direction.
    """

    def __init__(self, Y: Array, t: Array, shrinkage: float = 0.1) -> None:
        one_hot = np.eye(t.max() + 1)[t]
        counts = one_hot.sum(0)
        means = one_hot.T @ Y / counts[:, None]
        within = Y - means[t]
        cov = within.T @ within / len(Y)
        # One row a class has no spread within; that between the classes is the only one known then.
        spread = np.trace(cov) or float(Y.var(axis=0).sum()) or 1.0
        cov += shrinkage * spread / len(cov) * np.eye(len(cov))
        self._weights = np.linalg.solve(cov, means.T)
        self._bias = np.log(counts / counts.sum()) - 0.5 * np.einsum("kr,rk->k", means, self._weights)

    def __call__(self, Z: Array) -> Array:
        """Probabilities of the classes, (n, K)."""
        # PyTorch's exponentials underflow quietly, whatever NumPy is set to do about it.
        scores = torch.from_numpy(Z @ self._weights + self._bias)
        return torch.softmax(scores, 1).clamp_min_(1e-100).numpy()
