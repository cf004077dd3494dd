"""How the values along some directions are distributed, and how far other rows are from that."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import erf
from torch import Tensor

from ._affine_map import Array
from ._column_summary import N_COMPONENTS, N_LEVELS

BLUR = 0.2
"""Width by which each value is blurred, as a share of the standard deviation."""


N_KNOTS = 512
"""Points at which the ranks of a direction are computed; between them they are interpolated."""
WIDTHS_BEYOND = 3.0
"""Widths beyond the outermost values from which on a rank is that of the end."""


class Marginals:
    """The distributions of rows along directions, against which other rows are held by smooth tests (Neyman, 1937).

    Parameters
    ----------
    Y : array of shape (m, d)
    directions : array of shape (d, r)
    """

    def __init__(self, Y: Array, directions: Array) -> None:
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        values = np.quantile(Y @ directions, levels, axis=0, method="inverted_cdf").T
        # Smooth, so that a rotation that is looked for by its slope is found whatever the last digits are.
        widths = BLUR * values.std(axis=1) + np.finfo(float).tiny
        low, high = values[:, 0] - WIDTHS_BEYOND * widths, values[:, -1] + WIDTHS_BEYOND * widths
        step = np.maximum((high - low) / (N_KNOTS - 1), np.finfo(float).tiny)
        knots = low[:, None] + step[:, None] * np.arange(N_KNOTS)
        deviations = (knots[:, :, None] - values[:, None]) / widths[:, None, None]
        slopes = 2 / np.sqrt(np.pi) * np.exp(-(deviations**2)).mean(axis=2) / widths[:, None] * step[:, None]
        self._low, self._step = torch.from_numpy(low)[:, None], torch.from_numpy(step)[:, None]
        self._ranks, self._slopes = torch.from_numpy(erf(deviations).mean(axis=2)), torch.from_numpy(slopes)
        self._directions = torch.from_numpy(directions)
        self._own = self._components(torch.from_numpy(Y), torch.full((len(Y),), 1 / len(Y), dtype=torch.float64))

    def excess(self, Z: Tensor, w: Tensor) -> Tensor:
        """Sums (...) of squares of the components of rows `Z` (..., n, d), weighted to a sum of one, less the own."""
        return ((self._components(Z, w) - self._own) ** 2).sum((-2, -1))

    def _components(self, Z: Tensor, w: Tensor) -> Tensor:
        """Means of orthonormal Legendre polynomials of the ranks along each direction, (..., components, r)."""
        u = self._ranks_at(self._directions.T @ Z.mT)
        before, current, components = torch.ones_like(u), u, []
        for order in range(1, N_COMPONENTS + 1):
            components.append((2 * order + 1) ** 0.5 * (current @ w))
            before, current = current, ((2 * order + 1) * u * current - order * before) / (order + 1)
        return torch.stack(components, -2)

    def _ranks_at(self, x: Tensor) -> Tensor:
        """Blurred ranks, from -1 to 1, of values (..., r, n) along each direction, by cubic Hermite interpolation."""
        place = ((x - self._low) / self._step).clamp(0, N_KNOTS - 1)
        knot = place.detach().long().clamp_(max=N_KNOTS - 2)
        t = place - knot
        (u, after), (slope, slope_after) = (
            (table.gather(-1, knot), table.gather(-1, knot + 1))
            for table in (values.expand(*x.shape[:-1], -1) for values in (self._ranks, self._slopes))
        )
        bend = 3 * (after - u) - 2 * slope - slope_after
        return u + t * (slope + t * (bend + t * (slope + slope_after - 2 * (after - u))))
