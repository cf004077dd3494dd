"""The plan as a matrix."""

from __future__ import annotations

from numbers import Integral

from ..._sklearn import Interval
from ._base import TOLERANCE, BoundSolver, Solver, Task
from ._block_diagonal import BlockDiagonalSolver
from ._entropic import EntropicSolver
from ._tiled import COARSE, TiledSolver


class Dense(Solver):
    """Sinkhorn's algorithm on the whole cost matrix; matched classes as blocks of a padded batch.

    Parameters
    ----------
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    max_iter : int, default=2000
        Iterations of one solve.
    """

    name = "dense"
    holds_plan = True
    n_matrices = 1.3
    matched = True
    _parameter_constraints = {"tol": TOLERANCE, "max_iter": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, tol: float | None = None, max_iter: int = 2000) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def bind(self, task: Task) -> BoundSolver:
        tol = self._tol(task)
        if task.matched and task.source.n_classes > 1:
            return BlockDiagonalSolver(task, tol=tol, max_iter=self.max_iter)
        # eps-scaling on all points of a large problem takes its time: its first potentials come from a part of them.
        first = TiledSolver(task, tol=tol).potentials if min(task.shape) > COARSE else None
        return EntropicSolver(
            task.source.a, task.target.a, task.reg, tol=tol, max_iter=self.max_iter, symmetric=task.symmetric,
            first=first,
        )  # fmt: skip
