"""What a fitted `RepurposedClassifier` says of rows: probabilities, labels, and its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._inputs import FLOATS, read_weights
from ..labelling import split_labels, temper
from ._black_box import BlackBox
from ._calibration import Calibration
from ._evidence import read_as
from ._flows import CarryingFlows
from ._training_rows import TrainingRows


class PredictsLabels(ClassifierMixin):
    """Predicts by the model's predictions for carried rows, those for rows as they are, and beliefs about neighbours.

    All of it by attributes that `fit` sets.
    """

    classes_: np.ndarray
    unlabelled: Any
    reject: Any
    _calibration: Calibration
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
        rows = self._checked(X)
        return self._calibration.probabilities(self._pieces(rows))

    def trust(self, X: ArrayLike) -> np.ndarray:
        """How far the answer on each row deserves belief.

        Signs are how near the row is to those of `fit`, whether their classes are the answer, whether the pieces of
        evidence agree on it, and its calibrated probability. Their weights are learnt on left-out rows with a label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 to 1: the estimated probability that the most likely class is right.
        """
        check_is_fitted(self)
        rows = self._checked(X)
        return self._calibration.trust(rows, self._pieces(rows))

    def _checked(self, X: ArrayLike) -> np.ndarray:
        return validate_data(self, X, reset=False, dtype=FLOATS)

    def _pieces(self, rows: np.ndarray) -> list[np.ndarray]:
        """What each kind of evidence says of unseen rows; the product is the answer."""
        if self._found.decision == "predictions":
            return [self._found.ask(self._model, rows, cast(np.ndarray, self._goes_to))]
        pieces = [self.decode(self._carrying.carry(rows))]
        if self._found.graph is not None:
            pieces.append(self._found.graph.extend(rows, self._found.beliefs))
        if self._found.prediction_weight and self._goes_to is not None:
            pieces.append(self._as_they_are(self._found.ask(self._model, rows, self._goes_to)))
        return pieces

    def _left_out_pieces(self, rows: np.ndarray) -> list[np.ndarray]:
        """The same of the training rows, each as if it had not been there."""
        found = self._found
        if found.decision == "predictions" and found.own is not None and found.graph is not None:
            return [found.own]
        pieces = [self.decode(self._carrying.carry_left_out(rows))]
        if found.graph is not None:
            pieces.append(found.graph.left_out(found.beliefs))
        if found.prediction_weight and found.own is not None:
            pieces.append(self._as_they_are(found.own))
        return pieces

    def _as_they_are(self, predictions: np.ndarray) -> np.ndarray:
        """The model's predictions for rows as they are, read by what it says of each class, with their weight."""
        if self._found.confusion is not None:
            predictions = read_as(predictions, self._found.confusion)
        return temper(predictions, cast(float, self._found.prediction_weight))

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

        Raises
        ------
        ValueError
            For another number of arrays.
        """
        check_is_fitted(self)
        n_flows = len(self._carrying.flows)
        if not isinstance(carried, Sequence) or len(carried) != n_flows:
            raise ValueError(f"carried must be {n_flows} arrays in a list, one for each of flows_; got {carried!r}.")
        return self._carrying.decode(self._model, [np.asarray(rows) for rows in carried])

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Classes of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples,)
            The source's labels. Rows without an answer, with `reject`, are marked by -1, where labels are integers and
            -1 is none of them; else by None, in an array of dtype object.
        """
        check_is_fitted(self)
        rows = self._checked(X)
        pieces = self._pieces(rows)
        answers = self.classes_[self._calibration.probabilities(pieces).argmax(axis=1)]
        if self.reject is None:
            return answers
        given = self._calibration.trust(rows, pieces) >= self._calibration.threshold
        if self.classes_.dtype.kind in "iu" and -1 not in self.classes_:
            return np.where(given, answers, -1)
        answers = answers.astype(object)
        answers[~given] = None
        return answers

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy on the rows that have a label; those marked as unlabelled do not count.

        The most likely class of each row counts, be the answer given or not.

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
        weight = read_weights(sample_weight, known)
        weights = None if weight is None else weight[known]
        answers = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return float(accuracy_score(labels, answers[known], sample_weight=weights))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
