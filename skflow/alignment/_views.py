"""Working coordinates: centred, in units of the target's spread, in few axes where there are many columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from .._standard_units import Units
from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._pair import Pair

MAX_COLUMNS = 128
"""Columns beyond which maps that mix columns are fitted between principal axes."""
N_AXES = 100
"""Principal axes that take the columns' place."""
SEEN_AXES = 100
"""Principal axes of the target in which rows are compared."""
JUDGED_AXES = 30
"""Principal axes of the target in which the divergence is taken."""


LARGEST = 1e140
"""Size of a value beyond which its square is near the end of the floating-point range."""


@dataclass(frozen=True)
class View:
    """Both sides in working coordinates, and the way back: ``x -> (x - center) left`` and ``z -> image + z right``.

    Parameters
    ----------
    pair : Pair
    center, image : arrays of shape (d,), (k,)
    left, right : tuples of arrays
        Factors, as in :class:`AffineMap`.
    judged : array of shape (k', r)
        Leading principal axes of the target, in its working coordinates.
    same : array of shape (d', k') or None
        The matrix that leaves rows as they are; None where the sides have different columns.
    """

    pair: Pair
    center: Array
    image: Array
    left: tuple[Array, ...]
    right: tuple[Array, ...]
    judged: Array
    same: Array | None

    def lift(self, h: AffineMap) -> AffineMap:
        """A map between working coordinates as a map between rows."""
        return h.between(self.left, self.right, self.center, self.image)

    def to_rows(self, mapped: Array) -> Array:
        """Rows of the target's working coordinates in the user's units."""
        for factor in self.right:
            mapped = _times(mapped, factor)
        return self.image + mapped

    def rows(self, i: Array, j: Array) -> View:
        """The same coordinates with some rows of either side."""
        return replace(self, pair=self.pair.rows(i, j))

    @property
    def is_narrow(self) -> bool:
        """Whether principal axes take the columns' place."""
        return self.left[0].ndim == 2


