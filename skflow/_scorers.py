"""Scorers for model selection where the truth is not known, for ``GridSearchCV(scoring=...)``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors


def neg_otdd_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Minus the OTDD between the carried rows and the flow's target: larger is better, no model is asked.

    For ``GridSearchCV(scoring=...)``, where the target domain's truth is not known (section 7.3, figure 11: the
    distance is a good proxy of a frozen model's accuracy).

    Parameters
    ----------
    estimator : fitted flow, Pipeline with a flow in it, or RepurposedClassifier
        Whose flow is judged; of several flows the mean.
    X : array-like of shape (n_samples, n_features)
        Rows of the source.
    y : array-like of shape (n_samples,), default=None
        Their labels, with the flow's `unlabelled` marker where there is none; unlabelled rows are left out, and
        without any label only the features are compared.

    Returns
    -------
    float
        The score, in units of the features; entropic at a twentieth of the mean cost, and debiased.

    Raises
    ------
    ValueError
        If `estimator` holds no fitted flow that has a target.
    """
    from .metrics import otdd  # which offers these scorers

    scores = []
    for flow in _flows_in(estimator):
        labels = None if y is None else np.asarray(y)
        if labels is not None:
            known = np.isin(labels, flow.classes_)
        pair = flow.target(X, labels) if callable(flow.target) else flow.target
        moved, settings = flow.transform(X), {"reg": 0.05, "debias": True, "class_weight": "balanced"}
        if labels is None or not known.any():
            zeros = np.zeros(len(moved), dtype=int)
            settings.update(label_weight=0.0, class_weight=None)
            scores.append(-otdd(moved, zeros, pair[0], np.zeros(len(pair[0]), dtype=int), **settings))
        else:
            settings["correspondence"] = {label: flow.label_map_[label] for label in np.unique(labels[known]).tolist()}
            scores.append(-otdd(moved[known], labels[known], *pair, **settings))
    return float(np.mean(scores))


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
    """
    return float(estimator.predict_proba(X).max(axis=1).mean())


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
    """
    answers = np.unique(estimator.predict(X), return_inverse=True)[1]
    neighbour = NearestNeighbors(n_neighbors=1).fit(X).kneighbors(return_distance=False)[:, 0]
    by_chance = np.sum((np.bincount(answers) / len(answers)) ** 2)
    return float((np.mean(answers == answers[neighbour]) - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _flows_in(estimator: Any) -> list:
    """The flows of a flow, a pipeline or a repurposed classifier."""
    candidates = getattr(estimator, "flows_", None) or [step for _, step in getattr(estimator, "steps", [])]
    flows = [step for step in (candidates or [estimator]) if hasattr(step, "pushforward_")]
    if not flows or any(getattr(flow, "target", None) is None for flow in flows):
        raise ValueError(f"estimator={estimator!r} holds no fitted flow with a target.")
    return flows
