"""How the values along some directions are distributed, and how far other rows are from that."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ._affine_map import Array
from ._column_summary import N_COMPONENTS, N_LEVELS


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
        all_values, ranks = np.empty(quantiles.shape), np.ones(quantiles.shape)
        for k, column in enumerate(quantiles):
            # Between its values a distribution function rises evenly: values that lie close by count as the same.
            values, at, counts = np.unique(column, return_inverse=True, return_counts=True)
            n = len(values)
            all_values[k, :n], ranks[k, :n] = values, np.bincount(at, levels) / counts
            all_values[k, n:] = values[-1] + np.arange(1, len(column) - n + 1) * max(np.ptp(values), 1.0)
            ranks[k, n:] = ranks[k, n - 1]
        self._values, self._ranks = torch.from_numpy(all_values), torch.from_numpy(ranks)
        self._directions = torch.from_numpy(directions)
        self._own = self._components(torch.from_numpy(Y), torch.full((len(Y),), 1 / len(Y), dtype=torch.float64))

    def excess(self, Z: Tensor, w: Tensor) -> Tensor:
        """Sum of squares of the components of rows `Z` (n, d), with weights that sum to one, less those of the own."""
        return ((self._components(Z, w) - self._own) ** 2).sum()

    def _components(self, Z: Tensor, w: Tensor) -> Tensor:
        """Means of orthonormal Legendre polynomials of the ranks along each direction, (components, r)."""
        x = (Z @ self._directions).T.contiguous()
        above = torch.searchsorted(self._values, x.detach()).clamp(1, N_LEVELS - 1)
        low, high = self._values.gather(1, above - 1), self._values.gather(1, above)
        rank, next_rank = self._ranks.gather(1, above - 1), self._ranks.gather(1, above)
        u = 2 * (rank + (next_rank - rank) * ((x - low) / (high - low)).clamp(0, 1)) - 1
        before, current, components = torch.ones_like(u), u, []
        for order in range(1, N_COMPONENTS + 1):
            components.append((2 * order + 1) ** 0.5 * (current @ w))
            before, current = current, ((2 * order + 1) * u * current - order * before) / (order + 1)
        return torch.stack(components)
