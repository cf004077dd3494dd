"""When an objective has stopped falling."""

from __future__ import annotations

import math

import numpy as np

N_BATCHES = 4
"""Batches of a window, whose means tell its mean's standard error although neighbouring values are alike."""
STANDARD_ERRORS = 3.0
"""Standard errors by which a fall may be larger than it looks."""


class StoppingRule:
    """Whether an objective has stopped falling, by a fraction `tol` in `n_iter_no_change` steps.

    Where every value is exact, the best one must not have fallen by that fraction for so long. Where there is noise, a
    lucky value tells nothing: the means of the last and the second last third of all values are compared, and the fall
    that they show, with three standard errors on top, must be below the same rate. That takes the longer, the more
    noise there is. With `tol` zero, a flow goes on to its last step.

    Parameters
    ----------
    tol : float
        Fraction of the objective.
    n_iter_no_change : int
        Steps.
    """

    def __init__(self, tol: float, n_iter_no_change: int) -> None:
        self.tol, self.patience = tol, n_iter_no_change
        self.restart()
        self._best, self._noisy = math.inf, False

    def restart(self) -> None:
        """Begin to wait anew; the best value stays."""
        self._waited, self._values = 0, list[float]()

    def observe(self, value: float, noisy: bool) -> None:
        """Take note of the next value; `noisy` where it is that of particles in Brownian motion."""
        self._noisy = self._noisy or noisy
        self._values.append(value)
        if self._best == math.inf or value < self._best - self.tol * abs(self._best):
            self._best, self._waited = value, 0
        else:
            self._waited += 1

    def stalled(self) -> bool:
        """Whether the objective falls no more."""
        if self.tol == 0:
            return False
        return self._stalled_in_noise() if self._noisy else self._waited >= self.patience

    def _stalled_in_noise(self) -> bool:
        width = len(self._values) // 3
        if width < 4 * self.patience or len(self._values) % self.patience:  # seldom enough, and on enough values
            return False
        values = np.array(self._values[-2 * width :])
        early, late = values[:width], values[width:]
        error = math.hypot(_standard_error(early), _standard_error(late))
        fall = early.mean() - late.mean() + STANDARD_ERRORS * error
        return bool(fall * self.patience / width <= self.tol * abs(late.mean()))


def _standard_error(window: np.ndarray) -> float:
    """That of the window's mean, by the means of its batches."""
    means = [batch.mean() for batch in np.array_split(window, N_BATCHES)]
    return float(np.std(means, ddof=1) / math.sqrt(N_BATCHES))
