"""Scorers for model selection where the truth is not known, for ``GridSearchCV(scoring=...)``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors

from .._inputs import as_labels
from ._between_tables import divergence
from ._datasets import otdd
from ._judged import is_regression, judged_flows, known_labels


def neg_otdd_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Minus the OTDD between the carried rows and the flow's target: larger is better, no model is asked.

    For ``GridSearchCV(scoring=...)``, where the target domain's truth is not known (section 7.3, figure 11: the
    distance is a good proxy of a frozen model's accuracy). In a Pipeline, the steps before the flow are applied first.

    Parameters
    ----------
    estimator : fitted flow, Pipeline with a flow in it, RepurposedClassifier, or a search or FrozenEstimator of one
        Whose flow is judged; of several flows the mean.
    X : array-like of shape (n_samples, n_features)
        Rows of the source.
    y : array-like of shape (n_samples,), default=None
        Their labels. Rows without one, marked by -1, a missing value or the estimator's `unlabelled`, are left out;
        without any label only the features are compared. Continuous labels are missing where they are NaN.

    Returns
    -------
    float
        The score, in units of the features; entropic at a twentieth of the mean cost, and debiased.

    Raises
    ------
    ValueError
        If `estimator` holds no fitted flow that has a target, or `y` has labels that the flow has not seen.
    """
    scores = []
    for flow, moved, X_target, y_target, _ in judged_flows(estimator, X, y):
        unknown = np.zeros(len(moved), dtype=bool), np.empty(0)
        known, labels = unknown if y is None else known_labels(estimator, flow, y)
        if len(known) != len(moved):
            raise ValueError(f"y has {len(known)} labels, but X has {len(moved)} rows.")
        sides = moved[known], labels, X_target, y_target
        if known.any() and is_regression(flow):
            distance = otdd(*sides, reg=0.05, debias=True, target_type="continuous")
        elif known.any():
            named = {label: flow.label_map_[label] for label in np.unique(labels).tolist()}
            distance = otdd(*sides, reg=0.05, debias=True, class_weight="balanced", correspondence=named)
        else:
            sides = moved, np.zeros(len(moved), dtype=int), X_target, np.zeros(len(X_target), dtype=int)
            distance = otdd(*sides, reg=0.05, debias=True, label_weight=0.0)
        scores.append(-distance)
    return float(np.mean(scores))


def neg_divergence_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Minus the divergence between the carried rows and the flow's target; no label of the source is needed.

    The target's classes are given the proportions that they seem to have in the carried rows, see
    :func:`~skflow.metrics.divergence`, so that a change of class frequencies is not taken for a movement.

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
    found = [
        divergence(moved, X_target)
        if is_regression(flow) or y_target is None
        else divergence(moved, X_target, y_target, class_weight="estimated")
        for flow, moved, X_target, y_target, _ in judged_flows(estimator, X, y)
    ]
    return -float(np.mean(found))


def confidence_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Mean probability of the class that a classifier gives to each row: how sure it is of the carried rows.

    Parameters
    ----------
    estimator : fitted classifier with `predict_proba`
        A flow and a frozen model in a Pipeline, or a RepurposedClassifier.
    X : array-like of shape (n_samples, n_features)
        Rows of the source.
    y : None
        Ignored.

    Returns
    -------
    float
        From ``1 / n_classes`` to 1. A model can be sure and wrong: look at :func:`agreement_scorer`, too.

    Raises
    ------
    ValueError
        If `estimator` has no `predict_proba`.
    """
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"estimator={estimator!r} has no predict_proba; confidence_scorer needs a classifier with one."
        )
    return float(np.asarray(estimator.predict_proba(X)).max(axis=1).mean())


def agreement_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Share of rows that a classifier gives the class that it gives to their nearest neighbour in the source.

    Classes do not change within dense regions; where the answers to the carried rows do, the flow has torn them. The
    share is set against the one that would come by chance, so that a model that always says the same scores 0.

    Parameters
    ----------
    estimator : fitted classifier
        A flow and a frozen model in a Pipeline, or a RepurposedClassifier.
    X : array-like of shape (n_samples, n_features)
        Rows of the source, two or more.
    y : None
        Ignored.

    Returns
    -------
    float
        At most 1, about 0 by chance (Cohen's kappa).

    Raises
    ------
    ValueError
        For a single row, or an `estimator` that has no `predict`.
    """
    if not hasattr(estimator, "predict"):
        raise ValueError(f"estimator={estimator!r} has no predict; agreement_scorer needs a classifier.")
    answers = np.unique(as_labels(estimator.predict(X), "predictions"), return_inverse=True)[1]
    if len(answers) < 2:
        raise ValueError("X has 1 row; agreement_scorer compares neighbours and needs 2 rows or more.")
    neighbour = NearestNeighbors(n_neighbors=1).fit(np.asarray(X)).kneighbors(return_distance=False)[:, 0]
    by_chance = np.sum((np.bincount(answers) / len(answers)) ** 2)
    return float((np.mean(answers == answers[neighbour]) - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0
