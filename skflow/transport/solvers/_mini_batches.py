"""Mini-batch optimal transport: batches of the source to batches of the target (Fatras et al., 2020)."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from ..._sklearn import Interval
from .._ground_cost import GroundCost
from .._points import LabelledPoints
from ._base import TOLERANCE, BoundSolver, Solver, Task, TransportPlan
from ._dense import Dense
from ._entropic import EntropicSolver


class MiniBatches(Solver):
    """Plans from batches to batches, drawn anew for every solve.

    Parameters
    ----------
    batch_size : int, default=256
        Points of each side in a batch.
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    """

    name = "mini-batches"
    _parameter_constraints = {"batch_size": [Interval(Integral, 1, None, closed="left")], "tol": TOLERANCE}

    def __init__(self, batch_size: int = 256, tol: float | None = None) -> None:
        self.batch_size = batch_size
        self.tol = tol

    def bind(self, task: Task) -> BoundSolver:
        size = max(1, round(task.share * self.batch_size))
        if size >= max(task.shape):
            return Dense(tol=self.tol).bind(task)
        return MiniBatchSolver(task, batch_size=size, tol=self._tol(task))


class MiniBatchSolver:
    """Algorithm of :class:`MiniBatches`: splits both sides at random into stratified batches.

    Every solve draws new batches. Each point of the source is in one of them, so that the image of all points costs
    O(n batch_size d); all batches of the target take their turns. A batch faces fewer points than there are, so its
    plan is blurred as by more regularisation: the mean of many draws is a plan, but not the optimal one. A batch starts
    from the potentials that its points had last.

    Parameters
    ----------
    task : Task
        What to solve.
    batch_size : int
        Points of each side in a batch.
    tol : float
        Accepted marginal error of a batch.
    """

    holds_plan = False

    def __init__(self, task: Task, *, batch_size: int, tol: float) -> None:
        self.batch_size, self.eps, self.tol = batch_size, task.reg, tol
        self._f, self._g = (torch.full_like(side.a, torch.nan) for side in (task.source, task.target))
        self._generator = torch.Generator().manual_seed(0)
        self._workspace = task.workspace

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the batches of one draw; value and marginal error are means over them."""
        x_target, source, target = cost.features.x_target, cost.source, cost.target
        image, value, error, converged, n_iter = torch.empty_like(cost.features.x), x_target.new_zeros(()), 0.0, True, 0
        by_class = x_target.new_zeros(source.n_classes, target.n_classes)
        target_batches = self._draw(target)
        for i, rows in enumerate(self._draw(source)):
            cols = target_batches[i % len(target_batches)]
            part = cost.part(rows, cols, self._workspace.matrix(len(rows), len(cols), x_target))
            solved = self._solve(part, rows, cols)
            assert solved.plan is not None
            # Classes that are not in the batch leave their mass to the others there, but not in the whole.
            plan = solved.plan.mul_((source.a[rows] / part.source.a)[:, None])
            image[rows] = plan @ part.features.x_target
            to_class = plan.new_zeros(len(rows), target.n_classes).index_add_(1, target.y[cols], plan)
            by_class.index_add_(0, source.y[rows], to_class)
            mass = source.a[rows].sum()
            value, error = value + mass * solved.value, error + mass.item() * solved.marginal_error
            converged, n_iter = converged and solved.converged, max(n_iter, solved.n_iter)
        return TransportPlan(None, value, error, converged, n_iter, image, by_class)

    def _solve(self, part: GroundCost, rows: Tensor, cols: Tensor) -> TransportPlan:
        solver = EntropicSolver(part.source.a, part.target.a, self.eps, tol=self.tol)
        f, g = self._f[rows], self._g[cols]
        if g.isfinite().all():
            solver.f, solver.g = f.nan_to_num(), g
        solved = solver.solve(part)
        assert solver.f is not None
        assert solver.g is not None
        self._f[rows], self._g[cols] = solver.f, solver.g
        return solved

    def _draw(self, points: LabelledPoints) -> list[Tensor]:
        """Disjoint batches of all points, with the same share of every class, in ascending order; none is empty.

        The points of a class, in any order, are dealt out one to a batch in turn, and so on with the next class, of
        which any may be the next: a class with fewer points than there are batches is in any of them.
        """
        n = len(points.a)
        n_batches = max(1, round(n / self.batch_size))
        dealt = torch.cat(
            [
                points.slices[k].start + torch.randperm(points.slices[k].stop - points.slices[k].start,
                                                        generator=self._generator)
                for k in torch.randperm(points.n_classes, generator=self._generator).tolist()
            ]
        )  # fmt: skip
        return [dealt[i::n_batches].sort().values.to(points.a.device) for i in range(n_batches)]
