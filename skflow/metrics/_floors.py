"""How far moved rows are from the target, and how far parts of the target are from one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression

from ._between_tables import divergence, into_principal_axes
from ._class_proportions import class_proportions
from ._common_units import in_common_units, squared_length
from ._judged import is_regression, judged_flows

DRAWS, DRAWN_ROWS = 4, 300
"""Draws of rows that divergences are taken on, and rows a side."""
COMPARED_AXES = 30
"""Principal axes of the target that divergences are taken in, and that its class proportions are estimated in."""


def divergences_beside_floors(
    candidates: Sequence[np.ndarray], X_target: np.ndarray, y_target: np.ndarray | None, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Divergences (n_candidates, DRAWS) of moved rows from the target, and of as many rows of the target from others.

    The target's classes are given the proportions that they seem to have among the rows, on both sides of the floor: a
    change of class frequencies is no movement, and few rows of a class are farther from others than many.

    Parameters
    ----------
    candidates : sequence of ndarray of shape (n_samples, n_columns)
        The same rows, moved by each candidate.
    X_target, y_target : ndarray of shape (m_samples, n_columns), (m_samples,)
        The target. None where there are no classes.
    rng : RandomState
        Draws rows.
    """
    n, m = len(candidates[0]), len(X_target)
    size = max(1, min(DRAWN_ROWS, n // 2 or 1, m // 2 or 1))
    draws = [(rng.permutation(n)[:size], np.split(rng.permutation(m)[: 2 * size], [size])) for _ in range(DRAWS)]
    proportions = _proportions(X_target, y_target)
    weights = [proportions(candidate) for candidate in candidates]
    keys = [tuple(np.round(w / w.sum() * len(w), 1)) for w in weights]  # where the proportions are the same
    values, least = np.empty((len(candidates), DRAWS)), np.empty((len(candidates), DRAWS))
    for draw, (own, (one, other)) in enumerate(draws):
        # The axes are found once, and the rows of all candidates, which are as many, put into them together.
        rows = np.concatenate([X_target[one], *(candidate[own] for candidate in candidates)])
        rows, beside, unit = in_common_units(rows, X_target[other])
        project = into_principal_axes(beside, np.full(len(beside), 1 / len(beside)), COMPARED_AXES)
        beside, (apart, *moved) = project(beside), np.split(project(rows), len(candidates) + 1)
        floors: dict[tuple, float] = {}
        for k, (w, key) in enumerate(zip(weights, keys, strict=True)):
            given = {"target_weight": w[other], "n_components": None}
            if key not in floors:
                floors[key] = divergence(apart, beside, sample_weight=w[one], **given)
            least[k, draw] = squared_length(floors[key], unit)
            values[k, draw] = squared_length(divergence(moved[k], beside, **given), unit)
    return values, least


def neg_misfit_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Minus how far the carried rows are from lying where the target's do, and how much the map deforms them.

    Two parts of the target are some way apart. Rows that are farther from it have not arrived; rows that are nearer
    have been drawn together, as a strong flow does whatever their classes are. So the score falls on either side of
    that floor, and by what the map moves beyond the best affine map of the rows, which no label has asked for.

    Parameters
    ----------
    estimator : fitted flow, Pipeline with a flow in it, RepurposedClassifier, or a search or FrozenEstimator of one
        Whose flow is judged; of several flows the mean.
    X : array-like of shape (n_samples, n_features)
        Rows of the source, held out.
    y : None
        Ignored.

    Returns
    -------
    float
        The score, at most zero, in squared units of the features.

    Raises
    ------
    ValueError
        If `estimator` holds no fitted flow that has a target.
    """
    scores = []
    for judged in judged_flows(estimator, X, y):
        rng = np.random.RandomState(0)
        y_target = None if is_regression(judged.flow) else judged.y_target
        values, floors = divergences_beside_floors([judged.moved], judged.X_target, y_target, rng)
        rows = judged.rows.astype(np.float64)
        affine = LinearRegression().fit(rows, judged.moved).predict(rows)
        deformation = np.square(judged.moved - affine).sum(axis=1).mean()
        scores.append(-abs(values.mean() - floors.mean()) - deformation)
    return float(np.mean(scores))


def _proportions(X_target: np.ndarray, y_target: np.ndarray | None) -> Callable[[np.ndarray], np.ndarray]:
    """Weights of the target's rows under the class proportions of other rows, as a function of these."""
    classes, codes = (X_target[:0], X_target[:0]) if y_target is None else np.unique(y_target, return_inverse=True)
    if len(classes) < 2:
        return lambda rows: np.ones(len(X_target))
    axes = PCA(min(COMPARED_AXES, *X_target.shape), random_state=0).fit(X_target)
    unit = float(np.sqrt(axes.explained_variance_.mean())) or 1.0
    model = LogisticRegression(max_iter=200, tol=1e-3).fit(axes.transform(X_target) / unit, codes)
    prior = np.bincount(codes) / len(codes)

    def weights(rows: np.ndarray) -> np.ndarray:
        found = class_proportions(model.predict_proba(axes.transform(rows) / unit), prior)
        return np.asarray((found / prior)[codes])

    return weights
