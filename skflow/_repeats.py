"""Rows that are there several times: to repeat a row and to weigh it are the same."""

from __future__ import annotations

import numpy as np


def each_row_once(
    X: np.ndarray, codes: np.ndarray | None = None, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows without their repetitions, in an order that does not depend on the one they came in.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    codes : ndarray of shape (n_samples,), optional
        Integers; rows that differ in these are not the same.
    weight : ndarray of shape (n_samples,), optional
        Weights of the rows.

    Returns
    -------
    first : ndarray of shape (n_different,)
        Where each row is found first.
    weight : ndarray of shape (n_different,)
        Sum of the weights of its repetitions, each of which weighs one where `weight` is None.
    """
    together = X if codes is None else np.column_stack([codes, X])
    _, first, place = np.unique(together, axis=0, return_index=True, return_inverse=True)
    return first, np.bincount(place.ravel(), weight, minlength=len(first)).astype(np.float64)
