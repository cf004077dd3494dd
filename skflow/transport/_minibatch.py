"""Mini-batch optimal transport: batches of the source to batches of the target (Fatras et al., 2020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ._entropic import EntropicSolver
from ._ground_cost import GroundCost
from ._memory import Workspace
from ._plan import TransportPlan
from ._points import LabelledPoints


class MiniBatchSolver:
    """Splits both sides at random into stratified batches and solves from batch to batch.

    Every solve draws new batches. Each point of the source is in one of them, so that the image of all points costs
    O(n batch_size d); all batches of the target take their turns. A batch faces fewer points than there are, so its
    plan is blurred as by more regularisation: the mean of many draws is a plan, but not the optimal one.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    solver : callable (a, b) -> EntropicSolver
        Makes the solver of a batch, which starts from the potentials that its points had last.
    batch_size : int
        Points of each side in a batch.
    workspace : Workspace or None
        Room for the matrix of a batch; None: its own.
    """

    needs_matrix = False

    def __init__(
        self,
        source: LabelledPoints,
        target: LabelledPoints,
        solver: Callable[[Tensor, Tensor], EntropicSolver],
        batch_size: int,
        workspace: Workspace | None = None,
    ) -> None:
        self.solver, self.batch_size = solver, batch_size
        self._f, self._g = torch.full_like(source.a, torch.nan), torch.full_like(target.a, torch.nan)
        self._generator = torch.Generator().manual_seed(0)
        self._workspace = workspace or Workspace()

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the batches of one draw; value and marginal error are means over them."""
        x_target, source, target = cost.features.x_target, cost.source, cost.target
        image, value, error, converged, n_iter = torch.empty_like(cost.features.x), 0.0, 0.0, True, 0
        by_class = x_target.new_zeros(source.n_classes, target.n_classes)
        target_batches = self._draw(target)
        for i, rows in enumerate(self._draw(source)):
            cols = target_batches[i % len(target_batches)]
            part = cost.part(rows, cols, self._workspace.matrix(len(rows), len(cols), x_target))
            solved = self._solve(part, rows, cols)
            # Classes that are not in the batch leave their mass to the others there, but not in the whole.
            plan = solved.plan.mul_((source.a[rows] / part.source.a)[:, None])
            image[rows] = plan @ part.features.x_target
            to_class = plan.new_zeros(len(rows), target.n_classes).index_add_(1, target.y[cols], plan)
            by_class.index_add_(0, source.y[rows], to_class)
            mass = source.a[rows].sum()
            value, error = value + mass * solved.value, error + mass * solved.marginal_error
            converged, n_iter = converged and solved.converged, max(n_iter, solved.n_iter)
        return TransportPlan(None, value, error.item(), converged, n_iter, image, by_class)

    def _solve(self, part: GroundCost, rows: Tensor, cols: Tensor) -> TransportPlan:
        solver = self.solver(part.source.a, part.target.a)
        f, g = self._f[rows], self._g[cols]
        if g.isfinite().all():
            solver.f, solver.g = f.nan_to_num(), g
        solved = solver.solve(part.matrix)
        self._f[rows], self._g[cols] = solver.f, solver.g
        return solved

    def _draw(self, points: LabelledPoints) -> list[Tensor]:
        """Disjoint batches of all points, with the same share of every class, in ascending order."""
        n_batches = max(1, round(len(points.a) / self.batch_size))
        batch_of = torch.empty(len(points.a), dtype=torch.int64)
        for rows in points.slices:
            size, first = rows.stop - rows.start, torch.rand((), generator=self._generator).item()
            # Small classes, which are not in every batch, start anywhere.
            place = torch.randperm(size, generator=self._generator) / size + first
            batch_of[rows] = (place * n_batches).long() % n_batches
        return [batch.nonzero()[:, 0].to(points.a.device) for batch in torch.nn.functional.one_hot(batch_of).T.bool()]