@dataclass(frozen=True)
class Views:
    """The coordinates that the classes of maps are fitted in, and those of the search.

    Parameters
    ----------
    columns : View
        All columns, both sides minus the target's mean where they have the same columns.
    own : View
        Each side in its own principal axes, or in all columns where they are few.
    common : View or None
        Both sides in the axes of the two together; None where they have different columns.
    scaled : View
        As `own`, with each side's own total variance one, unless columns that one side lacks explain the difference.
    """

    columns: View
    own: View
    common: View | None
    scaled: View

    @property
    def are_narrow(self) -> bool:
        """Whether columns are so many that principal axes take their place for some classes of maps."""
        return self.own.is_narrow

    def of_class(self, invariance: Invariance) -> View:
        """The coordinates that a class is fitted in."""
        if invariance.by_column:
            return self.columns
        return self.own if invariance.turns else cast(View, self.common)

    def subsample(self, rng: np.random.RandomState, n_rows: int) -> Views:
        """The same coordinates with a draw of so many rows of either side, or with all where there are no more."""
        sides = self.columns.pair.X, self.columns.pair.Y
        if max(map(len, sides)) <= n_rows:
            return self
        i, j = (np.sort(rng.permutation(len(Z))[:n_rows]) for Z in sides)
        common = None if self.common is None else self.common.rows(i, j)
        return Views(self.columns.rows(i, j), self.own.rows(i, j), common, self.scaled.rows(i, j))

    def between(self, found: AffineMap, at: View) -> AffineMap:
        """A map between the scaled coordinates as one between the coordinates `at`."""
        into = (*(_inverse(f) for f in reversed(at.left)), *self.scaled.left)
        back = (*self.scaled.right, *(_inverse(f) for f in reversed(at.right)))
        center, image = self.scaled.center - at.center, self.scaled.image - at.image
        for factor in at.left:
            center = _times(center, factor)
        for factor in back[len(self.scaled.right) :]:
            image = _times(image, factor)
        return found.between(into, back, center, image)

    @classmethod
    def of(cls, pair: Pair) -> Views:
        """From rows in the user's units."""
        source, target = Units.of(pair.X, pair.a), Units.of(pair.Y, pair.b)
        same = pair.X.shape[1] == pair.Y.shape[1]
        scaled_x, scaled_y = (pair.X - source.centre) / source.scale, (pair.Y - target.centre) / target.scale
        farthest = float(np.abs(pair.X - (target.centre if same else source.centre)).max())
        if farthest > LARGEST * target.scale:
            raise ValueError(
                f"X lies {farthest / target.scale:.3g} times the spread of X_target away from it, and the square of "
                "that is no number: scale them alike."
            )
        if target.scale > LARGEST * source.scale:
            raise ValueError(
                f"X_target has {target.scale / source.scale:.3g} times the spread of X, and the square of that is no "
                "number: scale them alike."
            )
        axes_y = principal_axes(scaled_y, pair.b, max(SEEN_AXES, JUDGED_AXES))
        few = max(pair.X.shape[1], pair.Y.shape[1]) <= MAX_COLUMNS
        if few:
            V, W = np.eye(pair.X.shape[1]), np.eye(pair.Y.shape[1])
        else:
            V, W = principal_axes(scaled_x, pair.a, N_AXES), axes_y[:, :N_AXES]
        origin = target.centre if same else source.centre
        columns = View(
            replace(
                pair,
                X=(pair.X - origin) / target.scale,
                Y=scaled_y,
                axes=None if few else axes_y[:, :SEEN_AXES],
                zero=-origin / target.scale,
                zero_target=-target.centre / target.scale,
            ),
            origin,
            target.centre,
            (np.full(pair.X.shape[1], 1 / target.scale),),
            (np.full(pair.Y.shape[1], target.scale),),
            axes_y[:, :JUDGED_AXES],
            np.eye(len(origin)) if same else None,
        )

        def between(V: Array, W: Array, spread: float) -> View:
            return View(
                replace(pair, X=scaled_x @ V * (source.scale / spread), Y=scaled_y @ W),
                source.centre,
                target.centre,
                (V / spread,) if not few else (np.full(len(V), 1 / spread),),
                (W.T * target.scale,) if not few else (np.full(len(W), target.scale),),
                W.T @ axes_y[:, :JUDGED_AXES],
                V.T @ W if same else None,
            )

        common = None
        if same:
            U = V if few else _joint_axes([(scaled_x, pair.a / 2), (scaled_y, pair.b / 2)], N_AXES)
            common = between(U, U, target.scale)
        # Where columns are missing, so is their part of the spread, and it is no difference of units.
        units = source.scale if same or not 0.5 < source.scale / target.scale < 2 else target.scale
        return cls(columns, between(V, W, target.scale), common, between(V, W, units))


def _times(Z: Array, factor: Array) -> Array:
    return Z * factor if factor.ndim == 1 else Z @ factor


def _inverse(factor: Array) -> Array:
    """Of gains, or of axes times a gain."""
    return 1 / factor if factor.ndim == 1 else np.linalg.pinv(factor)


def principal_axes(Z: Array, w: Array, n_axes: int) -> Array:
    """The leading principal axes of weighted rows `Z`, as orthonormal columns (d, r) with r <= `n_axes`."""
    return _joint_axes([(Z, w)], n_axes)


def _joint_axes(sides: list[tuple[Array, Array]], n_axes: int) -> Array:
    """The same of all sides' rows together, one after the other so that few copies of them are held at once."""
    mean = sum(w @ Z for Z, w in sides)
    n_rows, n_columns = sum(len(Z) for Z, _ in sides), sides[0][0].shape[1]

    def centred(Z: Array, w: Array) -> Array:
        Z = Z - mean
        Z *= np.sqrt(w)[:, None]
        return Z

    if n_columns <= n_rows:
        scatter = np.zeros((n_columns, n_columns))
        for Z, w in sides:
            Z = centred(Z, w)
            scatter += Z.T @ Z
        values, V = np.linalg.eigh(scatter)
        return np.ascontiguousarray(V[:, np.argsort(-values)][:, :n_axes])
    Z = np.vstack([centred(*side) for side in sides])
    values, U = np.linalg.eigh(Z @ Z.T)
    keep = np.argsort(-values)[: max(min(n_axes, len(Z) - 1), 1)]
    return np.linalg.qr(Z.T @ U[:, keep])[0]
