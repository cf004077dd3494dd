"""The way back: whether what learns from answers about the carried rows is right on the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.class_weight import compute_sample_weight

from .._inputs import as_labels
from .._panel import Panel
from ._judged import Judged, is_regression, judged_flows

MOST_ASKED = 2000
"""Rows of the target that are asked for."""


def circular_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Balanced accuracy on the target of quick models that learn the answers about the carried rows.

    No label of the source is known, but the target's are: where rows are carried to where the model is at home and are
    answered rightly, what learns from the answers is right on the target (circular validation [1]_, [2]_). It tells
    maps that fail from those that do not; among good ones it tells little.

    Parameters
    ----------
    estimator : fitted classifier with a flow in it
        A flow and a frozen model in a Pipeline, or a RepurposedClassifier; of several flows the mean.
    X : array-like of shape (n_samples, n_features)
        Rows of the source, held out.
    y : None
        Ignored.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        For an `estimator` that has no `predict`, holds no fitted flow that has a target, or whose answers are no
        classes of the target and of the flow.

    References
    ----------
    .. [1] L. Bruzzone, M. Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and a Circular
       Validation Strategy", IEEE PAMI, 2010.
    .. [2] E. Zhong, W. Fan, Q. Yang, O. Verscheure, J. Ren, "Cross Validation Framework to Choose Amongst Models and
       Datasets for Transfer Learning", ECML PKDD, 2010.
    """
    if not hasattr(estimator, "predict"):
        raise ValueError(f"estimator={estimator!r} has no predict; circular_scorer needs a classifier.")
    answers = as_labels(estimator.predict(X), "predictions")
    scores = []
    for judged in judged_flows(estimator, X, y):
        right, weights = way_back(judged.moved, _of_target(answers, judged), judged.X_target, judged.y_target)
        scores.append(np.average(right.mean(axis=0), weights=weights))
    return float(np.mean(scores))


def _of_target(answers: np.ndarray, judged: Judged) -> np.ndarray:
    """Answers as classes of the target."""
    if is_regression(judged.flow):
        raise ValueError("The flow's labels are continuous; circular_scorer needs classes.")
    classes, goes_to = set(judged.y_target.tolist()), getattr(judged.flow, "label_map_", {})
    named = {answer: answer if answer in classes else goes_to.get(answer) for answer in set(answers.tolist())}
    if strangers := [answer for answer, label in named.items() if label not in classes]:
        raise ValueError(f"predictions: {strangers[:3]!r} are neither classes of the target nor of the flow.")
    return np.array([named[answer] for answer in answers.tolist()], dtype=judged.y_target.dtype)


def way_back(
    rows: np.ndarray, answers: np.ndarray, X_target: np.ndarray, y_target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which quick models (n_models, m) that learn `answers` about `rows` are right on the target, and weights (m,).

    Asked are :data:`MOST_ASKED` of its rows; under the weights its classes count alike.
    """
    some = np.random.RandomState(0).permutation(len(X_target))[:MOST_ASKED]
    X_target, y_target = X_target[some], y_target[some]
    weights = compute_sample_weight("balanced", y_target)
    if len(np.unique(answers)) > 1:
        return Panel(rows, answers).agreement(X_target, y_target), weights
    return np.asarray(y_target == answers[0], dtype=np.float64)[None], weights
