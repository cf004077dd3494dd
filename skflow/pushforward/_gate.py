"""Gates: the probability of each class of the source, for rows whose label is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils.validation import has_fit_parameter

from ._class_maps import N_FOLDS
from ._kernel import Kernel, Problem, best_fit

GATE_ALPHAS = (1e-3, 1e-2, 1e-1)
SHAPES = (("gaussian", 0.5), ("gaussian", 1.0), ("gaussian", 2.0), ("rational", 1.0), ("rational", 2.0))


def log_loss(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean of the negative log-probability of the true class."""
    return float(-np.average(log_softmax(logits, axis=1)[np.arange(len(labels)), labels], weights=weights))


def best_sharpness(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The factor that makes scores of left-out rows the best logits (temperature scaling), and their log-loss.

    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
    """

    def loss(log_factor: float) -> float:
        return log_loss(np.exp(log_factor) * scores, labels, weights)

    found = minimize_scalar(loss, bounds=(-3.0, 5.0), method="bounded", options={"xatol": 0.05})
    return float(np.exp(found.x)), float(found.fun)


class OneClassGate:
    """The gate where there is a single class."""

    def __init__(self, n_samples: int) -> None:
        self.left_out = np.ones((n_samples, 1))

    def predict_proba(self, raw: np.ndarray, X: np.ndarray, device: torch.device) -> np.ndarray:
        """Probability 1 for each row."""
        return np.ones((len(X), 1), X.dtype)


class KernelGate:
    """Kernel ridge regression on the indicators of the classes, its scores made probabilities.

    Kernel and regularisation have the smallest log-loss of the rows left out, and so has the temperature. On images of
    letters and clothes it is a little more often right than a support vector machine, and its left-out rows are free.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Standardised rows.
    labels : ndarray of shape (n_samples,)
        Classes, 0 to `n_classes - 1`.
    """

    def __init__(
        self,
        X: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        rng: np.random.RandomState,
        max_centres: int,
        device: torch.device,
    ) -> None:
        spread = np.sqrt(np.average(np.square(X - np.average(X, axis=0, weights=weights)), axis=0, weights=weights))
        alike = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-9 * spread.max(initial=0))
        alike /= max(float(np.count_nonzero(alike)), 1.0) ** 0.5
        # Columns of one unit (pixels) are best left as they are, columns of several are not: the loss decides.
        kernels = [Kernel(shape, gamma) for shape, gamma in SHAPES] + [Kernel("gaussian", 1.0, alike)]

        def loss(rows: np.ndarray, left_out: np.ndarray) -> float:
            return best_sharpness(left_out, labels[rows], weights[rows])[1]

        problem = Problem(X, np.eye(labels.max() + 1)[labels], weights)
        best = best_fit(problem, kernels, GATE_ALPHAS, loss, rng, max_centres, device)
        assert best is not None  # no loss is above infinity
        self.sharpness, _ = best_sharpness(best.left_out, labels, weights)
        self.left_out = softmax(self.sharpness * best.left_out, axis=1)
        self.regression = best.without_training()

    def predict_proba(self, raw: np.ndarray, X: np.ndarray, device: torch.device) -> np.ndarray:
        """Probabilities of the classes for standardised rows `X`."""
        scores = self.regression(X, device)
        return softmax(X.dtype.type(self.sharpness) * scores, axis=1)


class ClassifierGate:
    """Any scikit-learn classifier, fitted to the rows as they came.

    Its decision values are made probabilities where it has none of its own. What it says of the training rows comes
    from fits to other folds.
    """

    def __init__(
        self,
        classifier: Any,
        X: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        rng: np.random.RandomState,
    ) -> None:
        self.n_classes, self.sharpness = int(labels.max()) + 1, 1.0
        self.method = "predict_proba" if hasattr(classifier, "predict_proba") else "decision_function"
        if not hasattr(classifier, self.method):
            raise ValueError(f"gate={classifier!r} has neither predict_proba nor decision_function.")
        left_out = np.zeros((len(X), self.n_classes))
        for seen, unseen in self._folds(X, labels, rng):
            self.classifier = self._fitted(classifier, X[seen], labels[seen], weights[seen])
            left_out[unseen] = self._scores(X[unseen])
        if self.method == "decision_function":
            self.sharpness, _ = best_sharpness(left_out, labels, weights)
        self.left_out = self._probabilities(left_out)
        self.classifier = self._fitted(classifier, X, labels, weights)

    @staticmethod
    def _folds(X: np.ndarray, labels: np.ndarray, rng: np.random.RandomState) -> Any:
        if len(X) < 3:
            return [(np.arange(len(X)), np.arange(len(X)))]
        n_folds, seed = min(N_FOLDS, len(X)), rng.randint(np.iinfo(np.int32).max)
        if np.bincount(labels).min() >= n_folds:
            return StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(X, labels)
        return KFold(n_folds, shuffle=True, random_state=seed).split(X)

    @staticmethod
    def _fitted(classifier: Any, X: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Any:
        weighted = {"sample_weight": weights} if has_fit_parameter(classifier, "sample_weight") else {}
        if np.ptp(labels) == 0:  # many classifiers refuse a fold that holds one class
            return int(labels[0])
        return clone(classifier).fit(X, labels, **(weighted if np.ptp(weights) else {}))

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """One column a class; a class that the classifier did not see is the least likely."""
        if isinstance(self.classifier, int):
            return np.eye(self.n_classes)[np.full(len(X), self.classifier)]
        values = np.asarray(getattr(self.classifier, self.method)(X), dtype=np.float64)
        if values.ndim == 1:
            values = np.stack([-values, values], axis=1)
        classes = self.classifier.classes_
        if values.shape != (len(X), len(classes)) or not np.isfinite(values).all():
            raise ValueError(
                f"gate={self.classifier!r}: {self.method} must give finite values of shape {(len(X), len(classes))}, "
                f"one column a class; got shape {values.shape}. An SVC needs decision_function_shape='ovr'."
            )
        scores = np.full((len(X), self.n_classes), 0.0 if self.method == "predict_proba" else values.min(initial=0.0))
        scores[:, classes] = values
        return scores

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        if self.method == "decision_function":
            return softmax(self.sharpness * scores, axis=1)
        return scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    def predict_proba(self, raw: np.ndarray, X: np.ndarray, device: torch.device) -> np.ndarray:
        """Probabilities of the classes for the rows `raw` as they came."""
        return self._probabilities(self._scores(raw)).astype(X.dtype)
