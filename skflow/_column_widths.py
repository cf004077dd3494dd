"""Columns in units so different that distances see few of them."""

from __future__ import annotations

import numpy as np

from ._warnings import warn

WIDE = 100.0
"""A column that is wider than half of the others by this factor hides them."""


def warn_of_units(X: np.ndarray, names: np.ndarray | None = None) -> None:
    """Warn where one column is so much wider than most that Euclidean distances see little else.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The target's features.
    names : array-like of shape (n_features,) or None
        Names of the columns, for the message.
    """
    spread = np.nanstd(X - X.mean(axis=0, dtype=np.float64), axis=0)
    varying = np.flatnonzero(spread > 0)
    if len(varying) < 2:
        return
    ordered = varying[spread[varying].argsort()]
    narrow, middle, wide = ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]
    if spread[wide] <= WIDE * spread[middle]:
        return
    wide_name, narrow_name = (repr(str(names[k])) if names is not None else str(k) for k in (wide, narrow))
    warn(
        f"Columns are in very different units: the standard deviation of column {wide_name} is {spread[wide]:.3g}, "
        f"that of column {narrow_name} {spread[narrow]:.3g}. Distances between rows, and so the flow, see little but "
        "the wide columns. Scale the columns: put a StandardScaler that was fitted on the target ahead of the flow, "
        "and pass the flow the target scaled by it."
    )
