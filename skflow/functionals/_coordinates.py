"""Coordinates in which a flow neither depends on units and offsets nor carries dimensions that it never uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

NUMBERS_AT_ONCE = 2**18
"""Numbers of a copy of some rows."""


class Coordinates:
    """Centred and scaled coordinates of the points on both sides, made in float64.

    Single precision has seven digits: features far from the origin, or in units that make them 1e-13, leave none. About
    the target's mean and in units of the typical distance from it, all digits are there. A rotation into the joint
    span is exact, too: velocities of the OTDD are combinations of the points of both sides, so that with more features
    than points nothing ever leaves their span, and all that the flow depends on, distances between points and between
    Gaussians, is the same in an orthonormal basis of it. For the same reason columns that have one value on both sides
    (margins of pictures) are left out, and keep it.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Points of both sides.
    rotate : bool
        Whether the axes may be turned: into a basis of the span where there are more features than points; else
        columns of one value may be left out.

    Attributes
    ----------
    origin : ndarray of shape (n_features,)
        Mean of the target.
    scale : float
        Root of the mean squared distance of all points from the origin; 1 where they all lie there.
    basis : ndarray of shape (n_features, n_samples + m_samples) or None
        Orthonormal columns; None where the axes are the features'.
    columns : ndarray of int or None
        Those that are not left out; None where all are there.
    """

    def __init__(self, X: ArrayLike, X_target: ArrayLike, *, rotate: bool = False) -> None:
        sides = np.asarray(X), np.asarray(X_target)
        # The first row goes before the mean is taken: the mean of equal numbers is not that number, to the last digit.
        first = sides[1][0].astype(np.float64)
        self.origin = first + sum((rows.sum(axis=0) for rows in _centred(sides[1], first)), 0.0) / len(sides[1])
        self.basis: np.ndarray | None = None
        self.columns: np.ndarray | None = None
        self.scale = _typical_norm(sides, self.origin)
        n_points = sum(map(len, sides))
        if rotate and n_points < len(first):
            together = np.concatenate([rows for side in sides for rows in _centred(side, self.origin)])
            self.basis = np.linalg.qr((together / self.scale).T)[0]
        elif rotate:
            self.columns = _varying(sides)

    def reduce(self, X: ArrayLike) -> np.ndarray:
        """Points in these coordinates, float64."""
        origin = self.origin
        if self.columns is not None:
            X, origin = np.asarray(X)[:, self.columns], origin[self.columns]
        Z = (np.asarray(X, dtype=np.float64) - origin) / self.scale
        return Z if self.basis is None else Z @ self.basis

    def lift(self, Z: ArrayLike) -> np.ndarray:
        """Points back from these coordinates, float64."""
        Z = np.asarray(Z, dtype=np.float64)
        if self.columns is not None:
            X = np.repeat(self.origin[None], len(Z), axis=0)
            X[:, self.columns] += Z * self.scale
            return X
        return (Z if self.basis is None else Z @ self.basis.T) * self.scale + self.origin


def _varying(sides: Sequence[np.ndarray]) -> np.ndarray | None:
    """Columns that have more than one value in the rows of all sides; None where all have, or none has."""
    first = sides[0][0]
    varies = np.zeros(len(first), dtype=bool)
    for side in sides:
        height = max(NUMBERS_AT_ONCE // side.shape[1], 1)
        for start in range(0, len(side), height):
            varies |= (side[start : start + height] != first).any(axis=0)
            if varies.all():
                return None
    return np.flatnonzero(varies) if varies.any() else None


def _centred(side: np.ndarray, origin: np.ndarray) -> Iterator[np.ndarray]:
    """Rows minus the origin in float64, a few at a time: never a copy of all of them."""
    height = max(NUMBERS_AT_ONCE // side.shape[1], 1)
    for start in range(0, len(side), height):
        yield side[start : start + height].astype(np.float64) - origin


def _typical_norm(sides: Sequence[np.ndarray], origin: np.ndarray) -> float:
    """Root mean square of the distances from the origin, whose squares neither over- nor underflow; 1 if all are 0."""
    largest = max(float(np.abs(rows).max(initial=0.0)) for side in sides for rows in _centred(side, origin))
    if largest == 0:
        return 1.0
    total = sum(float(np.square(rows / largest).sum()) for side in sides for rows in _centred(side, origin))
    return largest * (total / sum(map(len, sides))) ** 0.5
