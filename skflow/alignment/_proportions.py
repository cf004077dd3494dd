"""Class proportions of rows without labels, from the target's own classes (Saerens, Latinne, Decaestecker, 2002)."""

from __future__ import annotations

from typing import cast

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
        cov += (shrinkage * np.trace(cov) / len(cov) + np.finfo(float).tiny) * np.eye(len(cov))
        self._weights = np.linalg.solve(cov, means.T)
        self._bias = np.log(counts / counts.sum()) - 0.5 * np.einsum("kr,rk->k", means, self._weights)

    def __call__(self, Z: Array) -> Array:
        """Probabilities of the classes, (n, K)."""
        # PyTorch's exponentials underflow quietly, whatever NumPy is set to do about it.
        scores = torch.from_numpy(Z @ self._weights + self._bias)
        return torch.softmax(scores, 1).clamp_min_(1e-100).numpy()


def estimate_proportions(
    posterior: Array, prior: Array, a: Array, *, n_iter: int = 100, prior_share: float = 0.02
) -> Array:
    """Class proportions (K,) of weighted rows whose posterior under proportions `prior` is (n, K), by EM.

    A small share of the prior is kept, so that no class dies out for good.
    """
    w = prior.copy()
    for _ in range(n_iter):
        r = posterior * (w / prior)
        r /= r.sum(1, keepdims=True).clip(np.finfo(float).tiny)
        w = (1 - prior_share) * (a @ r) + prior_share * prior
    return cast(Array, w / w.sum())
