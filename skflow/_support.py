"""Values that columns may take: indicators, groups of them, whole numbers and bounds stay what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

KINDS = ("indicator", "levels", "counts")
"""Names of what a column may hold."""
LEVEL_WIDTH = 1e-9
"""Difference between two values of a column, as a share of its range, that is rounding."""

Columns = Mapping[Any, Any]
"""Column, by name or number, to one of :data:`KINDS` or a pair of bounds, of which either may be None."""


@dataclass(frozen=True)
class Support:
    """The values that the target's columns may take, and the nearest of them.

    Parameters
    ----------
    groups : tuple of arrays
        Columns of indicators of which exactly one is on in each row.
    levels : dict of int to ndarray
        Values of columns that take these alone; of an indicator its two.
    bounds : dict of int to (float, float)
        Least and largest value of columns.
    counts : tuple of int
        Columns of whole numbers.
    """

    groups: tuple[np.ndarray, ...]
    levels: dict[int, np.ndarray]
    bounds: dict[int, tuple[float, float]]
    counts: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.levels or self.bounds or self.counts)

    def project(self, rows: np.ndarray) -> np.ndarray:
        """The nearest rows (n, n_columns) in the support, in their dtype."""
        if not self:
            return rows
        out = np.array(rows)
        for column, values in self.levels.items():
            between = (values[1:] + values[:-1]) / 2
            out[:, column] = values[np.searchsorted(between, rows[:, column])]
        for columns in self.groups:
            low, high = (np.array([self.levels[c][end] for c in columns]) for end in (0, -1))
            on = ((rows[:, columns] - low) / (high - low)).argmax(axis=1)
            out[:, columns] = np.where(np.arange(len(columns)) == on[:, None], high, low)
        for column in self.counts:
            out[:, column] = np.round(rows[:, column])
        for column, (least, largest) in self.bounds.items():
            out[:, column] = np.clip(out[:, column], least, largest)
        return out


def find_support(X: np.ndarray, support: str | Columns | None, names: Sequence[str] | None) -> Support:
    """The support of a target's columns.

    Parameters
    ----------
    X : ndarray of shape (m_samples, n_columns)
        The target.
    support : "auto", mapping or None
        "auto": columns of two values are indicators, and neighbouring ones of which exactly one is on in each row are
        the categories of one column. A mapping says which columns are "indicator", "levels" (no values but the
        target's), "counts" (whole numbers, none below the target's least) or within a pair of bounds. None: any value.
    names : sequence of str or None
        Names of the columns.

    Raises
    ------
    ValueError
        For columns that there are not, or a kind that is none.
    """
    if support is None:
        return Support((), {}, {}, ())
    if isinstance(support, str):
        levels = {k: values for k in range(X.shape[1]) if len(values := _levels(X[:, k], most=2)) == 2}
        return Support(_groups(X, levels), levels, {}, ())
    levels, bounds, counts = {}, {}, []
    for key, kind in support.items():
        k = _number(key, X.shape[1], names)
        if kind in ("indicator", "levels"):
            levels[k] = _levels(X[:, k])
        elif kind == "counts":
            counts.append(k)
            bounds[k] = (float(np.ceil(X[:, k].min())), np.inf)
        else:
            least, largest = kind
            bounds[k] = (-np.inf if least is None else float(least), np.inf if largest is None else float(largest))
    indicators = {k: values for k, values in levels.items() if len(values) == 2}
    return Support(_groups(X, indicators), levels, bounds, tuple(counts))


def check_support(support: Any) -> None:
    """Raise where `support` is nothing that :func:`find_support` takes.

    Raises
    ------
    ValueError
        That says what is wrong with it.
    """
    if support is None or (isinstance(support, str) and support == "auto"):
        return
    if not isinstance(support, Mapping):
        raise ValueError(f"support of a Reference must be 'auto', None or a mapping of columns; got {support!r}.")
    for key, kind in support.items():
        pair = (
            isinstance(kind, (tuple, list)) and len(kind) == 2 and all(v is None or isinstance(v, Real) for v in kind)
        )
        if not pair and not (isinstance(kind, str) and kind in KINDS):
            raise ValueError(f"support[{key!r}] must be one of {KINDS} or a pair of bounds; got {kind!r}.")


def _number(key: Any, n_columns: int, names: Sequence[str] | None) -> int:
    if isinstance(key, Integral) and 0 <= int(key) < n_columns:
        return int(key)
    if names is not None and key in list(names):
        return list(names).index(key)
    known = f"the numbers 0 to {n_columns - 1}" if names is None else list(names)
    raise ValueError(f"support names the column {key!r}, but the target has {known}.")


def _levels(values: np.ndarray, most: int | None = None) -> np.ndarray:
    """Different values in ascending order, but for rounding; of too many no more than one beyond `most`."""
    ordered = np.unique(values)
    if len(ordered) < 2 or (most is not None and len(ordered) > 100):
        return ordered[: None if most is None else most + 1]
    new = np.diff(ordered) > LEVEL_WIDTH * (ordered[-1] - ordered[0])
    return ordered[np.concatenate([[True], new])]


def _groups(X: np.ndarray, indicators: dict[int, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Runs of neighbouring indicators of which exactly one is on in each row."""
    groups, start, columns = [], 0, sorted(indicators)
    while start < len(columns):
        total, end = np.zeros(len(X)), start
        while end < len(columns) and columns[end] == columns[start] + end - start:
            low, high = indicators[columns[end]]
            total += X[:, columns[end]] > (low + high) / 2
            end += 1
            if total.max() > 1 or total.min() == 1:
                break
        if end - start > 1 and total.min() == total.max() == 1:
            groups.append(np.array(columns[start:end]))
            start = end
        else:
            start += 1
    return tuple(groups)
