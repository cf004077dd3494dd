"""What a fitted `RepurposedClassifier` says of rows: probabilities, labels, and its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, validate_data

from .._inputs import FLOATS
from ..labelling import combine, split_labels, temper
from ._black_box import BlackBox
from ._evidence import read_as
from ._flows import CarryingFlows
from ._names import predictions_for
from ._training_rows import TrainingRows


class PredictsLabels(ClassifierMixin):
    """Predicts by the model's predictions for carried rows, those for rows as they are, and beliefs about neighbours.

    All of it by attributes that `fit` sets.
    """

    classes_: np.ndarray
    unlabelled: Any
    _carrying: CarryingFlows
    _found: TrainingRows
    _goes_to: np.ndarray | None
    _model: BlackBox

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the source's classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        rows: np.ndarray = validate_data(self, X, reset=False, dtype=FLOATS)
        if self._found.decision == "predictions":
            return predictions_for(self._model(rows), cast(np.ndarray, self._goes_to))
        decoded = self.decode(self._carrying.carry(rows))
        if self._found.graph is None:
            return decoded
        pieces = [decoded, self._found.graph.extend(rows, self._found.beliefs)]
        if self._found.prediction_weight and self._goes_to is not None:
            predictions = predictions_for(self._model(rows), self._goes_to)
            if self._found.confusion is not None:
                predictions = read_as(predictions, self._found.confusion)
            pieces.append(temper(predictions, self._found.prediction_weight))
        return combine(*pieces)

    def decode(self, carried: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities of the source's classes for rows that the flows have carried, or for their particles.

        Parameters
        ----------
        carried : sequence of n_flows arrays of shape (n_samples, n_features)
            The same rows, carried by each of `flows_`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Product of the classifier's predictions, each decoded by the linear layer of its flow.
        """
        check_is_fitted(self)
        return self._carrying.decode(self._model, carried)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Classes of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples,)
            The source's labels.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy on the rows that have a label; those marked as unlabelled do not count.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        y : array-like of shape (n_samples,)
            Their labels, with `unlabelled` where there is none.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no row has a label.
        """
        check_is_fitted(self)
        labels, known = split_labels(y, self.unlabelled, target_classes=self._model.target_classes)
        if not known.any():
            raise ValueError("y holds no label: there is nothing to score by.")
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(accuracy_score(labels, self.predict(X)[known], sample_weight=weights))
