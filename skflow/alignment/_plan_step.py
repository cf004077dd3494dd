"""An entropic plan between mapped rows and the target's, class by class where every label is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ._affine_map import AffineMap, Array
from ._pair import Pair

SMALLEST_MASS = 1e-30
"""Masses below this count as this much, in single precision."""
MOST_SPREADS = 1e9
"""Distance in spreads of the target beyond which rows are equally far: in single precision squares must stay finite."""
WORTH_BLOCKS = 0.5
"""Share of all pairs of rows up to which classes, filled up to one size, are taken one by one."""


@dataclass(frozen=True)
class Blocks:
    """Rows of one side in blocks of one size, of which each is coupled with the other side's block of the same place.

    Parameters
    ----------
    at : integer Tensor of shape (B, size)
        Places of the rows; those that fill a block up are the block's first.
    real : Tensor of bool of shape (B, size)
        False for rows that fill a block up.
    n : int
        Number of rows.
    """

    at: Tensor
    real: Tensor
    n: int

    @classmethod
    def of_all(cls, n: int) -> Blocks:
        """One block of all rows."""
        return cls(torch.arange(n)[None], torch.ones(1, n, dtype=torch.bool), n)

    @classmethod
    def of_codes(cls, codes: Array, classes: Array) -> Blocks:
        """A block for each of some classes."""
        members = [np.flatnonzero(codes == code) for code in classes]
        at = np.repeat([[rows[0]] for rows in members], max(map(len, members)), axis=1)
        real = np.arange(at.shape[1]) < np.array([len(rows) for rows in members])[:, None]
        at[real] = np.concatenate(members)
        return cls(torch.from_numpy(at), torch.from_numpy(real), len(codes))

    @property
    def is_whole(self) -> bool:
        """Whether there is one block of all rows, which then are in order."""
        return self.at.shape == (1, self.n)

    def split(self, rows: Tensor) -> Tensor:
        """Rows (n, ...) in blocks (B, size, ...)."""
        return rows[None] if self.is_whole else rows[self.at]

    def masses(self, w: Tensor) -> Tensor:
        """Masses (n,) in blocks, zero for rows that fill up."""
        return torch.where(self.real, w[self.at], 0.0)

    def joined(self, rows: Tensor) -> Array:
        """Rows in blocks as an array of all rows; zero for those of no block."""
        out = np.zeros((self.n, *rows.shape[2:]))
        out[self.at[self.real].numpy()] = rows[self.real].numpy()
        return out


def blocks_of(pair: Pair) -> tuple[Blocks, Blocks]:
    """Blocks of both sides: classes, where all labels are known and classes are small, else all rows."""
    y, t = pair.y, pair.t
    if y is not None and t is not None and (y >= 0).all() and (t >= 0).all() and np.isin(y, t).all():
        classes = np.unique(y)
        blocks = Blocks.of_codes(y, classes), Blocks.of_codes(t, classes)
        if len(classes) * blocks[0].at.shape[1] * blocks[1].at.shape[1] <= WORTH_BLOCKS * len(y) * len(t):
            return blocks
    return Blocks.of_all(len(pair.X)), Blocks.of_all(len(pair.Y))


@dataclass(frozen=True)
class Plan:
    """An entropic plan ``a_i u_i K_ij v_j``, of which products are made when they are asked for.

    Parameters
    ----------
    blocks : tuple of Blocks
        Of both sides; all else is in these.
    kernel : Tensor of shape (B, n, m)
    u, v : Tensors of shape (B, n), (B, m)
    rows, a : Tensors of shape (B, n, r), (B, n)
        Mapped rows of the source as they are compared, and their masses.
    seen, Y : Tensors of shape (B, m, r), (B, m, k)
        Rows of the target as they are compared, and in all columns; the same object where that is the same.
    masses : Tensor of shape (B, m)
        The plan's column masses.
    """

    blocks: tuple[Blocks, Blocks]
    kernel: Tensor
    u: Tensor
    v: Tensor
    rows: Tensor
    a: Tensor
    seen: Tensor
    Y: Tensor
    masses: Tensor

    @cached_property
    def _images_seen(self) -> Tensor:
        return self._barycentres(self.seen)

    def images(self) -> Array:
        """Barycentric images of the source's rows, (n, k)."""
        return self.blocks[0].joined(self._images_seen if self.Y is self.seen else self._barycentres(self.Y))

    @property
    def columns(self) -> Array:
        """Column masses, (m,)."""
        return self.blocks[1].joined(self.masses)

    @property
    def costs(self) -> Tensor:
        """Transport cost between mapped rows and the target's in each block, (B,)."""
        of_rows = (self.rows**2).sum(2) - 2 * (self.rows * self._images_seen).sum(2)
        return (self.a * of_rows).sum(1) + (self.masses * (self.seen**2).sum(2)).sum(1)

    @property
    def cost(self) -> float:
        """Transport cost between mapped rows and the target's."""
        return float(self.costs.sum())

    def _barycentres(self, Z: Tensor) -> Tensor:
        return self.u[..., None] * (self.kernel @ (self.v[..., None] * Z))


