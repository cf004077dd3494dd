"""What the columns of one side are like, and whether two columns have the same distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from ._affine_map import Array

N_LEVELS = 64
"""Quantiles that stand for a column's distribution."""
N_COMPONENTS = 6
"""Legendre polynomials of the smooth test."""
SMALLEST_DEVIATION = 1e-6
"""Of normal scores: a column of less does not vary, and is correlated with none."""

LEAST_LEVEL = 1e-9
"""Of a distribution function: normal scores are finite, though a row weigh next to nothing."""


@dataclass(frozen=True)
class ColumnSummary:
    """What a side says of its columns.

    Parameters
    ----------
    correlation : array of shape (d, d)
        Of the normal scores.
    quantiles : array of shape (d, q)
        Of each centred column.
    means : array of shape (d,)
    n_rows : float
        Effective number of rows.
    """

    correlation: Array
    quantiles: Array
    means: Array
    n_rows: float

    @classmethod
    def of(cls, X: Array, w: Array) -> ColumnSummary:
        """Of rows `X` with weights `w` that sum to one."""
        means = w @ X
        X = X - means
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        scores, quantiles = np.empty(X.shape), np.empty((X.shape[1], N_LEVELS))
        for k, column in enumerate(X.T):
            values, at = np.unique(column, return_inverse=True)
            mass = np.bincount(at, w)
            below = np.cumsum(mass)
            scores[:, k] = ndtri((below - mass / 2).clip(LEAST_LEVEL, 1 - LEAST_LEVEL))[at]
            quantiles[k] = values[np.searchsorted(below, levels).clip(max=len(values) - 1)]
        scores -= w @ scores
        cov = scores.T @ (w[:, None] * scores)
        deviations = np.sqrt(np.diag(cov))
        unit = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > SMALLEST_DEVIATION)
        return cls(unit[:, None] * unit * cov, quantiles, means, 1 / float(w @ w))

    def in_own_units(self) -> ColumnSummary:
        """The same of columns about a middle in units of a spread that heed extreme values little.

        Quantiles of the level u count as ``u (1 - u)``, as in moments that heavy tails leave finite.
        """
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        counts = levels * (1 - levels) / (levels * (1 - levels)).sum()
        centred = self.quantiles - (self.quantiles @ counts)[:, None]
        spread = np.sqrt(np.square(centred) @ counts)[:, None]
        return replace(self, quantiles=np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))

    def shrunk(self, n_rows: float) -> Array:
        """The correlations as if there were `n_rows` more rows without any: none is perfect then."""
        correlation = self.correlation * (self.n_rows / (self.n_rows + n_rows))
        np.fill_diagonal(correlation, 1.0)
        return correlation


def smooth_tests(source: ColumnSummary, target: ColumnSummary, shifted: bool, sign: float) -> Array:
    """Statistics (d, k) of the smooth test of each source column, times the sign, against each of the target's.

    Means of Legendre polynomials of one column's values in the other's distribution function, less those of its own.
    """
    sides = [side.quantiles if shifted else side.quantiles + side.means[:, None] for side in (source, target)]
    quantiles, others = np.sort(sign * sides[0], axis=1), sides[1]
    n_rows = source.n_rows * target.n_rows / (source.n_rows + target.n_rows)
    forth, back = _excess(quantiles, others), _excess(others, quantiles).T
    return n_rows * (forth + back) / 2


def _excess(values: Array, reference: Array) -> Array:
    """Sums of squares (d, k) of the components of rows of values (d, q) in the distributions of k reference rows."""
    levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    result = np.empty((len(values), len(reference)))
    for c, own in enumerate(reference):
        # Between its values a distribution function rises evenly: values that lie close by count as the same.
        distinct, at, counts = np.unique(own, return_inverse=True, return_counts=True)
        middle = np.bincount(at, levels) / counts
        ranks = np.interp(np.vstack([values, own]), distinct, middle)
        components = np.polynomial.legendre.legvander(2 * ranks - 1, N_COMPONENTS)[..., 1:].mean(1)
        components *= np.sqrt(2 * np.arange(1, N_COMPONENTS + 1) + 1)
        result[:, c] = ((components[:-1] - components[-1]) ** 2).sum(1)
    return result
