"""A classifier that can only be asked: one way to ask it, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._sklearn import ovr_decision_function
from ..labelling import TINY, rows_to_one

SURE = 0.9
"""Probability of a class that a model names without a probability."""

SLACK = 1e-3
"""How far rows of probabilities may be from their range, and of logarithms from a sum of one."""


class BlackBox:
    """Predictions of a frozen classifier as probabilities of the target's classes.

    Parameters
    ----------
    classifier : fitted classifier or callable
        Asked by `predict_proba`, `decision_function` or `predict`, the first that it has. A callable returns
        probabilities or their logarithms ``(n_samples, n_model_classes)``, probabilities of the second of two classes
        ``(n_samples,)``, or labels ``(n_samples,)``.
    model_classes : array-like or None
        Labels of its outputs; None: its `classes_`, or else `target_classes`.
    target_classes : ndarray of shape (n_target_classes,)
        Classes of the reference dataset, sorted; the classifier must know them all.
    columns : sequence of str or None, default=None
        Names of the columns of the rows that it will be asked about. A classifier that was fitted on a DataFrame is
        given one, its columns in the order that it knows.

    Raises
    ------
    NotFittedError
        If `classifier` is not fitted.
    ValueError
        If the classifier does not know all classes of the target, or other columns.
    """

    def __init__(
        self,
        classifier: Any | Callable[[np.ndarray], ArrayLike],
        model_classes: ArrayLike | None,
        target_classes: np.ndarray,
        columns: Sequence[str] | np.ndarray | None = None,
    ) -> None:
        _check_is_fitted(classifier)
        self.classifier, self.target_classes = classifier, target_classes
        if model_classes is None:
            model_classes = getattr(classifier, "classes_", target_classes)
        self.model_classes = np.asarray(model_classes)
        if self.model_classes.ndim != 1 or len(set(self.model_classes.tolist())) < len(self.model_classes):
            raise ValueError(
                "model_classes must be one label for each output of the classifier, all different; "
                f"got {model_classes!r}."
            )
        self._codes = {label: code for code, label in enumerate(self.model_classes.tolist())}
        unknown = [label for label in target_classes.tolist() if label not in self._codes]
        if unknown:
            raise ValueError(
                f"The target has the classes {unknown}, which are not among the classifier's, {list(self._codes)}; "
                "model_classes can name those."
            )
        self._outputs = [self._codes[label] for label in target_classes.tolist()]
        self._knows = getattr(classifier, "feature_names_in_", None)
        self._columns = list(columns if columns is not None else self._knows if self._knows is not None else ())
        if self._knows is not None and sorted(self._knows) != sorted(self._columns):
            raise ValueError(
                f"classifier={classifier!r} was fitted on the columns {list(self._knows)}, but X has {self._columns}."
            )

    def __call__(self, X: ArrayLike) -> np.ndarray:
        """Probabilities (n_samples, n_target_classes) for rows `X`."""
        rows = self._in_its_container(np.asarray(X))
        for name in ("predict_proba", "decision_function", "predict"):
            if hasattr(self.classifier, name):
                found = self._as_array(getattr(self.classifier, name)(rows))
                break
        else:
            name, found = "__call__", self._as_array(self.classifier(rows))
        if name == "decision_function":
            found = _of_margins(found, _is_one_against_one(self.classifier), len(self.model_classes))
        if found.ndim == 2 and found.shape[1] == 1 != len(self.model_classes):
            found = found[:, 0]
        if found.shape == (len(rows),):
            return self._of_one_column(found)[:, self._outputs]
        if found.shape != (len(rows), len(self.model_classes)):
            raise ValueError(
                f"classifier={self.classifier!r} returned an array of shape {found.shape} for {len(rows)} rows and "
                f"{len(self.model_classes)} classes; model_classes can name the classes of its outputs."
            )
        return self._of_columns(found)[:, self._outputs]

    def _as_array(self, found: Any) -> np.ndarray:
        try:
            return np.asarray(found)
        except ValueError as error:  # rows of several lengths
            raise ValueError(f"classifier={self.classifier!r} returned no array: {error}") from None

    def _in_its_container(self, X: np.ndarray) -> Any:
        if self._knows is None:
            return X.copy()  # who writes, writes into a copy
        if len(self._columns) != X.shape[1]:
            raise ValueError(
                f"classifier={self.classifier!r} was fitted on {len(self._columns)} columns; got {X.shape[1]}."
            )
        import pandas as pd  # a model with names of columns was fitted on a DataFrame

        return pd.DataFrame(X, columns=self._columns, copy=False)[list(self._knows)]

    def _of_one_column(self, found: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_model_classes) from labels, or from those of the second of two classes."""
        codes = np.array([self._codes.get(value, -1) for value in found.tolist()], dtype=int)
        K = len(self.model_classes)
        if (codes >= 0).all():
            sure = np.eye(K)[codes]
            return sure * SURE + (1 - sure) * (1 - SURE) / (K - 1) if K > 1 else sure
        if K == 2 and found.dtype.kind == "f" and (found >= -SLACK).all() and (found <= 1 + SLACK).all():
            second = np.clip(found.astype(np.float64), 0, 1)
            return np.stack([1 - second, second], axis=1)
        strangers = sorted(set(found[codes < 0].tolist()), key=repr)[:3]
        raise ValueError(
            f"classifier={self.classifier!r} returned {strangers}, which are not among its classes "
            f"{self.model_classes.tolist()}; model_classes can name those."
        )

    def _of_columns(self, found: np.ndarray) -> np.ndarray:
        """Probabilities from an array that should hold them, or their logarithms."""
        if found.dtype.kind not in "biuf":
            raise ValueError(f"classifier={self.classifier!r} returned dtype {found.dtype}, and no probabilities.")
        found = found.astype(np.float64)
        low, high = found.min(), found.max()
        if low >= -SLACK and high <= 1 + SLACK:
            return rows_to_one(np.clip(found, 0, 1) + TINY)
        if high <= SLACK:
            likely = np.exp(np.maximum(found, -100.0))
            if np.abs(likely.sum(axis=1) - 1).max() <= SLACK:
                return rows_to_one(likely)
        what = (
            f"values from {low:.3g} to {high:.3g}" if np.isfinite([low, high]).all() else "values that are not finite"
        )
        raise ValueError(
            f"classifier={self.classifier!r} returned {what}: neither probabilities nor their logarithms. If these are "
            "logits, pass a callable that makes probabilities of them: lambda X: softmax(model(X), axis=1)."
        )


