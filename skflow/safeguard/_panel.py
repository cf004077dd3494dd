"""Quick models of the target, which stand in for the frozen model where that is not at hand."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

PANEL_ROWS = 2000
"""Rows of the target that the models are fitted to."""
PANEL_AXES = 60
"""Principal axes of the target that they see."""
WORST = 4.0
"""Squared error, in units of the labels' variance, beyond which an answer counts as no worse."""

SHARPNESS = 2.0
"""Factor of decision values before they are made probabilities."""


class Panel:
    """A linear model, a neighbours' and a kernel machine of the target, each with one vote.

    Where labels are continuous, in columns, the models are regressors, and agreement is the share of the labels'
    variance that an answer explains: one minus its squared error in units of the variance.

    Rows are centred and divided by one common scale, as the flow does: no column is blown up that hardly varies.

    Parameters
    ----------
    X, y : ndarray of shape (m_samples, n_features), (m_samples,) or (m_samples, n_labels)
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
        self._variance = y.var(axis=0) if y.ndim == 2 else None
        self.classes = np.unique(y)
        if len(np.unique(y)) < 2:
            return
        axes = min(PANEL_AXES, X.shape[1], len(X) - 1)
        neighbours = {"n_neighbors": min(5, len(X)), "algorithm": "brute"}
        kinds: tuple = (RidgeClassifier(), KNeighborsClassifier(**neighbours), SVC(C=5.0))
        if self._variance is not None:
            kernel = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / X.shape[1])
            linear = RidgeCV(alphas=np.geomspace(1e-6, 1e2, 9) * len(X))
            kinds = (linear, KNeighborsRegressor(**neighbours), kernel)
            self._mean = y.mean(axis=0)
            y = y - self._mean
        project = PCA(axes, random_state=0).fit(self._standard(X))
        for kind in kinds:
            self.models.append(make_pipeline(project, kind))
            kind.fit(project.transform(self._standard(X)), y)

    def agreement(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Share of the models (n_samples,) that give each row the target label that it should have.

        Of continuous labels, the mean share of the variance that the models' answers explain.
        """
        if self._variance is not None:
            return self._explained(X, y)
        votes = [model.predict(self._standard(X)) == y for model in self.models]
        return np.mean(votes, axis=0) if votes else np.ones(len(X))

    def _explained(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert self._variance is not None
        present = self._variance > 0
        if not self.models or not present.any():
            return np.ones(len(X))
        wrong = []
        for model in self.models:
            answers = self._mean + model.predict(self._standard(X)).reshape(y.shape)
            squares = np.square(answers - y)[:, present] / self._variance[present]
            wrong.append(np.minimum(squares, WORST).mean(axis=1))
        return cast(np.ndarray, 1 - np.mean(wrong, axis=0))

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
