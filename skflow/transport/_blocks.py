"""Block-diagonal plans: each class of the source goes to one class of the target, all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ._entropic import EntropicSolver
from ._ground_cost import GroundCost, distances_from_inner
from ._memory import Workspace
from ._plan import TransportPlan
from ._points import LabelledPoints

PADDING = 1.5
"""Size of a padded batch over that of its blocks up to which they are solved together."""
BATCH = {"cpu": 2**20, "cuda": 2**28}
"""Numbers in a batch: a processor gains from fewer calls alone, a GPU from every block that it need not wait for."""


class BlockSolver:
    """Solves for the blocks of a hard correspondence in one padded batch: class k goes to class k.

    Parameters
    ----------
    source, target : LabelledPoints
        With the same number of classes, and the same mass in each.
    solver : callable (a, b) -> EntropicSolver
        Makes the solver of a batch of problems.
    workspace : Workspace or None
        Room for the matrices; None: its own.
    """

    needs_matrix = False

    def __init__(
        self,
        source: LabelledPoints,
        target: LabelledPoints,
        solver: Callable[[Tensor, Tensor], EntropicSolver],
        workspace: Workspace | None = None,
    ) -> None:
        self._rows, self._present = padded(source.slices, source.a.device)
        self._cols, present_target = padded(target.slices, target.a.device)
        self.solver = solver(source.within[self._rows] * self._present, target.within[self._cols] * present_target)
        self._workspace, self._target = workspace or Workspace(), (None, None, None)

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve all blocks; the label part, the same for all pairs of a block, joins the value alone."""
        f, mass = cost.features, cost.source.mass
        if self._target[0] is not f.x_target:
            self._target = f.x_target, f.x_target[self._cols], f.square_target[self._cols]
        x, square, (_, x_target, square_target) = f.rows(self._rows), f.square[self._rows], self._target
        room = self._workspace.matrix(x.shape[0] * x.shape[1], x_target.shape[1], x)
        room = room.view(*x.shape[:2], x_target.shape[1])

        def matrices() -> Tensor:
            torch.bmm(x, x_target.mT, out=room)
            return distances_from_inner(room, square[..., None], square_target[:, None])

        solved = self.solver.solve(matrices)
        image = solved.plan.mul_(mass[:, None, None]) @ x_target
        solved.value = mass @ (solved.value + cost.labels.diagonal())
        solved.image, solved.plan, solved.class_mass = image[self._present], None, mass.diag()
        return solved


def batches(sizes: list[tuple[int, int]], n_features: int, device: torch.device, most: float = math.inf) -> list[range]:
    """Runs of consecutive blocks (n_k, m_k) that are alike enough, and small enough, to be one batch.

    To put the features of a batch together costs a copy of them, which must be little beside the blocks themselves.
    A batch has no more than `most` numbers.
    """
    runs, most = [], min(most, BATCH.get(device.type, BATCH["cpu"]))
    if device.type == "cpu" and n_features * len(sizes) > sum(m for _, m in sizes):
        most = 0
    for k in range(len(sizes)):
        if runs:
            run = sizes[runs[-1].start : k + 1]
            padded = len(run) * max(n for n, _ in run) * max(m for _, m in run)
            if padded <= min(most, PADDING * sum(n * m for n, m in run)):
                runs[-1] = range(runs[-1].start, k + 1)
                continue
        runs.append(range(k, k + 1))
    return runs


def padded(slices: list[slice], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of each slice, (n_slices, longest), padded with any; and which are not padding."""
    starts, sizes = torch.tensor([(s.start, s.stop - s.start) for s in slices], device=device).T[..., None]
    place = torch.arange(max(s.stop - s.start for s in slices), device=device)
    present = place < sizes
    return starts + place * present, present
