"""Block-diagonal plans: each class of the source goes to one class of the target, all of them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .._ground_cost import GroundCost, distances_from_inner
from .._padding import padded
from ._base import Task, TransportPlan
from ._entropic import EntropicSolver


class BlockDiagonalSolver(EntropicSolver):
    """Algorithm for the blocks of a hard correspondence in one padded batch: class k goes to class k.

    Parameters
    ----------
    task : Task
        Its sides have the same number of classes, and the same mass in each.
    tol, max_iter : float, int
        See :class:`EntropicSolver`.
    """

    holds_plan = False

    def __init__(self, task: Task, *, tol: float, max_iter: int) -> None:
        source, target = task.source, task.target
        self._rows, self._present = padded(source.slices, source.a.device)
        self._cols, present_target = padded(target.slices, target.a.device)
        a, b = source.within[self._rows] * self._present, target.within[self._cols] * present_target
        super().__init__(a, b, task.reg, tol=tol, max_iter=max_iter, symmetric=task.symmetric)
        self._workspace = task.workspace
        self._last_target: Tensor | None = None
        self._x_target = self._square_target = task.target.a

    def _matrix(self, cost: GroundCost) -> Tensor:  # type: ignore[override]  # which has features, not a matrix alone
        f = cost.features
        if self._last_target is not f.x_target:
            self._last_target = f.x_target
            self._x_target, self._square_target = f.x_target[self._cols], f.square_target[self._cols]
        x = f.rows(self._rows)
        shape = *x.shape[:2], self._x_target.shape[1]
        room = self._workspace.matrix(shape[0] * shape[1], shape[2], x).view(shape)
        torch.bmm(x, self._x_target.mT, out=room)
        return distances_from_inner(room, f.square[self._rows][..., None], self._square_target[:, None])

    def _solved(self, cost: GroundCost, solved: TransportPlan) -> TransportPlan:  # type: ignore[override]
        """The label part, the same for all pairs of a block, joins the value alone."""
        assert solved.plan is not None
        mass = cost.source.mass
        image = torch.bmm(solved.plan.mul_(mass[:, None, None]), self._x_target)
        solved.value = mass @ (solved.value + cost.labels.diagonal())
        solved.image, solved.plan, solved.class_mass = image[self._present], None, mass.diag()
        return solved
