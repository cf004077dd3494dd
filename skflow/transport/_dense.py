"""Solvers that hold the whole plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

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
        self._of_class = one_hot(target)

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve on the whole matrix of the cost."""
        solved = self.solver.solve(cost.matrix)
        solved.class_mass = cost.source.class_sums(solved.plan @ self._of_class)
        return solved


def one_hot(points: LabelledPoints) -> Tensor:
    """Indicators of the classes, (n, n_classes)."""
    return torch.nn.functional.one_hot(points.y, points.n_classes).to(points.a.dtype)