class PlanStep:
    """One entropic plan after another between moving rows and a fixed target, warm-started by the target's potential.

    The source's marginal is exact. The target's is held by a penalty ``rho KL(P^T 1 | b)`` alone (Chizat, Peyré,
    Schmitzer, Vialard, "Scaling algorithms for unbalanced optimal transport problems", 2018), so that a class may be
    rarer in the source than in the target. The first half-step is a softmax over each row; the iterations after it are
    matrix-vector products. Where every label is known, classes are problems of their own.
    """

    def __init__(self, pair: Pair, rho: float, n_iter: int) -> None:
        self.n_iter, self.rho = n_iter, rho
        self._axes = pair.axes
        self._blocks = sources, targets = blocks_of(pair)
        self._Y = targets.split(_single(pair.Y))
        self._seen = self._Y if pair.axes is None else targets.split(_single(pair.Y @ pair.axes))
        self._squares = (self._seen**2).sum(2)
        self._a, self._b = sources.masses(_single(pair.a)), targets.masses(_single(pair.b))
        self._real = targets.real
        self._log_b = self._b.clamp_min(SMALLEST_MASS).log().masked_fill_(~self._real, -torch.inf)
        self._forbidden = pair.forbidden() if sources.is_whole and targets.is_whole else None
        self.potential = torch.zeros_like(self._b)

    @property
    def n_blocks(self) -> int:
        """Number of blocks in which rows are coupled."""
        return len(self._b)

    def __call__(self, X: Array, h: AffineMap, reg: float) -> Plan:
        """The plan between the rows `X`, mapped by `h`, and the target."""
        mapped = (h if self._axes is None else h.onto(self._axes))(X)
        rows = self._blocks[0].split(torch.from_numpy(mapped).clamp(-MOST_SPREADS, MOST_SPREADS).float())
        a, b, g = self._a, self._b, self.potential
        # |z|^2 is the same along a row, so a row's softmax does without it.
        K = torch.baddbmm((g - self._squares)[:, None], rows, self._seen.mT, alpha=2.0).div_(reg)
        K += self._log_b[:, None]
        if self._forbidden is not None:
            K.masked_fill_(self._forbidden, -torch.inf)
        # Denormal numbers would slow the products down tenfold.
        K = torch.threshold_(torch.softmax(K, 2), 1e-20, 0.0)
        power = self.rho / (self.rho + reg)
        slack = torch.exp(-g * (1 - power) / reg)
        u = torch.ones_like(a)
        for _ in range(self.n_iter):
            v = (b / _times(a * u, K).clamp_min(SMALLEST_MASS)) ** power * slack
            u = 1 / _times(v, K.mT).clamp_min(SMALLEST_MASS)
        self.potential = torch.where(self._real, g + reg * v.clamp_min(SMALLEST_MASS).log(), 0.0)
        return Plan(self._blocks, K, u, v, rows, a, self._seen, self._Y, v * _times(a * u, K))


def _times(vectors: Tensor, K: Tensor) -> Tensor:
    """A vector times a matrix, in each block."""
    return torch.bmm(vectors[:, None], K)[:, 0]


def _single(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
