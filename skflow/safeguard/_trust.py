"""How far the answer on a row deserves belief: signs of trouble, and one number of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from .._panel import Panel
from ._nearest import Nearest, common_axes

BESIDE = 10
"""Fitted rows beside which a row is judged."""
WEIGHTS_BEFORE = np.array([0.3, 0.3, 0.5, 0.5, 0.0, 0.7])
"""Weight of each sign before any answer was checked."""
WEIGHTS_BEFORE_OF_MODEL = np.array([0.1, 0.0, 0.5, 0.7, 0.6, 1.5])
"""The same where the model itself is asked: it knows best how sure it is."""
WEIGHTS_DOUBT = 0.25
"""Standard deviation of these weights."""
LARGEST_SIGN = 4.0
"""Standard deviations beyond which a sign tells no more."""
TRUST_SIGNS = ("near", "united", "neighbours", "agreed", "supported", "sure")
"""What speaks for an answer: fitted rows are near; they moved alike; their classes are that of the answer; it is
the same for the row as it came, aligned and moved; quick models of the target give it, too; who is asked is sure,
beside how sure it is on fitted rows: the scale of a model's own probabilities is arbitrary, their order is not."""


@dataclass(frozen=True)
class SignWeights:
    """The chance that an answer is right as a logistic function of signs, in standard deviations of known rows."""

    centre: np.ndarray
    scale: np.ndarray
    intercept: float
    weights: np.ndarray
    """Of shape (n_signs,), none negative."""

    @classmethod
    def fit(cls, signs: np.ndarray, right: np.ndarray, known: np.ndarray, share: float, before: np.ndarray) -> Self:
        """Weights under which what is known is likeliest, by logistic regression with a normal prior.

        Parameters
        ----------
        signs : ndarray of shape (n_samples, n_signs)
            Of held-out rows.
        right, known : ndarray of bool of shape (n_samples,)
            Whether the answer is right, where that is known.
        share : float
            How often answers are right where nothing is known.
        before : ndarray of shape (n_signs,)
            Weights before any answer was checked.
        """
        centre, scale = signs.mean(axis=0), signs.std(axis=0) + 1e-9
        empty = cls(centre, scale, 0.0, before)
        rows = empty.in_units(signs)
        if not known.any():
            return replace(empty, intercept=_intercept(rows @ before, float(np.clip(share, 0.02, 0.98))))
        # One answer more that was right and one that was wrong, on a row like the average: nothing is certain.
        rows, right = np.pad(rows[known], ((0, 2), (0, 0))), np.concatenate([right[known], [True, False]])

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            scores = np.clip(weights[0] + rows @ weights[1:], -50, 50)
            surprise = (weights[1:] - before) / WEIGHTS_DOUBT
            value = np.logaddexp(0, np.where(right, -scores, scores)).sum() + surprise @ surprise / 2
            slope = expit(scores) - right
            return float(value), np.concatenate([[slope.sum()], rows.T @ slope + surprise / WEIGHTS_DOUBT])

        start = np.concatenate([[logit(right.mean())], before])
        bounds = [(-10, 10), *[(0, None)] * len(before)]
        found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
        return replace(empty, intercept=float(found[0]), weights=found[1:])

    def in_units(self, signs: np.ndarray) -> np.ndarray:
        """Signs in standard deviations; beyond a few of them they tell no more."""
        return np.clip((signs - self.centre) / self.scale, -LARGEST_SIGN, LARGEST_SIGN)

    def __call__(self, signs: np.ndarray) -> np.ndarray:
        """Trust (n_samples,) of rows with these signs."""
        return expit(self.intercept + self.in_units(signs) @ self.weights)


