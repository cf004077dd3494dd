"""A classifier that can only be asked: one way to ask it, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

SURE = 0.9
"""Probability of a class that a model names without a probability."""


class BlackBox:
    """Answers of a frozen classifier as probabilities of the target's classes.

    Parameters
    ----------
    classifier : fitted classifier or callable
        Asked by `predict_proba`, `decision_function` or `predict`, the first that it has. A callable returns
        probabilities ``(n_samples, n_model_classes)`` or labels ``(n_samples,)``.
    model_classes : array-like or None
        Labels of its outputs; None: its `classes_`, or else `target_classes`.
    target_classes : ndarray of shape (n_target_classes,)
        Classes of the reference dataset, sorted; the classifier must know them all.
    """

    def __init__(
        self,
        classifier: Any | Callable[[np.ndarray], ArrayLike],
        model_classes: ArrayLike | None,
        target_classes: np.ndarray,
    ) -> None:
        if hasattr(classifier, "fit"):
            try:
                check_is_fitted(classifier)
            except NotFittedError as error:
                raise NotFittedError(
                    f"classifier={classifier!r} is not fitted. If it was, it has been cloned since, as in a search or "
                    "cross-validation: wrap it, classifier=FrozenEstimator(classifier)."
                ) from error
        self.classifier, self.target_classes = classifier, target_classes
        if model_classes is None:
            model_classes = getattr(classifier, "classes_", target_classes)
        self.model_classes = np.asarray(model_classes)
        columns = {label: column for column, label in enumerate(self.model_classes.tolist())}
        unknown = [label for label in target_classes.tolist() if label not in columns]
        if unknown:
            raise ValueError(
                f"The target has the classes {unknown}, which are not among the classifier's, {list(columns)}; "
                "model_classes can name those."
            )
        self._columns = [columns[label] for label in target_classes.tolist()]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_target_classes) for rows `X`."""
        for name in ("predict_proba", "decision_function", "predict"):
            if hasattr(self.classifier, name):
                answer = np.asarray(getattr(self.classifier, name)(X))
                break
        else:
            name, answer = "call", np.asarray(self.classifier(X))
        if name == "decision_function":
            answer = np.stack([expit(-answer), expit(answer)], 1) if answer.ndim == 1 else softmax(answer, axis=1)
        elif answer.ndim == 1:
            rest = (1 - SURE) / max(len(self.model_classes) - 1, 1)
            answer = np.where(answer[:, None] == self.model_classes[None], SURE, rest)
        if answer.shape != (len(X), len(self.model_classes)):
            raise ValueError(
                f"classifier={self.classifier!r} returned an array of shape {answer.shape} for {len(X)} rows and "
                f"{len(self.model_classes)} classes; model_classes can name the classes of its outputs."
            )
        return answer[:, self._columns].astype(np.float64)