def _check_is_fitted(classifier: Any) -> None:
    if hasattr(classifier, "fit"):
        try:
            check_is_fitted(classifier)
        except NotFittedError as error:
            raise NotFittedError(
                f"classifier={classifier!r} is not fitted. If it was, it has been cloned since, as in a search or "
                "cross-validation: wrap it, classifier=FrozenEstimator(classifier)."
            ) from error


def _of_margins(values: np.ndarray, one_against_one: bool, n_classes: int) -> np.ndarray:
    """Probabilities from decision values; what is not finite or of another shape is left for the checks."""
    if not np.isfinite(values).all():
        return np.full(values.shape, np.nan)
    if values.ndim == 1:
        return np.stack([expit(-values), expit(values)], axis=1)
    if one_against_one and n_classes > 2 and values.shape[1] == n_classes * (n_classes - 1) // 2:
        values = ovr_decision_function(values < 0, -values, n_classes)
    return softmax(values, axis=1)


def _is_one_against_one(classifier: Any) -> bool:
    """Whether decision values are of pairs of classes, as scikit-learn's SVC gives them on demand."""
    for inner in ("estimator", "best_estimator_"):
        if hasattr(classifier, "decision_function") and hasattr(classifier, inner):
            return _is_one_against_one(getattr(classifier, inner))
    if hasattr(classifier, "steps"):
        return _is_one_against_one(classifier.steps[-1][1])
    return getattr(classifier, "decision_function_shape", None) == "ovo"
