"""Rows that lie apart from all others of their side: an alignment that heeds them misses where the others belong."""

from __future__ import annotations

import numpy as np

from ._nearest import Nearest

ROWS_TO_TELL = 20
"""Rows of a side with which it can be told what lies apart."""
SOUGHT_AMONG = 2000
"""Rows among which neighbours are sought."""
CLOSE_BY = 5
"""Neighbours that a distance is the mean of."""
APART = 3.5
"""Standard deviations of the logarithm of that distance, from which on a row may lie apart."""
TAIL_APART = 0.99
"""Quantile of the same of the target's rows: a tail that both sides have is none."""
MOST_APART = 0.1
"""Share of the rows that may lie apart; more of them are a part of the data."""
LEAST_UNIT = 0.3
"""Unit of a column beside the median one, at least: columns that hardly vary are not blown up."""
FARTHEST_OUT = 1e4
"""Of the values, in these units."""
QUARTILES_APART = 1.349
"""Distance of the quartiles of a standard normal variable."""
NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""


def rows_apart(X: np.ndarray, X_target: np.ndarray) -> np.ndarray:
    """Which rows lie apart from the others of the source, farther than the target's do from one another.

    Both sides are looked at alone, each in its own columns and units, so that no map between them is needed.

    Parameters
    ----------
    X, X_target : ndarray of shape (n_samples, n_features), (m_samples, n_columns)
        Both sides.

    Returns
    -------
    ndarray of bool of shape (n_samples,)
    """
    rows, place = np.unique(X, axis=0, return_inverse=True)  # what is there twice has no neighbours of its own
    other = np.unique(X_target, axis=0)
    if min(len(rows), len(other)) < ROWS_TO_TELL:
        return np.zeros(len(X), dtype=bool)
    some = np.random.RandomState(0).permutation(len(other))[:SOUGHT_AMONG]
    usual = np.quantile(_isolation(other[some]), TAIL_APART, method="higher")
    apart = _isolation(rows) > max(APART, float(usual))
    return apart[place.ravel()] if apart.mean() <= MOST_APART else np.zeros(len(X), dtype=bool)


def _isolation(rows: np.ndarray) -> np.ndarray:
    """How far each row is from its neighbours, in standard deviations above the median, as far as others are there."""
    rows = rows.astype(np.float64)
    rows /= float(np.abs(rows).max()) or 1.0
    low, middle, high = np.percentile(rows, [25, 50, 75], axis=0)
    units = (high - low) / QUARTILES_APART
    usual = float(np.median(units[units > 0])) if (units > 0).any() else float(rows.std()) or 1.0
    # Rounded, since squares of tiny numbers vanish, and limited, since those of large ones overflow.
    rows = np.clip(
        (rows - middle) / np.maximum(units, max(LEAST_UNIT * usual, 1e-12)), -FARTHEST_OUT, FARTHEST_OUT
    ).round(6)
    some = np.random.RandomState(0).permutation(len(rows))[:SOUGHT_AMONG]
    distances = Nearest(rows[some]).of(rows, CLOSE_BY, own=some)[0].mean(axis=1)
    away = np.log(distances + np.finfo(float).tiny)
    away -= np.median(away)
    above = away[away > 0]
    return away / (float(np.median(above)) / NORMAL_MEDIAN) if len(above) else away
