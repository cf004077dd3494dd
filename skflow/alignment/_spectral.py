"""Maps between two instruments that measure spectra: columns are channels in their order."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy.fft import dct, idct
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

from .._sklearn import Interval
from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._plan_moments import PlanMoments

ROWS_PER_AXIS = 4
"""Rows of either side that an axis of the target takes."""
OFF_AXES = 3.0
"""Weight of what lies off the target's axes, in axes."""
SHIFTS = (0.0, -1.0, 1.0, -2.0, 2.0, -4.0, 4.0, -8.0, 8.0)
"""Channels by which the axis is shifted where the search may begin."""
LARGEST_LOG_GAIN = 5.0
"""Of a single frequency, where resolution is higher than the target's."""
TYPICAL = 0.3, 0.3, 0.5, 0.02, 0.1
"""Typical shift, stretch (both in channels), change of resolution, log of the gain, and baseline (in spreads)."""


class Spectral(Invariance):
    """The same spectra by another instrument: shifted axis, other resolution, gain and baseline.

    An instrument that differs from the target's by a smooth warp of its axis (a shift and a stretch), by its resolution
    (a Gaussian kernel), by a gain and by a polynomial baseline makes ``x = g K_r W_(s,t) z + p`` of a spectrum z. These
    few numbers are found from both sides' means and covariances, without pairs and without labels: undone, the source
    is to have the target's mean and covariance in the target's leading principal axes, by the Kullback-Leibler
    divergence of Gaussians there, and no more off these axes. Axes of little variance count as much as others, since it
    is in these that calibrations read.

    To undo a kernel is ill-posed. So a spectrum is described by its coordinates in the target's axes as the other
    instrument would show them, by least squares, is rebuilt from the axes themselves, and what the description leaves
    is added as it is.

    Parameters
    ----------
    degree : int, default=1
        Of the polynomial baseline; 0 is an offset.
    n_components : int, default=15
        Principal axes of the target, at most; fewer where there are few rows.
    margin : float, default=0.03
        Share of the channels at either end that are rebuilt from the others: a shifted axis does not see them.
    """

    _parameter_constraints = {
        "degree": [Interval(Integral, 0, 8, closed="both")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "margin": [Interval(Real, 0, 0.4, closed="both")],
    }
    uses_plan = False

    def __init__(self, degree: int = 1, n_components: int = 15, margin: float = 0.03) -> None:
        self.degree = degree
        self.n_components = n_components
        self.margin = margin

    def fit(self, moments: PlanMoments) -> AffineMap:
        zero = np.zeros(moments.n_features[0]) if moments.zero is None else moments.zero
        d, m = len(zero), len(moments.Y)
        rows = np.sqrt(moments.columns)[:, None] * (moments.Y - moments.mean_y)
        singular, axes = np.linalg.svd(rows, full_matrices=False)[1:]
        few = min(len(moments.X), m) // ROWS_PER_AXIS
        signals = _n_signals(np.square(singular), d, m, np.abs(moments.mean_y - zero).max())
        r = int(min(self.n_components, few, signals))
        edge = round(self.margin * d)
        if r < 1 or d - 2 * edge <= r + self.degree + 1:
            return AffineMap(moments.mean_x, moments.mean_y)
        source = np.sqrt(moments.rows)[:, None] * (moments.X - moments.mean_x)
        spread = float(np.sqrt(np.square(singular).sum() / d))
        off = float(np.square(singular[r:]).sum()) * (m + r) / (m - r)  # of rows that the axes were not fitted to
        view = _View(moments.mean_y - zero, axes[:r], singular[:r], off, edge, spread, self.degree)
        theta = view.best(moments.mean_x - zero, source)
        seen, offset = view.seen(theta)
        describe = np.zeros((d, r))
        describe[edge : d - edge] = np.linalg.pinv(seen[:, edge : d - edge])
        keep = np.ones(d)
        keep[:edge] = keep[d - edge :] = 0.0
        matrix = describe @ view.axes + (np.eye(d) - describe @ seen) * keep
        return AffineMap(offset + zero, moments.mean_y, (matrix,))

    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        return 5 + self.degree


def _n_signals(variances: Array, n_features: int, n_samples: int, size: float) -> int:
    """Number of principal axes that stand out of noise: beyond the edge of Marchenko and Pastur (1967).

    What varies by no more than rounding of values of a `size` does not.
    """
    left = variances.sum() - np.cumsum(variances)
    dimensions = np.maximum(n_features - 1 - np.arange(len(variances)), 1)
    edge = (1 + np.sqrt(n_features / n_samples)) ** 2
    rounding = max(1e-16 * variances.max(initial=0.0), (1e-12 * size) ** 2)
    stands_out = (variances > edge * left / dimensions) & (variances > rounding)
    return int(np.argmin([*stands_out, False]))


@dataclass
class _View:
    """The target's mean and axes, and how an instrument with parameters theta would see them.

    Theta is the shift, the stretch and the change of resolution of the axis, the log of the gain, and the coefficients
    of the baseline, in units of typical steps.
    """

    mean: Array
    axes: Array
    singular: Array
    off: float
    """Variance of the target off its axes."""
    edge: int
    spread: float
    degree: int

    def __post_init__(self) -> None:
        d = len(self.mean)
        self._at = np.linspace(-1, 1, d)
        self._curves = CubicSpline(np.arange(d), np.vstack([self.mean, self.axes]), axis=1)
        # Of the heat equation on a chain without flow at its ends: the cosine transform diagonalises it.
        self._frequencies = 2 * np.cos(np.pi * np.arange(d) / d) - 2
        self.off = max(self.off, 1e-12 * float(np.square(self.singular).sum()))

    def seen(self, theta: Array) -> tuple[Array, Array]:
        """The axes (r, d) and the mean (d,) by the other instrument."""
        d = len(self.mean)
        shift, stretch, blur, gain, *baseline = theta * np.r_[TYPICAL[:4], np.full(self.degree + 1, TYPICAL[4])]
        at = np.clip(np.arange(d) + shift + stretch * self._at, -2, d + 1)
        log_gains = np.minimum(blur * self._frequencies, LARGEST_LOG_GAIN)
        curves = idct(dct(self._curves(at), axis=1) * np.exp(log_gains + gain), axis=1)
        offset = self.spread * np.polynomial.polynomial.polyval(self._at, baseline)
        return curves[1:], curves[0] + offset

    def objective(self, theta: Array, mean: Array, rows: Array) -> float:
        """Divergence of the source, by its mean and centred weighted rows, from the target; zero where it is the same.

        Twice the Kullback-Leibler divergence of Gaussians in whitened coordinates, and the same of one variance for all
        that is off the axes.
        """
        if np.abs(theta).max() > 1e3:
            return np.inf
        inside = slice(self.edge, len(self.mean) - self.edge)
        axes, offset = (curve[..., inside] for curve in self.seen(theta))
        describe = np.linalg.pinv(axes)
        means, spreads = (mean[inside] - offset) @ describe, rows[:, inside] @ describe
        off = np.square(mean[inside] - offset - means @ axes).sum()
        off = (off + np.square(rows[:, inside] - spreads @ axes).sum()) / self.off
        means, spreads = means / self.singular, spreads / self.singular
        sign, log_determinant = np.linalg.slogdet(spreads.T @ spreads)
        if sign <= 0 or off <= 0:
            return np.inf
        value = np.square(spreads).sum() + means @ means - len(means) - log_determinant
        return float(value + OFF_AXES * (off - 1 - np.log(off)))

    def best(self, mean: Array, rows: Array) -> Array:
        """The parameters of the lowest objective."""
        theta = np.zeros(5 + self.degree)
        starts = []
        for shift in SHIFTS:
            theta[0] = shift / TYPICAL[0]
            starts.append((self.objective(theta, mean, rows), *theta))
        start = np.array(min(starts)[1:])
        ends = [
            minimize(self.objective, at, args=(mean, rows), method="BFGS", options={"gtol": 1e-4})
            for at in ([start] if start[0] == 0 else [start, np.zeros_like(start)])
        ]
        return np.asarray(min(ends, key=lambda end: end.fun).x)
