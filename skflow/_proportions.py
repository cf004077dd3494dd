"""Class proportions of rows without labels, from a classifier's probabilities."""

from __future__ import annotations

import numpy as np

LEAST_PROBABILITY = 1e-100
"""Probabilities below this count as this much, so that no product of two leaves the floating-point range."""
PRIOR_SHARE = 0.02
"""Share of the prior in regularised proportions at each step: no class is lost for good."""


def estimate_proportions(
    posterior: np.ndarray,
    prior: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    prior_share: float = 0.0,
    max_iter: int = 1000,
    tol: float = 1e-8,
) -> np.ndarray:
    """Class proportions of rows, from the probabilities of a model that was trained where they were `prior`.

    Expectation maximisation of Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a
    priori probabilities", Neural Computation 14, 2002, eq. 2.9.

    Parameters
    ----------
    posterior : ndarray of shape (n_samples, n_classes)
        The model's probabilities; rows sum to one.
    prior : ndarray of shape (n_classes,)
        Proportions of the classes in the model's own data, positive.
    weights : ndarray of shape (n_samples,), optional
        Weights of the rows, which sum to one.
    prior_share : float
        Share of the prior in the proportions at each step, such as :data:`PRIOR_SHARE`; none by default.
    max_iter, tol : int, float
        Iterations end where the proportions change by no more than `tol` together.

    Returns
    -------
    ndarray of shape (n_classes,)
        They sum to one.
    """
    posterior = np.maximum(posterior, LEAST_PROBABILITY)
    weights = np.full(len(posterior), 1 / len(posterior)) if weights is None else weights
    proportions = np.array(prior, dtype=np.float64)
    for _ in range(max_iter):
        joint = posterior * np.maximum(proportions / prior, LEAST_PROBABILITY)
        found = weights @ (joint / joint.sum(axis=1, keepdims=True))
        before, proportions = proportions, (1 - prior_share) * found + prior_share * prior
        if np.abs(proportions - before).sum() <= tol:
            break
    return proportions
