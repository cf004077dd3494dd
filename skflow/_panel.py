"""Quick models of the target, which stand in for the frozen model where that is not at hand."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeClassifier, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

PANEL_ROWS = 2000
"""Rows of the target that the models are fitted to."""
PANEL_AXES = 60
"""Principal axes of the target that they see, but for the trees, which see columns."""
COVARIANCE_COLUMNS = 1000
"""Columns up to which these axes are quickest by the covariance."""
TREES = 40
"""Of the forest."""
WORST = 4.0
"""Squared error, in units of the labels' variance, beyond which an answer counts as no worse."""
SHARPNESS = 2.0
"""Factor of decision values before they are made probabilities."""


class Panel:
    """A linear model, a neighbours', a kernel machine and a forest of the target, each with one vote.

    Where labels are continuous, in columns, the models are regressors, and agreement is the share of the labels'
    variance that an answer explains: one minus its squared error in units of the variance.

    Rows are centred and divided by one common scale, as the flow does: no column is blown up that hardly varies. The
    forest is there since it asks column by column: what turns columns into mixtures of others harms it first.

    Parameters
    ----------
    X, y : ndarray of shape (m_samples, n_features), (m_samples,) or (m_samples, n_labels)
        The target.
    seed : int
        Of the subsample, where there are many rows, and of the forest.
    model : fitted classifier or regressor, or None
        The model that the rows are for, where it is at hand: it alone votes then.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, seed: int = 0, model: Any = None) -> None:
        rows = np.random.RandomState(seed).permutation(len(X))[:PANEL_ROWS]
        self._dtype = X.dtype
        X, y = X[rows].astype(np.float64), y[rows]
        self.models: list = []
        self.classes = np.unique(y)
        self._centre, self._scale, self._mean = np.zeros(X.shape[1]), 1.0, np.zeros(y.shape[1:])
        self._variance = y.var(axis=0) if y.ndim == 2 else None
        if model is not None:
            self.models = [model]
            return
        self._centre = X.mean(axis=0)
        self._scale = float(np.sqrt(np.square(X - self._centre).mean())) or 1.0
        self._dtype = np.dtype(np.float64)
        if len(self.classes) < 2:
            return
        axes = min(PANEL_AXES, X.shape[1], len(X) - 1)
        neighbours = {"n_neighbors": min(5, len(X)), "algorithm": "brute"}
        kinds: tuple = (RidgeClassifier(), KNeighborsClassifier(**neighbours), SVC(C=5.0))
        forest: Any = ExtraTreesClassifier(TREES, random_state=seed)
        if self._variance is not None:
            kernel = KernelRidge(alpha=0.1, kernel="rbf", gamma=1 / X.shape[1])
            linear = RidgeCV(alphas=np.geomspace(1e-6, 1e2, 9) * len(X))
            kinds = (linear, KNeighborsRegressor(**neighbours), kernel)
            forest = ExtraTreesRegressor(TREES, random_state=seed)
            self._mean = y.mean(axis=0)
            y = y - self._mean
        rows = self._standard(X)
        solver = "covariance_eigh" if X.shape[1] <= COVARIANCE_COLUMNS else "auto"
        project = PCA(axes, svd_solver=solver, random_state=0).fit(rows)
        for kind in kinds:
            self.models.append(make_pipeline(project, kind))
            kind.fit(project.transform(rows), y)
        self.models.append(forest.fit(rows, y if y.ndim == 1 or y.shape[1] > 1 else y[:, 0]))

    def agreement(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which models (n_models, n_samples) give each row the target label that it should have.

        Of continuous labels, the mean share of the variance that a model's answer explains.
        """
        rows = self._standard(X)
        if not self.models:
            return np.ones((1, len(X)))
        if self._variance is not None:
            return np.array([self._explained(model.predict(rows), y) for model in self.models])
        return np.array([np.asarray(model.predict(rows)) == y for model in self.models], dtype=np.float64)

    def _explained(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert self._variance is not None
        present = self._variance > 0
        if not present.any():
            return np.ones(len(y))
        squares = np.square(self._mean + np.asarray(answers).reshape(y.shape) - y)[:, present] / self._variance[present]
        return cast(np.ndarray, 1 - np.minimum(squares, WORST).mean(axis=1))

    def answers(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The models' common answer on each row, and how far it is ahead of the second, from 0 to 1."""
        if len(self.classes) == 1:
            return np.full(len(X), self.classes[0]), np.ones(len(X))
        rows = self._standard(X)
        votes = np.mean([_probabilities(model, rows, self.classes) for model in self.models], axis=0)
        second, first = np.partition(votes, -2, axis=1)[:, -2:].T
        return self.classes[votes.argmax(axis=1)], first - second

    def _standard(self, X: np.ndarray) -> np.ndarray:
        return ((X - self._centre) / self._scale).astype(self._dtype, copy=False)


def _probabilities(model: Any, rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Of the `classes`, 0 for those that the model does not know; of one that has none, its answers."""
    if hasattr(model, "predict_proba"):
        said = np.asarray(model.predict_proba(rows))
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(rows)
        said = softmax(SHARPNESS * (np.column_stack([-scores, scores]) if scores.ndim == 1 else scores), axis=1)
    else:
        return np.asarray(np.asarray(model.predict(rows))[:, None] == classes, dtype=np.float64)
    known = np.asarray(getattr(model, "classes_", classes))
    return (said @ (known[:, None] == classes)) if said.shape[1] == len(known) else said
