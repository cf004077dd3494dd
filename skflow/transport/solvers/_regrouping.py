"""Exact plans of many points, improved group by group, with groups that change."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .._ground_cost import GroundCost
from ._base import Task, TransportPlan
from ._block_cost import BlockCost, PreciseBlockCost
from ._exact import NetworkSimplex
from ._halving import Block, matched_blocks

DRAWN_WITH = 512
"""Points that a direction of a cut is drawn with."""
WORTH = 2e-3
"""Share of the value that a further sweep of the first solve must have gained."""
MOST_SWEEPS = 10
"""Of the first solve."""
NOTHING = 1e-9
"""Mass, in mean weights of a source point, that is a rounding error."""


class RegroupingSolver:
    """Algorithm of :class:`Hierarchical` without regularisation, for a sequence of similar costs.

    The first plan is exact within matched blocks. A sweep then puts points into groups with others that are near and
    go near where they go; each group is solved anew, with what it has of every target point. What a group can save is
    saved, and no sweep makes a plan worse. Groups are cut along directions drawn at random, among those in which points
    spread most, so that neighbours whom one sweep parts are together in another. The first solve makes sweeps until
    they gain little, the others one each. The plan is sparse, with one to two entries for each point of either side.

    Parameters
    ----------
    task : Task
        What to solve, without regularisation.
    size : int
        A group has about ``size ** 2`` pairs.
    """

    holds_plan = False

    def __init__(self, task: Task, *, size: int) -> None:
        self._task, self._size = task, size
        self._generator = torch.Generator().manual_seed(0)
        self._plan: sparse.csr_array | None = None
        self._image: Tensor | None = None

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the ground cost, by one sweep after the first solve."""
        if self._plan is None:
            solved = self._solve(matched_blocks(cost, self._size, self._generator), cost)
            for _ in range(MOST_SWEEPS):
                before, solved = solved, self._solve(self._groups(cost), cost)
                if not before.value - solved.value > WORTH * before.value:
                    break
        else:
            solved = self._solve(self._groups(cost), cost)
        if not solved.value.isfinite():
            self._plan = None
        return solved

    def _groups(self, cost: GroundCost) -> list[Block]:
        """Source points that are near, and go near each other, with the target points that they go to."""
        n, m = self._task.shape
        assert self._plan is not None
        a, blocks = self._task.source.a.double(), []
        waiting = [torch.arange(n, device=a.device)]
        while waiting:
            rows = waiting.pop()
            if len(rows) > 1 and len(rows) ** 2 * max(1.0, m / n) > self._size**2:
                waiting += self._halves(rows, cost)
                continue
            part = self._plan[rows.cpu().numpy()]
            cols, place = np.unique(part.indices, return_inverse=True)
            b = np.bincount(place, part.data)
            blocks.append(Block(rows, torch.as_tensor(cols).to(rows), a[rows], torch.as_tensor(b).to(a)))
        return blocks

    def _halves(self, rows: Tensor, cost: GroundCost) -> tuple[Tensor, Tensor]:
        """Two halves of some source points, by where they are and where they go."""
        some = rows[torch.randint(len(rows), (min(len(rows), DRAWN_WITH),), generator=self._generator).to(rows.device)]
        spread = self._ends(some, cost)
        spread = spread - spread.mean(0)
        drawn = torch.randn(len(some), generator=self._generator).to(spread)
        direction = spread.T @ drawn  # the more likely, the more points spread along it
        scores = torch.cat([self._ends(part, cost) @ direction for part in rows.split(2**14)])
        rows = rows[scores.argsort()]
        return rows[: len(rows) // 2], rows[len(rows) // 2 :]

    def _ends(self, rows: Tensor, cost: GroundCost) -> Tensor:
        """Sums of where some source points are and where they go, without what all have in common."""
        assert self._image is not None
        return cost.features.rows(rows) + self._image[rows] / self._task.source.a[rows, None]

    def _solve(self, blocks: list[Block], cost: GroundCost) -> TransportPlan:
        """Exact plans within the blocks."""
        image = torch.empty_like(cost.features.x)
        by_class = image.new_zeros(cost.source.n_classes, cost.target.n_classes)
        solved = TransportPlan(None, image.new_zeros((), dtype=torch.float64), 0.0, True, 1, image, by_class)
        least, entries = NOTHING * float(self._task.source.a.mean()), []
        for block in blocks:
            matrices = BlockCost(cost, block.rows[None], block.cols[None], self._task.workspace)
            mass = float(block.a.sum())
            part = NetworkSimplex(block.a / mass, block.b / block.b.sum()).solve(PreciseBlockCost(matrices))
            assert part.plan is not None
            plan = mass * part.plan
            matrices.carry(plan[None].to(image), torch.ones_like(block.rows[None], dtype=torch.bool), image, by_class)
            i, j = torch.nonzero(plan > least, as_tuple=True)
            entries.append([values.cpu().numpy() for values in (block.rows[i], block.cols[j], plan[i, j])])
            solved.value += mass * part.value
            solved.marginal_error += mass * part.marginal_error
            solved.converged = solved.converged and part.converged
        rows, cols, masses = map(np.concatenate, zip(*entries, strict=True))
        self._plan = sparse.csr_array((masses, (rows, cols)), shape=self._task.shape)
        self._image = image.clone()  # who receives it may overwrite it
        solved.value = solved.value.to(image)
        return solved
