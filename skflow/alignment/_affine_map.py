"""An affine map of rows, its inverse, and how two of them are chained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
"""Float64, but for codes and indices of rows."""


@dataclass(frozen=True)
class AffineMap:
    """An affine map of rows, kept in factors.

    It is ``h(x) = (x - center) F_1 ... F_r + image``. Rows are centred before they are multiplied, so that a large
    common offset costs no digits. A factor is a matrix, or a vector of gains, one a column; no factor at all is the
    identity's matrix. A map between the principal axes of wide data stays in its factors, ``(d, r), (r, s), (s, k)``,
    and the ``(d, k)`` matrix is made only when asked for.

    Parameters
    ----------
    center : array of shape (d,)
        The row of the source that goes to `image`.
    image : array of shape (k,)
        Where `center` goes.
    factors : sequence of arrays
        Matrices and vectors of gains. Where there are several matrices, those before the core need orthonormal columns
        and those after it orthonormal rows, else the inverse is not that of least squares.
    """

    center: Array
    image: Array
    factors: Sequence[Array] = ()

    def __call__(self, X: ArrayLike) -> Array:
        """Map rows `X` (n, d) to rows (n, k).

        Raises
        ------
        ValueError
            Where images are beyond the range of float64.
        """
        return _carry(np.asarray(X, dtype=np.float64), self.center, self.factors, self.image)

    def onto(self, axes: Array) -> AffineMap:
        """The map followed by the product with `axes` (k, r), so that rows have r coordinates."""
        *before, last = self.factors or (np.ones(len(self.center)),)
        last = last[:, None] * axes if last.ndim == 1 else last @ axes
        return AffineMap(self.center, self.image @ axes, (*before, last))

    def inverse(self, Z: ArrayLike) -> Array:
        """Rows (n, d) that `h` takes to `Z` (n, k): by least squares, and the shortest, where none or many are."""
        return _carry(np.asarray(Z, dtype=np.float64), self.image, self._inverse_factors, self.center)

    @cached_property
    def matrix(self) -> Array:
        """The matrix A of ``h(x) = x A + offset``, shape (d, k)."""
        return _multiply(np.eye(len(self.center)), self.factors)

    @property
    def offset(self) -> Array:
        """The offset of ``h(x) = x A + offset``, shape (k,)."""
        return self.image - _multiply(self.center[None], self.factors)[0]

    @cached_property
    def _inverse_factors(self) -> tuple[Array, ...]:
        return tuple(_pseudo_inverse(factor) for factor in reversed(self.factors))

    def between(self, left: Sequence[Array], right: Sequence[Array], center: Array, image: Array) -> AffineMap:
        """The same map between coordinates ``(x - center) left`` of the source and ``image + z right`` of the target.

        Where this map does not fix the origin of the coordinates, its own `center` and `image` are carried over.
        """
        inverse_left = [_pseudo_inverse(factor) for factor in reversed(left)]
        return AffineMap(
            center + _multiply(self.center[None], inverse_left)[0],
            image + _multiply(self.image[None], right)[0],
            (*left, *self.factors, *right),
        )


def _carry(X: Array, start: Array, factors: Sequence[Array], end: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        image = _multiply(X - start, factors) + end
    if not np.isfinite(image).all() and np.isfinite(X).all():
        raise ValueError(f"X holds values up to {np.abs(X).max():.3g}: where they go is beyond the range of float64.")
    return image


def _multiply(X: Array, factors: Sequence[Array]) -> Array:
    for factor in factors:
        X = X * factor if factor.ndim == 1 else X @ factor
    return X


def _pseudo_inverse(factor: Array) -> Array:
    if factor.ndim == 1:
        return np.divide(1.0, factor, out=np.zeros_like(factor), where=factor != 0)
    if factor.shape[0] == factor.shape[1]:
        gram = factor @ factor.T
        if np.abs(gram - np.eye(len(gram))).max() < 1e-12:
            return factor.T
    return cast(Array, np.linalg.pinv(factor))
