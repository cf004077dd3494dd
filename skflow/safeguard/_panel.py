"""Quick models of the target, which stand in for the frozen model where that is not at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

PANEL_ROWS = 2000
"""Rows of the target that the models are fitted to."""
PANEL_AXES = 60
"""Principal axes of the target that they see, but for the trees, which see columns."""
TREES = 40
"""Of the forest."""


class Panel:
    """A linear model, a neighbours', a kernel machine and a forest of the target, each with one vote.

    Rows are centred and divided by one common scale, as the flow does: no column is blown up that hardly varies. The
    forest is there since it asks column by column: what turns columns into mixtures of others harms it first.

    Parameters
    ----------
    X, y : ndarray of shape (m_samples, n_features), (m_samples,)
        The target.
    seed : int
        Of the subsample, where there are many rows, and of the forest.
    model : fitted classifier or None
        The model that the rows are for, where it is at hand: it alone votes then.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, seed: int = 0, model: Any = None) -> None:
        rows = np.random.RandomState(seed).permutation(len(X))[:PANEL_ROWS]
        self._dtype = X.dtype
        X, y = X[rows].astype(np.float64), y[rows]
        self._centre, self._scale = np.zeros(X.shape[1]), 1.0
        self.models: list = []
        if model is not None:
            self.models = [model]
            return
        self._centre = X.mean(axis=0)
        self._scale = float(np.sqrt(np.square(X - self._centre).mean())) or 1.0
        self._dtype = np.dtype(np.float64)
        if len(np.unique(y)) < 2:
            return
        axes = min(PANEL_AXES, X.shape[1], len(X) - 1)
        kinds = (RidgeClassifier(), KNeighborsClassifier(min(5, len(X)), algorithm="brute"), SVC(C=5.0))
        project = PCA(axes, random_state=0).fit(self._standard(X))
        for kind in kinds:
            self.models.append(make_pipeline(project, kind))
            kind.fit(project.transform(self._standard(X)), y)
        self.models.append(ExtraTreesClassifier(TREES, random_state=seed).fit(self._standard(X), y))

    def agreement(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which models (n_models, n_samples) give each row the target label that it should have."""
        rows = self._standard(X).astype(self._dtype, copy=False)
        votes = [np.asarray(model.predict(rows)) == y for model in self.models]
        return np.array(votes, dtype=np.float64) if votes else np.ones((1, len(X)))

    def _standard(self, X: np.ndarray) -> np.ndarray:
        return (X - self._centre) / self._scale
