"""How far moved rows are from the target, and how far parts of the target are from one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from ._target import Reference
from .metrics import class_proportions, divergence
from .safeguard import allowances, decide_by_divergence

DRAWS, DRAWN_ROWS = 4, 300
"""Draws of rows that divergences are taken on, and rows a side."""
PROPORTION_AXES = 30
"""Principal axes of the target that its class proportions are estimated in."""


def divergences_from(
    candidates: list[np.ndarray], target: Reference, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Divergences (n_candidates, DRAWS) of moved rows from the target, and of as many rows of the target from others.

    The target's classes are given the proportions that they seem to have among the rows, on both sides of the floor: a
    change of class frequencies is no movement, and few rows of a class are farther from others than many.

    Parameters
    ----------
    candidates : list of ndarray of shape (n_samples, n_columns)
        The same rows, moved by each candidate.
    target : Reference
        The reference dataset.
    rng : RandomState
        Draws rows.
    """
    n, m = len(candidates[0]), len(target.X)
    size = max(1, min(DRAWN_ROWS, n // 2 or 1, m // 2 or 1))
    draws = [(rng.permutation(n)[:size], np.split(rng.permutation(m)[: 2 * size], [size])) for _ in range(DRAWS)]
    proportions, floors = _proportions(target), {}
    values, least = np.empty((len(candidates), DRAWS)), np.empty((len(candidates), DRAWS))
    for k, candidate in enumerate(candidates):
        weights = proportions(candidate)
        key = tuple(np.round(weights / weights.sum() * len(weights), 1))  # where the proportions are the same
        if key not in floors:
            floors[key] = [
                divergence(target.X[one], target.X[other], sample_weight=weights[one], target_weight=weights[other])
                for _, (one, other) in draws
            ]
        least[k] = floors[key]
        for draw, (own, (_, other)) in enumerate(draws):
            values[k, draw] = divergence(candidate[own], target.X[other], target_weight=weights[other])
    return values, least


def nearest(candidates: list[np.ndarray], target: Reference) -> tuple[int, bool]:
    """Which of the same rows, moved by each candidate, to take without labels, the simplest first.

    Parameters
    ----------
    candidates : list of ndarray of shape (n_samples, n_columns)
        The rows, in the target's columns.
    target : Reference
        The reference dataset.

    Returns
    -------
    index : int
        See :func:`~skflow.safeguard.decide_by_divergence`.
    at_home : bool
        Whether they are as near to the target then as two parts of it are to one another.
    """
    divergences, floors = divergences_from(candidates, target, np.random.RandomState(0))
    decision = decide_by_divergence([(f"{k}", float(k)) for k in range(len(candidates))], divergences, floors)
    k = int(decision.chosen.name)
    return k, bool((divergences - floors)[k].mean() <= allowances(divergences, floors)[k])


def _proportions(target: Reference) -> Callable[[np.ndarray], np.ndarray]:
    """Weights of the target's rows under the class proportions of other rows, as a function of these."""
    classes, codes = np.unique(target.y, return_inverse=True)
    if len(classes) < 2 or target.is_continuous:
        return lambda rows: np.ones(len(target.X))
    axes = PCA(min(PROPORTION_AXES, *target.X.shape), random_state=0).fit(target.X)
    unit = float(np.sqrt(axes.explained_variance_.mean())) or 1.0
    model = LogisticRegression(max_iter=200, tol=1e-3).fit(axes.transform(target.X) / unit, codes)
    prior = np.bincount(codes) / len(codes)

    def weights(rows: np.ndarray) -> np.ndarray:
        found = class_proportions(model.predict_proba(axes.transform(rows) / unit), prior)
        return np.asarray((found / prior)[codes])

    return weights
