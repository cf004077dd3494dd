"""Tables and labels as users pass them: names of columns, and labels of any container and dtype."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from ._sklearn import check_sample_weight, feature_names

FLOATS = [np.float64, np.float32]
"""Dtypes of features that are kept as they are; others become the first."""


def check_same_columns(X: Any, names: Any, n_features: int, what: str, of: str = "X", own_names: Any = None) -> None:
    """Raise where the table `X` has other columns than another table that has `names`, or `n_features` columns.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The table to check, with or without names.
    names : sequence of str or None
        Names of the other table's columns; None where it has none.
    n_features : int
        Number of the other table's columns.
    what, of : str
        What the two tables are called in messages.
    own_names : sequence of str or None
        Names of the columns of `X`; None: those that it has, if any.

    Raises
    ------
    ValueError
        For other names, names in another order, or another number of columns.
    """
    own = feature_names(X) if own_names is None else own_names
    if own is not None and names is not None and list(own) != list(names):
        order = " in another order" if sorted(own) == sorted(names) else ""
        raise ValueError(f"{what} has the columns {list(own)}, but {of} has {list(names)}{order and ','}{order}.")
    try:
        width = np.shape(X)[1] if np.ndim(X) == 2 else None
    except ValueError:  # rows of several lengths: for whoever reads the table to refuse
        width = None
    if width is not None and width != n_features:
        raise ValueError(f"{what} has {width} features, but {of} has {n_features}.")


def is_missing(value: Any) -> bool:
    """Whether a label is None, NaN, ``pandas.NA`` or ``pandas.NaT``."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def as_labels(y: ArrayLike, name: str = "y") -> np.ndarray:
    """Class labels as an array of a dtype of their own: integers, floats, booleans or text.

    Arrays of dtype object, nullable integers and categories become what they hold.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels, all of one kind.
    name : str
        The parameter, for messages.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        For missing labels, labels that mix text and numbers, continuous values, or labels of another kind.
    """
    labels = column_or_1d(np.asarray(y, dtype=object) if isinstance(y, list) else np.asarray(y), warn=True)
    if labels.dtype.kind in "OT":
        labels = _of_one_kind(labels, name)
    if labels.dtype.kind not in "biufU":
        raise ValueError(f"{name} must hold integers, booleans or text as labels; got dtype {labels.dtype}.")
    try:
        check_classification_targets(labels)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return labels


def holds_numbers(y: ArrayLike) -> bool:
    """Whether labels are continuous, by :func:`sklearn.utils.multiclass.type_of_target`; NaN is no label."""
    labels = np.asarray(y)
    if labels.dtype.kind == "O" and all(isinstance(value, Real) or value is None for value in labels.flat):
        labels = labels.astype(np.float64)
    if labels.dtype.kind != "f" or labels.ndim > 2:
        return False
    present = labels.reshape(len(labels), -1)
    present = present[np.isfinite(present).all(axis=1)]
    return len(present) > 0 and type_of_target(present).startswith("continuous")


def as_numbers(
    y: ArrayLike, n_samples: int, name: str = "y", *, missing: bool = False, warn: bool = False
) -> np.ndarray:
    """Continuous labels in columns, float64.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Numbers.
    n_samples : int
        Rows of the table.
    name : str
        The parameter, for messages.
    missing : bool
        Whether NaN and None may mark rows without a label.
    warn : bool
        Whether to warn of a single column, as scikit-learn's estimators do.

    Returns
    -------
    ndarray of shape (n_samples, n_labels)

    Raises
    ------
    ValueError
        For another length, text, missing values that may not be there, or infinite ones.
    """
    finite: Any = "allow-nan" if missing else True
    labels = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite=finite, input_name=name)
    if warn and labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    labels = labels.reshape(len(labels), -1)
    if len(labels) != n_samples:
        raise ValueError(f"{name} has {len(labels)} labels for n_samples={n_samples} rows.")
    return labels


def length_of(value: Any, name: str) -> int:
    """Number of rows of an array-like; an error that names what is none."""
    shape = () if isinstance(value, str) or issparse(value) else np.asarray(value).shape
    if not shape:
        raise ValueError(f"{name} must have a row for each sample, got {value!r}.")
    return shape[0]


def read_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray | None:
    """Weights of the rows of `X`, none of them negative and not all zero; None for none.

    Raises
    ------
    ValueError
        For weights that are not numbers like these, one a row.
    """
    if sample_weight is None:
        return None
    weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise ValueError(f"sample_weight={sample_weight!r} gives no row any weight.")
    return weight


def read_source(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None, *, continuous: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Checked rows, labels and weights of what an estimator is fitted to; without labels all rows are of one class.

    Labels are classes in a vector or, where `continuous`, numbers in columns.
    """
    labels: np.ndarray
    if y is None:
        rows = validate_data(estimator, X, y=None, dtype=FLOATS, order="C")
        labels = np.zeros(len(rows), dtype=int)
    elif continuous:
        rows = validate_data(estimator, X, dtype=FLOATS, order="C")
        labels = as_numbers(y, len(rows))
    else:
        # Before scikit-learn sees them: nullable integers would become floats, and lists of both kinds text.
        rows, labels = validate_data(estimator, X, as_labels(y) if has_foreign_dtype(y) else y, dtype=FLOATS, order="C")
        labels = as_labels(labels)
    return rows, labels, read_weights(sample_weight, rows)


def has_foreign_dtype(y: ArrayLike) -> bool:
    """Whether labels are in a list, in objects, or in a dtype that is not NumPy's, as nullable integers."""
    dtype = getattr(y, "dtype", None)
    return not isinstance(dtype, np.dtype) or dtype.kind in "OT"


def _of_one_kind(labels: np.ndarray, name: str) -> np.ndarray:
    values = labels.tolist()
    missing = [row for row, value in enumerate(values) if is_missing(value)]
    if missing:
        raise ValueError(f"{name} contains a missing label ({values[missing[0]]!r}) in row {missing[0]}.")
    for kind, dtype in ((bool, bool), (Integral, np.int64), (Real, np.float64), (str, str)):
        kinds = (kind, np.bool_) if kind is bool else kind
        if all(isinstance(value, kinds) for value in values):
            try:
                return np.array(values, dtype=dtype)
            except OverflowError:
                if (unsigned := np.array(values)).dtype == np.uint64:
                    return unsigned
                raise ValueError(f"{name} holds the label {max(values, key=abs)}, no 64-bit integer.") from None
    first = {type(value).__name__: value for value in reversed(values)}
    examples = ", ".join(f"{value!r} ({kind})" for kind, value in sorted(first.items()))
    raise ValueError(f"{name} must hold labels of one kind, all numbers or all text; got {examples}.")


def check_confidence(confidence: ArrayLike | None, n_samples: int) -> np.ndarray:
    """Confidences as an array, one for each row of `X`, between 0 and 1; full where None."""
    if confidence is None:
        return np.ones(n_samples)
    try:
        checked = np.asarray(confidence, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"confidence must be numbers, one per row of X; got {confidence!r}.") from None
    if checked.shape != (n_samples,):
        raise ValueError(f"confidence must have shape ({n_samples},), one per row of X; got {checked.shape}.")
    if not ((checked >= 0) & (checked <= 1)).all():
        raise ValueError(f"confidence must lie between 0 and 1; got {checked.min()} to {checked.max()}.")
    return checked
