"""When label distances are refreshed along a flow."""

from __future__ import annotations

import math
import sys


class RefreshRule:
    """When label distances are refreshed: as often as their measured error asks for.

    The interval between refreshes halves when the overestimate measured at the last one is more than is accepted: a
    fraction `tol` of the objective, and a share of its fall since the refresh before, for where there is little to gain
    old label distances must not hide it. It doubles while the overestimate is below an eighth of the one and a third of
    the other: twice the interval is four times the overestimate, and twice the fall. Pairs of classes that exchange no
    mass bear on nothing but whether they will, and are refreshed every eighth time.

    Parameters
    ----------
    tol : float
        Accepted overestimate of the objective; 0 refreshes everything at every step, which makes values and gradients
        exact.
    """

    share = 0.5
    """Of the objective's fall between two refreshes, what an overestimate may hide."""
    longest = 3
    """Steps; a flow that goes on for longer with the same plans settles where other plans would take it further."""

    def __init__(self, tol: float) -> None:
        self.tol, self._value = tol, math.inf
        self._interval, self._age, self._n_refreshes = 1, 0, 0

    def due(self) -> str | None:
        """What to refresh now: "all", "active" pairs of classes, or None."""
        self._age += 1
        if self._n_refreshes and self._age < self._interval:
            return None
        self._age = 0
        self._n_refreshes += 1
        return "all" if self.tol == 0 or self._n_refreshes % 8 == 1 else "active"

    def settle(self) -> bool:
        """Refresh at every step from now on, since an end is to be judged by what is new; whether it was less often."""
        less_often, self._interval, self.longest = self._interval > 1, 1, 1
        return less_often

    def adapt(self, overestimate: float, value: float) -> None:
        """Learn from an overestimate that was measured at a refresh, of an objective that is `value` now."""
        size = max(abs(value), sys.float_info.min)
        share = self.share * max(self._value - value, 0.0) / size
        overestimate, self._value = overestimate / size, value
        if overestimate > min(self.tol, share):
            self._interval = max(self._interval // 2, 1)
        elif overestimate < min(self.tol / 8, share / 3):
            self._interval = min(2 * self._interval, self.longest)
