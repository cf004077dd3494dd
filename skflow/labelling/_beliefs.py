"""Beliefs: probabilities of the classes, a row for each sample. How they are combined, weighted and balanced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

TINY = 1e-12
"""Keeps logarithms and quotients of beliefs finite."""

FLOOR = -100.0
"""Least logarithm of a belief beside the largest of its row: no underflow, whatever NumPy is told to do about it."""


def rows_to_one(values: np.ndarray) -> np.ndarray:
    """Rows divided by their sums."""
    return values / values.sum(axis=1, keepdims=True)


def combine(*beliefs: np.ndarray) -> np.ndarray:
    """Product of beliefs, renormalised: what independent pieces of evidence say together."""
    return _from_logs(np.sum([np.log(b + TINY) for b in beliefs], axis=0))


def temper(beliefs: np.ndarray, weight: float) -> np.ndarray:
    """Beliefs raised to the power `weight` and renormalised: below one less sure of themselves, with zero silent."""
    return _from_logs(weight * np.log(beliefs + TINY))


def balance(beliefs: np.ndarray, prior: np.ndarray, n_iter: int = 50) -> np.ndarray:
    """Beliefs scaled by a factor for each class until the mean belief is `prior` (Sinkhorn's iteration)."""
    for _ in range(n_iter):
        beliefs = rows_to_one(beliefs * (prior / np.maximum(beliefs.mean(axis=0), TINY)))
    return beliefs


def confidence_of(beliefs: np.ndarray) -> np.ndarray:
    """How far the first choice is ahead of the second: 0 where they tie, 1 where there is no second."""
    if beliefs.shape[1] == 1:
        return np.ones(len(beliefs))
    second, first = np.partition(beliefs, -2, axis=1)[:, -2:].T
    return 1 - second / first


def fit_weights(
    evidence: Sequence[np.ndarray], codes: np.ndarray, expected: ArrayLike, doubt: ArrayLike
) -> tuple[np.ndarray, float]:
    """Weights under which the product of the evidence makes the true classes likeliest.

    Penalised maximum likelihood (stacking): evidence that misleads, or that adds nothing to the other, is silenced.

    Parameters
    ----------
    evidence : sequence of ndarray of shape (n_samples, n_classes)
        Beliefs about rows whose class is known, none of them formed from the row's own label.
    codes : ndarray of shape (n_samples,)
        The true classes.
    expected, doubt : array-like of shape (n_evidence,)
        Mean and standard deviation of the weights before any row was seen.

    Returns
    -------
    weights : ndarray of shape (n_evidence,)
        Non-negative, for :func:`temper`.
    loss : float
        Minus the penalised logarithm of the likelihood of the true classes.
    """
    logs = np.log(np.stack(evidence) + TINY)
    rows, expected, doubt = np.arange(len(codes)), np.asarray(expected, dtype=float), np.asarray(doubt, dtype=float)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.maximum(log_softmax(np.einsum("w,wnk->nk", weights, logs), axis=1), FLOOR)
        slope = (np.exp(scores) * logs).sum(axis=2).sum(axis=1) - logs[:, rows, codes].sum(axis=1)
        surprise = (weights - expected) / doubt
        return -scores[rows, codes].sum() + surprise @ surprise / 2, slope + surprise / doubt

    found = minimize(loss, expected, jac=True, bounds=[(0, None)] * len(logs), method="L-BFGS-B")
    return found.x, float(found.fun)


def fit_temperature(beliefs: np.ndarray, truth: np.ndarray) -> float:
    """Weight for :func:`temper` under which beliefs are calibrated on held-out rows (Guo et al., ICML 2017).

    Parameters
    ----------
    beliefs : ndarray of shape (n_samples, n_classes)
        Beliefs about rows that had no part in them.
    truth : ndarray of shape (n_samples, n_classes)
        What is known of the classes of these rows: one-hot, or probabilities.

    Returns
    -------
    float
        Below one where beliefs are too sure of themselves; between 1/30 and 30.
    """
    logs = np.log(beliefs + TINY)

    def loss(log_weight: float) -> float:
        return -float((truth * log_softmax(np.exp(log_weight) * logs, axis=1)).sum(axis=1).mean())

    bound = np.log(30)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


BIAS_DOUBT = 0.01
"""Weight of the squared corrections of the classes beside the mean surprise: of a few rows they stay small."""


@dataclass(frozen=True)
class Calibrated:
    """Beliefs made calibrated by one temperature and one bias for each class; it pickles.

    Alexandari, Kundaje and Shrikumar, "Maximum likelihood with bias-corrected calibration is hard-to-beat at label
    shift adaptation", ICML 2020.
    """

    sureness: float
    bias: np.ndarray
    """Of shape (n_classes,)."""

    @classmethod
    def fit(cls, beliefs: np.ndarray, codes: np.ndarray) -> Self:
        """The likeliest, from beliefs (n_samples, n_classes) about rows that had no part in them, and their codes."""
        n, n_classes = beliefs.shape
        logs, truth = np.log(beliefs + TINY), np.eye(n_classes)[codes]

        def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
            scores = log_softmax(np.exp(values[0]) * logs + values[1:], axis=1)
            slope = (np.exp(scores) - truth) / n
            size = float(values @ values)
            gradient = np.concatenate([[np.exp(values[0]) * (slope * logs).sum()], slope.sum(axis=0)])
            return -float((truth * scores).sum() / n) + BIAS_DOUBT * size, gradient + 2 * BIAS_DOUBT * values

        bounds = [(-np.log(30), np.log(30)), *[(-10, 10)] * n_classes]
        found = minimize(loss, np.zeros(1 + n_classes), jac=True, bounds=bounds, method="L-BFGS-B").x
        return cls(float(np.exp(found[0])), found[1:])

    def __call__(self, beliefs: np.ndarray) -> np.ndarray:
        """Calibrated beliefs (n_samples, n_classes)."""
        return _from_logs(self.sureness * np.log(beliefs + TINY) + self.bias)


def _from_logs(scores: np.ndarray) -> np.ndarray:
    return rows_to_one(np.exp(np.maximum(scores - scores.max(axis=1, keepdims=True), FLOOR)))
