"""How the values along some directions are distributed, and how far other rows are from that."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ._affine_map import Array
from ._column_summary import N_COMPONENTS, N_LEVELS

BLUR = 0.2
"""Width by which each value is blurred, as a share of the standard deviation."""


class Marginals:
    """The distributions of rows along directions, against which other rows are held by smooth tests (Neyman, 1937).

    Parameters
    ----------
    Y : array of shape (m, d)
    directions : array of shape (d, r)
    """

    def __init__(self, Y: Array, directions: Array) -> None:
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        quantiles = np.quantile(Y @ directions, levels, axis=0, method="inverted_cdf").T
        # Smooth, so that a rotation that is looked for by its slope is found whatever the last digits are.
        widths = BLUR * quantiles.std(axis=1) + np.finfo(float).tiny
        self._values, self._widths = torch.from_numpy(quantiles), torch.from_numpy(widths)
        self._directions = torch.from_numpy(directions)
        self._own = self._components(torch.from_numpy(Y), torch.full((len(Y),), 1 / len(Y), dtype=torch.float64))

    def excess(self, Z: Tensor, w: Tensor) -> Tensor:
        """Sum of squares of the components of rows `Z` (n, d), with weights that sum to one, less those of the own."""
        return ((self._components(Z, w) - self._own) ** 2).sum()

    def _components(self, Z: Tensor, w: Tensor) -> Tensor:
        """Means of orthonormal Legendre polynomials of the ranks along each direction, (components, r)."""
        x = (Z @ self._directions).T.contiguous()
        u = torch.erf((x[:, :, None] - self._values[:, None]) / self._widths[:, None, None]).mean(2)
        before, current, components = torch.ones_like(u), u, []
        for order in range(1, N_COMPONENTS + 1):
            components.append((2 * order + 1) ** 0.5 * (current @ w))
            before, current = current, ((2 * order + 1) * u * current - order * before) / (order + 1)
        return torch.stack(components)
