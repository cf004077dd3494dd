"""Solvers that hold the whole plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from . import _tiled
from ._entropic import EntropicSolver
from ._ground_cost import GroundCost
from ._plan import TransportPlan
from ._points import LabelledPoints


class MatrixSolver(Protocol):
    """Solves for a cost matrix, which it may overwrite and ask for again."""

    def solve(self, cost: Callable[[], Tensor]) -> TransportPlan: ...


class DenseSolver:
    """The plan as a matrix, by a solver for matrices.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    solver : callable (a, b) -> MatrixSolver
        Makes the solver from the two weight vectors.
    """

    needs_matrix = True

    def __init__(
        self, source: LabelledPoints, target: LabelledPoints, solver: Callable[[Tensor, Tensor], MatrixSolver]
    ) -> None:
        self.solver = solver(source.a, target.a)
        self._of_class = target.one_hot()

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve on the whole matrix of the cost."""
        self._start(cost)
        solved = self.solver.solve(cost.matrix)
        solved.class_mass = cost.source.class_sums(solved.plan @ self._of_class)
        return solved

    def _start(self, cost: GroundCost) -> None:
        """Give an entropic solver first potentials: eps-scaling on all points of a large problem takes its time."""
        cold = isinstance(self.solver, EntropicSolver) and self.solver.f is None
        if cold and min(len(cost.source.a), len(cost.target.a)) > _tiled.COARSE:
            tiles = _tiled.TiledSolver(cost.source, cost.target, self.solver.eps)
            self.solver.f, self.solver.g = tiles.potentials(cost)
