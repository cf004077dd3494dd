"""Labels and markers of unlabelled rows, in any container."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import assert_all_finite, column_or_1d

from .._inputs import as_labels, is_missing

SIGNS = 0.25
"""Least share of rows that are 1 for which -1 and 1 are taken for signs."""


def split_labels(
    y: ArrayLike, unlabelled: Any = -1, *, target_classes: np.ndarray | None = None, name: str = "y"
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the rows that have one, and which rows these are.

    Call it before any validation of `y`: scikit-learn's refuses the markers None and NaN.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels and markers: a list, an array, or a column of pandas or polars, nullable, categorical or of text.
    unlabelled : object, default=-1
        What marks an unlabelled row. Missing values (None, NaN, ``pandas.NA``, ``pandas.NaT``) always do. With None or
        NaN nothing else does. -1 is a label, and no marker, where it is a class of the target, or where all other rows
        are 1 and these are a quarter of the rows or more: then they are signs.
    target_classes : ndarray of shape (n_target_classes,) or None
        Labels of the target.
    name : str, default="y"
        The parameter, for messages.

    Returns
    -------
    labels : ndarray of shape (n_known,)
        Integers, floats, booleans or text, see :func:`~skflow._inputs.as_labels`. Whole numbers that are floats for
        the missing values beside them are integers again. Without any label an empty array of integers.
    known : ndarray of shape (n_samples,), bool
        Rows that have a label.

    Raises
    ------
    ValueError
        For labels of several kinds, or that are no classes; for an array of floats that are all NaN, unless that is the
        marker; and for text labels with the text "-1" among them where `unlabelled` is the number -1, as NumPy makes of
        ``["a", -1]``. (:class:`sklearn.semi_supervised.SelfTrainingClassifier` refuses text arrays, too.)
    """
    values = column_or_1d(as_array(y), warn=True)
    if np.ndim(unlabelled) > 0:
        raise ValueError(f"unlabelled={unlabelled!r} must be one value, not several.")
    if target_classes is not None and unlabelled in target_classes.tolist():
        unlabelled = None
    missing, marked = _missing(values), unlabelled_rows(values, unlabelled, name)
    known = ~(missing | marked)
    if isinstance(y, np.ndarray) and values.dtype.kind == "f" and missing.all() and not is_missing(unlabelled):
        raise ValueError(
            f"{name} contains NaN in every row. Pass {name}=None where no row has a label, or unlabelled=float('nan')."
        )
    if not known.any():
        return np.empty(0, dtype=int), known
    labels = values[known]
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name=name)
    labels = as_labels(labels, name)
    if missing.any() and labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    return labels, known


def merge_labels(labels: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Labels of all rows, None where there is none; None where no row has one."""
    if not known.any():
        return None
    merged = np.full(len(known), None, dtype=object)
    merged[known] = labels
    return merged


def unlabelled_rows(values: np.ndarray, unlabelled: Any, name: str = "y") -> np.ndarray:
    """Rows of an array of labels that hold the marker; missing values are no markers here.

    Raises
    ------
    ValueError
        For the text of a number as marker, see :func:`split_labels`.
    """
    none = np.zeros(len(values), dtype=bool)
    if is_missing(unlabelled):
        return none
    if values.dtype.kind == "O":
        marked = np.array([_is_same(value, unlabelled) for value in values.tolist()], dtype=bool)
        texts = [value for value in values.tolist() if isinstance(value, str)]
    else:
        same_kind = (values.dtype.kind in "US") == isinstance(unlabelled, str)
        marked = np.asarray(values == unlabelled) if same_kind else none
        texts = values.tolist() if values.dtype.kind in "US" else []
    if isinstance(unlabelled, Number) and not isinstance(unlabelled, bool) and str(unlabelled) in texts:
        raise ValueError(
            f"{name} holds the text {str(unlabelled)!r} among text labels, but unlabelled={unlabelled!r} is a number "
            f"(NumPy makes text of the list ['a', {unlabelled}]). Pass an array of dtype object, or "
            f"unlabelled={str(unlabelled)!r}."
        )
    rest = values[~marked & ~_missing(values)]
    are_signs = len(rest) >= SIGNS * len(values) and unlabelled == -1 and all(map(_is_one, rest.tolist()))
    return none if are_signs else marked


def as_array(y: ArrayLike) -> np.ndarray:
    """Labels and markers as an array that holds them as they are: ``["a", -1]`` stays a text and a number."""
    if isinstance(y, np.ndarray):
        return y
    values = np.asarray(y) if hasattr(y, "dtype") else np.asarray(y, dtype=object)
    if values.dtype.kind in "OTMm" or not hasattr(y, "dtype"):
        return np.asarray(y, dtype=object)
    return values


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "OT":
        return np.array([is_missing(value) for value in values.tolist()], dtype=bool)
    return np.zeros(len(values), dtype=bool)


def _is_same(value: Any, marker: Any) -> bool:
    """Whether a label is the marker: both text or neither, and equal."""
    alike = isinstance(value, str) == isinstance(marker, str)
    return alike and not is_missing(value) and bool(value == marker)


def _is_one(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool) and value == 1
