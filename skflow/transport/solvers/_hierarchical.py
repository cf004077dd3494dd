"""Plans in nearly linear time and memory: both sides are halved until blocks are small, then solved block by block."""

from __future__ import annotations

import math
from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor

from ..._sklearn import Interval
from .._ground_cost import GroundCost
from .._memory import Workspace
from .._padding import BLOCK_BATCH, padded
from ._base import TOLERANCE, BoundSolver, Solver, Task, TransportPlan
from ._block_cost import BlockCost
from ._entropic import EntropicSolver
from ._halving import Block, matched_blocks
from ._regrouping import RegroupingSolver

LOOK_AGAIN = 16
"""Solve after which blocks are made anew for the first time."""


class Hierarchical(Solver):
    """Matched halves of both sides, halved again until they are small, and plans within these blocks.

    Time grows as ``(n + m) log(n + m)``, memory as ``(n + m) d``. The plan is one of all points, with their weights,
    and nearly optimal. With regularisation it stays within the blocks, and is blurred there, which is less than over
    all points. Without, blocks are drawn anew at every solve, and the plan gets better each time.

    Parameters
    ----------
    block_size : int, default=512
        A block has no more than ``block_size ** 2`` pairs of points. Larger blocks are nearer to the optimum, and take
        longer in proportion.
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    max_iter : int, default=2000
        Iterations of Sinkhorn's algorithm in a block.
    """

    name = "hierarchical"
    needs_reg = False
    approximate = True
    _parameter_constraints = {
        "block_size": [Interval(Integral, 1, None, closed="left")],
        "tol": TOLERANCE,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, block_size: int = 512, tol: float | None = None, max_iter: int = 2000) -> None:
        self.block_size = block_size
        self.tol = tol
        self.max_iter = max_iter

    def bind(self, task: Task) -> BoundSolver:
        if task.reg == 0:
            return RegroupingSolver(task, size=self.block_size)
        return HierarchicalSolver(task, block_size=self.block_size, tol=self._tol(task), max_iter=self.max_iter)


class HierarchicalSolver:
    """Algorithm of :class:`Hierarchical`, for a sequence of similar costs.

    Blocks stay from solve to solve, and so do the potentials within them: points that follow their plan keep it. At the
    16th, 64th, 256th, ... solve blocks are made anew for the points where they are then, and taken where their plan is
    better.

    Parameters
    ----------
    task : Task
        What to solve.
    block_size, tol, max_iter
        See :class:`Hierarchical`.
    """

    holds_plan = False

    def __init__(self, task: Task, *, block_size: int, tol: float, max_iter: int) -> None:
        self.block_size, self.tol = block_size, tol
        self._task, self._max_iter = task, max_iter
        self._groups: list[BlockGroup] | None = None
        self._generator, self._n_solves, self._look_again = torch.Generator().manual_seed(0), 0, 0

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the ground cost, block by block."""
        self._n_solves += 1
        kept = None if self._groups is None else self._solve(self._groups, cost)
        if kept is not None and math.isfinite(kept.value) and self._n_solves != self._look_again:
            return kept
        self._look_again = max(LOOK_AGAIN, 4 * self._n_solves)
        groups = self._make_groups(cost)
        fresh = self._solve(groups, cost)
        if kept is not None and not fresh.value < kept.value:
            return kept
        self._groups = groups if math.isfinite(fresh.value) else None
        return fresh

    def _make_groups(self, cost: GroundCost) -> list[BlockGroup]:
        blocks = matched_blocks(cost, self.block_size, self._generator)
        blocks.sort(key=lambda block: (len(block.rows), len(block.cols)))  # alike ones together: little padding
        room = BLOCK_BATCH.get(self._task.device.type, BLOCK_BATCH["cpu"])
        together = max(1, room // self.block_size**2)
        return [
            BlockGroup(blocks[start : start + together], self._task, tol=self.tol, max_iter=self._max_iter)
            for start in range(0, len(blocks), together)
        ]

    def _solve(self, groups: list[BlockGroup], cost: GroundCost) -> TransportPlan:
        image = torch.empty_like(cost.features.x)
        by_class = image.new_zeros(cost.source.n_classes, cost.target.n_classes)
        value, error, converged, n_iter = 0.0, 0.0, True, 0
        for group in groups:
            solved = group.solve(cost, image, by_class)
            value, error = value + solved.value.item(), error + solved.marginal_error
            converged, n_iter = converged and solved.converged, max(n_iter, solved.n_iter)
        return TransportPlan(None, image.new_tensor(value), error, converged, n_iter, image, by_class)


class BlockGroup:
    """Some blocks that are solved together, and their potentials.

    Parameters
    ----------
    blocks : list of Block
        Of about the same shape.
    task : Task
        The whole problem.
    tol, max_iter : float, int
        See :class:`Hierarchical`.
    """

    def __init__(self, blocks: list[Block], task: Task, *, tol: float, max_iter: int) -> None:
        self._workspace: Workspace = task.workspace
        self._rows, self._present, a = _padded([block.rows for block in blocks], [block.a for block in blocks])
        self._cols, _, b = _padded([block.cols for block in blocks], [block.b for block in blocks])
        mass = a.sum(1)
        self._mass = mass.to(task.source.a)
        # The plan differs from the product of the whole weights by that of the block's, and these by the block's mass.
        self._entropy = -task.reg * float((mass * mass.log()).sum())
        a, b = ((weight / weight.sum(1, keepdim=True)).to(task.source.a) for weight in (a, b))
        self._solver = EntropicSolver(a, b, task.reg, tol=tol, max_iter=max_iter, symmetric=task.symmetric)

    def solve(self, cost: GroundCost, image: Tensor, by_class: Tensor) -> TransportPlan:
        """Solve, set the image of the blocks' rows, add to the class masses; value and error are by mass."""
        matrices = BlockCost(cost, self._rows, self._cols, self._workspace)
        solved = self._solver.solve(matrices)
        assert solved.plan is not None
        matrices.carry(solved.plan.mul_(self._mass[:, None, None]), self._present, image, by_class)
        value = self._mass @ solved.value + self._entropy
        error = float(self._mass.sum()) * solved.marginal_error
        return TransportPlan(None, value, error, solved.converged, solved.n_iter)


def _padded(indices: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Points of each block, (B, longest), which of them are no padding, and their weights, zero where they are."""
    ends = torch.tensor([0, *(len(index) for index in indices)]).cumsum(0).tolist()
    place, present = padded([slice(*pair) for pair in pairwise(ends)], indices[0].device)
    place = place.clamp(max=ends[-1] - 1)
    return torch.cat(indices)[place], present, torch.cat(weights)[place] * present
