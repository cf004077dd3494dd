"""Entropic optimal transport without a matrix: the cost is made tile by tile, and let go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral

import torch
from torch import Tensor

from ..._sklearn import Interval
from .._ground_cost import GroundCost
from ._acceleration import HeavyBall
from ._base import TOLERANCE, BoundSolver, Solver, Task, TransportPlan
from ._entropic import CHECK_EVERY, EntropicSolver, exponential_

TILE_BYTES = {"cpu": 2**24, "cuda": 2**29}
"""Size of a tile: within a processor's caches, or enough to keep a GPU busy."""
FEWEST_ROWS = 64
"""Of a tile, however many columns it has: matrix products with fewer are slow."""
COARSE = 2048
"""Points of each side from which the first potentials come."""


class Tiled(Solver):
    """Sinkhorn's algorithm on tiles of the cost, in memory that grows with the number of samples, not its square.

    Parameters
    ----------
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    max_iter : int, default=2000
        Sweeps of one solve.
    tile_bytes : int or None, default=None
        Size of a tile; None is 16 MiB on a processor, 512 MiB on a GPU.
    """

    name = "tiled"
    _parameter_constraints = {
        "tol": TOLERANCE,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tile_bytes": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, tol: float | None = None, max_iter: int = 2000, tile_bytes: int | None = None) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.tile_bytes = tile_bytes

    def bind(self, task: Task) -> BoundSolver:
        return TiledSolver(task, tol=self._tol(task), max_iter=self.max_iter, tile_bytes=self.tile_bytes)


class TiledSolver:
    """Algorithm of :class:`Tiled`, for a sequence of similar costs.

    One sweep over the tiles is one iteration: a tile of whole rows gives the potential f of its rows, which makes it a
    tile of the plan, which adds to the column sums and, in the last sweep, to ``plan @ x_target`` and the class masses.
    Whether a sweep will be the last is guessed from the solve before. Memory is O((n + m) d) and a tile.

    The potential g survives from solve to solve. The first one comes from a random part of the points, solved densely,
    and the softmin that extends it to all.

    Parameters
    ----------
    task : Task
        What to solve.
    tol, max_iter, tile_bytes
        See :class:`Tiled`.
    """

    holds_plan = False

    def __init__(self, task: Task, *, tol: float, max_iter: int = 2000, tile_bytes: int | None = None) -> None:
        self.a, self.b, self.eps, self.tol, self.max_iter = task.source.a, task.target.a, task.reg, tol, max_iter
        self.symmetric, self.tile_bytes = task.symmetric, tile_bytes
        self.f = torch.zeros_like(self.a)
        self.g: Tensor | None = None
        self._log_b, self._of_class = self.b.log(), task.target.one_hot()
        self._rows, self._last_guess = range(len(self.a)), 1
        self._workspace, self._momentum = task.workspace, HeavyBall()
        self._least = math.log(torch.finfo(self.a.dtype).tiny)

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the ground cost, by sweeps over its tiles."""
        if self.g is None:
            self.g = self._first_potential(cost)
        image, n_iter, last, mass = torch.empty_like(cost.features.x), 0, False, None
        self._momentum = HeavyBall()
        while True:
            n_iter += 1
            last = last or n_iter >= min(self._last_guess, self.max_iter)
            column, mass = self._sweep(cost, image if last else None)
            error = (column - self.b).abs().sum().item()
            if last and (error <= self.tol or n_iter >= self.max_iter or not math.isfinite(error)):
                break
            last = error <= self.tol
            if n_iter % CHECK_EVERY == 0:
                self._momentum.look(n_iter, error)
            self._improve(cost, column)
        self._last_guess = n_iter
        value = self.a @ self.f + self.b @ self.g
        if not math.isfinite(error):
            self.g = None  # of no use to the next solve
        return TransportPlan(None, value, error, error <= self.tol, n_iter, image, mass)

    def potentials(self, cost: GroundCost) -> tuple[Tensor, Tensor]:
        """The first potentials f and g, for another solver to start from."""
        self.g = self._first_potential(cost)
        self._sweep(cost)
        return self.f, self.g

    def _improve(self, cost: GroundCost, column: Tensor) -> None:
        """A better potential g, given the column sums of the plan that the present one makes."""
        assert self.g is not None
        if self.symmetric:
            self.g = (self.f + self.g) / 2
        else:
            growth = self._momentum(self.b / column.clamp(min=torch.finfo(column.dtype).tiny))
            self.g = self.g + self.eps * growth.log()

    def _first_potential(self, cost: GroundCost) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        rows, cols = (_some(len(w), COARSE, generator).to(w.device) for w in (self.a, self.b))
        part = cost.part(rows, cols, self._workspace.matrix(len(rows), len(cols), self.a))
        coarse = EntropicSolver(part.source.a, part.target.a, self.eps, tol=max(self.tol, 1e-3))
        coarse.solve(part)
        back = TiledSolver(Task(cost.target, part.source, self.eps, workspace=self._workspace), tol=self.tol)
        back.g = coarse.f
        back._sweep(cost.of_rows(rows).transposed())
        return back.f

    def _sweep(self, cost: GroundCost, image: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Set f by g; the column sums of the plan that they make, and its image and class masses if asked for."""
        assert self.g is not None
        potential, column = self.g + self.eps * self._log_b, torch.zeros_like(self.b)
        by_class = self._of_class.new_zeros(cost.source.n_classes, self._of_class.shape[1])
        for rows, tile in self._tiles():
            cost.scores(rows, potential, self.eps, tile)
            top = tile.amax(1)
            total = exponential_(tile.sub_(top[:, None]), self._least).sum(1)
            self.f[rows] = -self.eps * (total.log() + top)
            scale = self.a[rows] / total
            column.addmv_(tile.T, scale)
            if image is not None:
                torch.mm(tile, cost.features.x_target, out=image[rows])
                image[rows] *= scale[:, None]
                by_class.index_add_(0, cost.source.y[rows], scale[:, None] * (tile @ self._of_class))
        self.f += cost.features.square
        return column, None if image is None else by_class

    def _tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of the rows, and room for their scores, which is used again."""
        rows, m = self._rows, len(self.b)
        n_bytes = self.tile_bytes or TILE_BYTES.get(self.a.device.type, TILE_BYTES["cpu"])
        height = min(len(rows), max(n_bytes // (m * self.a.element_size()), FEWEST_ROWS))
        room = self._workspace.matrix(height, m, self.a)
        for start in rows[::height] if height else ():
            tile = slice(start, min(start + height, rows.stop))
            yield tile, room[: tile.stop - tile.start]


def _some(n: int, size: int, generator: torch.Generator) -> Tensor:
    """At most `size` of n indices, in ascending order."""
    return torch.randperm(n, generator=generator)[:size].sort().values
