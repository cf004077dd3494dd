"""Quick models of the target, which stand in for the frozen model where that is not at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

PANEL_ROWS = 2000
"""Rows of the target that the models are fitted to."""
PANEL_AXES = 60
"""Principal axes of the target that they see."""

SHARPNESS = 2.0
"""Factor of decision values before they are made probabilities."""


class Panel:
    """A linear model, a neighbours' and a kernel machine of the target, each with one vote.

    Rows are centred and divided by one common scale, as the flow does: no column is blown up that hardly varies.

    Parameters
    ----------
    X, y : ndarray of shape (m_samples, n_features), (m_samples,)
        The target.
    seed : int
        Of the subsample, where there are many rows.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, seed: int = 0) -> None:
        rows = np.random.RandomState(seed).permutation(len(X))[:PANEL_ROWS]
        X, y = X[rows].astype(np.float64), y[rows]
        self._centre = X.mean(axis=0)
        self._scale = float(np.sqrt(np.square(X - self._centre).mean())) or 1.0
        self.models: list = []
        self.classes = np.unique(y)
        if len(np.unique(y)) < 2:
            return
        axes = min(PANEL_AXES, X.shape[1], len(X) - 1)
        kinds = (RidgeClassifier(), KNeighborsClassifier(min(5, len(X)), algorithm="brute"), SVC(C=5.0))
        project = PCA(axes, random_state=0).fit(self._standard(X))
        for kind in kinds:
            self.models.append(make_pipeline(project, kind))
            kind.fit(project.transform(self._standard(X)), y)

    def agreement(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Share of the models (n_samples,) that give each row the target label that it should have."""
        votes = [model.predict(self._standard(X)) == y for model in self.models]
        return np.mean(votes, axis=0) if votes else np.ones(len(X))

    def answers(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The models' common answer on each row, and how far it is ahead of the second, from 0 to 1."""
        if not self.models:
            return np.full(len(X), self.classes[0]), np.ones(len(X))
        rows = self._standard(X)
        votes = np.mean([_probabilities(model, rows) for model in self.models], axis=0)
        second, first = np.partition(votes, -2, axis=1)[:, -2:].T
        return self.classes[votes.argmax(axis=1)], first - second

    def _standard(self, X: np.ndarray) -> np.ndarray:
        return (X - self._centre) / self._scale


def _probabilities(model: Any, rows: np.ndarray) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    scores = model.decision_function(rows)
    return softmax(SHARPNESS * (np.column_stack([-scores, scores]) if scores.ndim == 1 else scores), axis=1)