class TrustModel:
    """Trust in the answers on rows that a flow carries, in [0, 1].

    Each sign of :data:`TRUST_SIGNS` is measured in standard deviations of the fitted rows, and the chance that an
    answer is right is a logistic function of their weighted sum. Weights are those under which held-out rows whose
    class is known are most likely, drawn to fixed ones where these rows are few. Without any label weights are fixed,
    and answers are as often right as they are those of the rows around. Neighbours as evidence are those of Jiang, Kim,
    Guan and Gupta, "To trust or not to trust a classifier", NeurIPS 2018.

    Parameters
    ----------
    X, aligned, moved, carried : ndarray of shape (n_samples, n_features) or (n_samples, n_columns)
        The fitted rows as they came, aligned, moved by the whole flow, and where they are carried, the last two by a
        map that did not see them.
    moves : ndarray of shape (n_samples, n_columns)
        How the flow moved them.
    wanted : ndarray of shape (n_samples,)
        The target label that each should have, or None where that is not known.
    panel : Panel
        Models of the target.
    X_target : ndarray of shape (m_samples, n_columns)
        The target's rows.
    model : fitted classifier or None
        Whose answers are in question; those of the panel without it.
    """

    def __init__(
        self,
        X: np.ndarray,
        aligned: np.ndarray,
        moved: np.ndarray,
        carried: np.ndarray,
        moves: np.ndarray,
        wanted: np.ndarray,
        known: np.ndarray,
        panel: Panel,
        X_target: np.ndarray,
        model: Any = None,
    ) -> None:
        self._panel, self._X_target = panel, X_target
        self._asked = panel if model is None else Panel(X_target[: len(panel.classes)], panel.classes, model=model)
        before = WEIGHTS_BEFORE if model is None else WEIGHTS_BEFORE_OF_MODEL
        self._near = Nearest(common_axes(aligned, X_target)[0])
        k = min(BESIDE, len(X) - 1)
        self._k, self._moves = k, moves.astype(np.float64)
        answers, sure = self._asked.answers(carried)
        self._sure = np.sort(sure)
        self._labels = np.where(known, wanted, answers)
        distances, neighbours = self._near.of_own(k) if k else (np.ones((len(X), 1)), np.zeros((len(X), 1), int))
        self._distance = float(np.median(distances.mean(axis=1))) or 1.0
        self._spread = float(np.sqrt(self._moves.var(axis=0).sum())) or 1.0
        signs = self._signs((X, aligned, moved, carried), answers, sure, distances, neighbours)
        self.weights = SignWeights.fit(signs, answers == wanted, known, (signs[:, 2] > 1 / 2).mean(), before)

    def __call__(self, X: np.ndarray, aligned: np.ndarray, moved: np.ndarray, carried: np.ndarray) -> np.ndarray:
        """Trust (n_samples,) in the answers on unseen rows."""
        answers, sure = self._asked.answers(carried)
        distances, neighbours = self._near.of(common_axes(aligned, self._X_target)[0], max(self._k, 1))
        return self.weights(self._signs((X, aligned, moved, carried), answers, sure, distances, neighbours))

    def _signs(
        self,
        places: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        answers: np.ndarray,
        sure: np.ndarray,
        distances: np.ndarray,
        neighbours: np.ndarray,
    ) -> np.ndarray:
        """Signs (n_samples, n_signs) of rows as they came, aligned, moved and carried."""
        X, aligned, moved, carried = places
        near = -np.log(distances.mean(axis=1) / self._distance + 1e-9)
        moves = self._moves[neighbours]
        united = -np.sqrt(np.square(moves - moves.mean(axis=1, keepdims=True)).sum(axis=2).mean(axis=1)) / self._spread
        alike = (self._labels[neighbours] == answers[:, None]).mean(axis=1)
        rows = [aligned, moved] if X.shape[1] != aligned.shape[1] else [X, aligned, moved]
        agreed = np.mean([self._panel.agreement(some, answers).mean(axis=0) for some in rows], axis=0)
        supported = self._panel.agreement(carried, answers).mean(axis=0)
        ranks = [np.searchsorted(self._sure, sure, side) for side in ("left", "right")]
        return np.column_stack([near, united, alike, agreed, supported, np.mean(ranks, axis=0) / len(self._sure)])


def _intercept(scores: np.ndarray, share: float) -> float:
    """The number that makes the mean of ``expit(number + scores)`` the `share`."""
    low, high = -30.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + scores).mean() < share else (low, middle)
    return low
