"""Tables and labels as the metrics take them, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._inputs import as_labels, check_same_columns
from .._sklearn import feature_names


def read_tables(X: ArrayLike, X_target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both tables in float64.

    Raises
    ------
    ValueError
        For tables that are not finite numbers in two dimensions, or that differ in their columns.
    """
    own = check_array(X, dtype=np.float64, input_name="X")
    check_same_columns(X_target, feature_names(X), own.shape[1], "X_target")
    target = check_array(X_target, dtype=np.float64, input_name="X_target")
    check_same_columns(target, None, own.shape[1], "X_target")  # a list of lists has no width before
    return own, target


def read_labels(y: ArrayLike, n_samples: int, name: str, table: str) -> np.ndarray:
    """Labels of the `n_samples` rows of a table.

    Raises
    ------
    ValueError
        For another length, missing labels, or labels that are not classes.
    """
    labels = as_labels(y, name)
    if len(labels) != n_samples:
        raise ValueError(f"{name} has {len(labels)} labels, but {table} has {n_samples} rows.")
    return labels


def read_positive(weight: ArrayLike | None, n_samples: int, name: str, table: str) -> np.ndarray:
    """Weights of the rows of a table, which sum to one; the same for all if None.

    Raises
    ------
    ValueError
        For another length, negative or infinite weights, or weights that are all zero.
    """
    if weight is None:
        return np.full(n_samples, 1 / n_samples)
    weights = np.asarray(check_array(weight, ensure_2d=False, dtype=np.float64, input_name=name))
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{name} must have the shape ({n_samples},), one for each row of {table}; got {weights.shape}."
        )
    if weights.min() < 0 or weights.max() == 0:
        raise ValueError(f"{name} must hold weights of zero or more, not all zero; got {weights.min()} as the least.")
    weights = weights / weights.max()
    return weights / weights.sum()
