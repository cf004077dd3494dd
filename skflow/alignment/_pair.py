"""Source and target, as all parts of the search take them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._affine_map import Array


@dataclass(frozen=True)
class Pair:
    """Source and target in working units: centred, and scaled so that the target's total variance is one.

    Parameters
    ----------
    X : array of shape (n, d)
    Y : array of shape (m, k)
    a : array of shape (n,)
    b : array of shape (m,)
        Weights, each summing to one.
    y, t : integer arrays of shape (n,), (m,), or None
        Codes that must match; -1 matches every code. None where nothing is known.
    axes : array of shape (k, r) or None
        Orthonormal directions of the target in which rows are compared; all where None.
    zero : array of shape (d,) or None
    zero_target : array of shape (k,) or None
        Where the origin of the user's columns lies on either side; None: at their own origin.
    """

    X: Array
    Y: Array
    a: Array
    b: Array
    y: Array | None = None
    t: Array | None = None
    axes: Array | None = None
    zero: Array | None = None
    zero_target: Array | None = None

    def rows(self, i: Array, j: Array) -> Pair:
        """The pair of some rows of either side, their weights scaled to sum to one again."""
        y, t = (None if code is None else code[at] for code, at in ((self.y, i), (self.t, j)))
        a, b = self.a[i], self.b[j]
        return replace(self, X=self.X[i], Y=self.Y[j], a=a / a.sum(), b=b / b.sum(), y=y, t=t)

    def forbidden(self) -> Tensor | None:
        """Pairs of rows whose known codes differ, (n, m), or None where all may be coupled."""
        if self.y is None or self.t is None:
            return None
        y, t = self.y[:, None], self.t
        mask = (y != t) & (y >= 0) & (t >= 0)
        mask &= ~mask.all(axis=1, keepdims=True)  # in a subsample a class may lack its counterpart; then it is free
        return torch.from_numpy(mask) if mask.any() else None
