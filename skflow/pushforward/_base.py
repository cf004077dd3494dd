"""What all push-forward regressors share: validation, labels, weights, and fits that are whole or not at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .._inputs import FLOATS
from .._sklearn import ValidatedParameters, check_sample_weight
from .._threads import shared_cores

BLOCK_ROWS = 8192
"""Rows that are carried at once."""
LARGEST_VALUE = 1e150
"""Of numbers whose squares are floats."""


class Movement(NamedTuple):
    """What there is to learn from: rows of positive weight, where they started and where they ended.

    `labels` are the numbers of the classes, 0 to `n_classes - 1`; `weights` say how often each row counts.
    """

    X: np.ndarray
    Z: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


class BasePushForward(ValidatedParameters, RegressorMixin, BaseEstimator):
    """Learns `h: x_0 -> x_T` from particles; how, is the subclasses' own business."""

    _parameter_constraints: dict = {}

    def fit(
        self,
        X: ArrayLike,
        Z: ArrayLike,
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> BasePushForward:
        """Learn the map that takes `X` to `Z`.

        A fit that fails or is interrupted leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Where the particles started.
        Z : array-like of shape (n_samples, n_outputs) or (n_samples,)
            Where they ended. The number of columns may be another than that of `X`.
        labels : array-like of shape (n_samples,) or None, default=None
            Classes of the particles, of any type; -1 is a class like any other. None stands for a single class.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            How often each row counts; a row of weight zero is no row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data do not fit each other, or no finite map comes of them.
        """
        before = dict(vars(self))
        try:
            self._validate_params()
            for name in [name for name in before if name.endswith("_")]:
                delattr(self, name)
            self._fit_checked(X, Z, labels, sample_weight)
        except BaseException:  # KeyboardInterrupt too
            self.__dict__ = before
            raise
        return self

    def _fit_checked(self, rows: Any, goals: Any, labels: ArrayLike | None, sample_weight: Any) -> None:
        X, Z = validate_data(self, rows, goals, dtype=FLOATS, multi_output=True, y_numeric=True)
        Z = check_array(Z, dtype=FLOATS, ensure_2d=False)
        for name, table in (("X", X), ("Z", Z)):
            if float(np.abs(table).max()) > LARGEST_VALUE:
                raise ValueError(
                    f"{name} holds values beyond {LARGEST_VALUE:.0e}, whose squares are no floats; scale it."
                )
        self._output_shape = Z.shape[1:]
        Z = Z.reshape(len(Z), -1)
        self._check_features(X.shape[1])
        if labels is None:
            classes, numbers = np.zeros(1, int), np.zeros(len(X), int)
        else:
            names = column_or_1d(labels, dtype=None)
            if len(names) != len(X):
                raise ValueError(f"labels must have shape ({len(X)},), one per row of X; got {names.shape}.")
            classes, numbers = _numbered(names)
        weights = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        counted = np.flatnonzero(weights)
        if len(counted) == 0:
            raise ValueError("sample_weight is zero for every row.")
        self.classes_, used = _used(classes, numbers[counted])
        movement, place = _without_repetitions(Movement(X[counted], Z[counted], used, weights[counted]))
        with shared_cores(), np.errstate(under="ignore"):
            left_out = self._learn(movement)
        if left_out is None:
            return
        self.oof_ = np.empty(Z.shape, X.dtype)
        self.oof_[counted] = left_out[place]
        skipped = np.flatnonzero(weights == 0)
        if len(skipped):
            self.oof_[skipped] = self.predict(X[skipped]).reshape(len(skipped), -1)
        self.oof_ = self.oof_.reshape(len(Z), *self._output_shape)
        if not np.isfinite(self.oof_).all():
            raise ValueError("The map learnt is not finite: are there values in X or Z near the largest float?")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Carry samples along.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs) or (n_samples,)
            In the dtype of `X` where that is float32 or float64, and computed in it; else in float64.

        Raises
        ------
        ValueError
            If finite rows are carried to places that are not finite.
        """
        start = self._checked(X)
        with shared_cores(), np.errstate(under="ignore"):
            blocks = [self._carry(start[rows]) for rows in gen_batches(len(start), BLOCK_ROWS)]
        Z = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        if not np.isfinite(Z).all():
            n_bad = int((~np.isfinite(Z)).any(axis=1).sum())
            raise ValueError(
                f"{n_bad} of {len(Z)} rows are carried to places that are not finite: they are too far from the rows "
                "of the fit, or the training blew up."
            )
        return Z.reshape(len(Z), *self._output_shape)

    def _checked(self, X: ArrayLike) -> np.ndarray:
        """Rows for a fitted map, as an array of floats."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=FLOATS)

    def _check_features(self, n_features: int) -> None:
        """Raise ValueError if rows of so many features are not what the map takes."""

    def _learn(self, rows: Movement) -> np.ndarray | None:
        """Set the fitted attributes; return the predictions of the rows left out, if they come for free."""
        raise NotImplementedError

    def _carry(self, X: np.ndarray) -> np.ndarray:
        """The map, in the dtype of `X`."""
        raise NotImplementedError


def _without_repetitions(rows: Movement) -> tuple[Movement, np.ndarray]:
    """Each row once, with the weight of all its repetitions, and the place of each row among these.

    What is left out is then the same whether a row is repeated or has a weight. Repetitions go to the same place but
    for rounding, which depends on where in a matrix they stand; to their mean.
    """
    together = np.column_stack([rows.labels, rows.X]) + 0.0  # there are zeros of two signs
    if len({row.tobytes() for row in together}) == len(together):
        return rows, np.arange(len(together))
    place = np.unique(together, axis=0, return_inverse=True)[1].ravel()
    apart = np.abs(rows.Z - _means(rows.Z, place, rows.weights)[place]).max(axis=1, initial=0.0)
    scale = np.abs(rows.Z - rows.Z.mean(axis=0)).max(initial=0.0)
    goes_elsewhere = np.isin(place, place[apart > np.finfo(rows.Z.dtype).eps ** 0.5 * scale])
    together = np.column_stack([place, np.where(goes_elsewhere[:, None], rows.Z, 0.0)])
    _, first, place = np.unique(together, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # that of the first appearances
    first, place = first[order], np.argsort(order)[place.ravel()]
    goals = _means(rows.Z, place, rows.weights).astype(rows.Z.dtype, copy=False)
    return Movement(rows.X[first], goals, rows.labels[first], np.bincount(place, rows.weights)), place


def _means(Z: np.ndarray, place: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the rows of each place, exact where they are all the same."""
    first = np.unique(place, return_index=True)[1]
    off = np.zeros((len(first), Z.shape[1]))
    np.add.at(off, place, weights[:, None] * (Z - Z[first][place]))
    return Z[first] + off / np.bincount(place, weights)[:, None]


def _numbered(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes in order, and the number of each row's; names of several types are ordered by type first."""
    try:
        return np.unique(names, return_inverse=True)
    except TypeError:
        try:
            different = set(names.tolist())
        except TypeError as error:
            raise ValueError(f"labels must hold names of classes: {error}.") from None
        classes = sorted(different, key=lambda name: (type(name).__name__, str(name)))
        order = {name: k for k, name in enumerate(classes)}
        return np.array(classes, dtype=object), np.array([order[name] for name in names.tolist()])


def _used(classes: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that have rows, and their numbers among these."""
    kept, numbers = np.unique(numbers, return_inverse=True)
    return classes[kept], numbers
