"""Transport plans to full precision, in float64."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor

from ..._sklearn import Interval
from ._base import BoundSolver, Solver, Task, TransportPlan
from ._entropic import EntropicSolver, MatrixCost


class Exact(Solver):
    """The network simplex without regularisation, Sinkhorn's algorithm in float64 with it.

    Parameters
    ----------
    tol : float, default=1e-9
        Accepted marginal error (L1, relative to the mass) with regularisation.
    max_iter : int or None, default=None
        Limit on the iterations; None is ten million pivots without regularisation, 5000 iterations with it. A plan
        that is short of its tolerance then says by how much.
    """

    name = "exact"
    needs_reg = False
    holds_plan = True
    n_matrices = 6.0
    _parameter_constraints = {
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, tol: float = 1e-9, max_iter: int | None = None) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def bind(self, task: Task) -> BoundSolver:
        if task.reg == 0:
            return NetworkSimplex(task.source.a, task.target.a, max_iter=self.max_iter or 10_000_000)
        return PreciseEntropicSolver(task, tol=self.tol, max_iter=self.max_iter or 5000)


class NetworkSimplex:
    """Algorithm for exact plans (eq. 1), POT's, warm-started by the last dual potentials.

    POT's tolerances are absolute: costs are divided by the largest before they come to it, and potentials with them.

    Parameters
    ----------
    a, b : Tensor of shape (n,), (m,)
        Positive weights, each summing to one.
    max_iter : int
        Limit on the pivots.
    """

    holds_plan = True

    def __init__(self, a: Tensor, b: Tensor, *, max_iter: int = 10_000_000) -> None:
        self.max_iter = max_iter
        self._a, self._b = (w.double().cpu().numpy() for w in (a, b))
        self._b = self._b * (self._a.sum() / self._b.sum())
        self._potentials: tuple[np.ndarray, np.ndarray] | None = None
        self._scale = 1.0

    def solve(self, cost: MatrixCost) -> TransportPlan:
        """Solve for the matrix (n, m) of the cost."""
        import ot

        matrix = cost.matrix()
        costs = np.ascontiguousarray(matrix.double().cpu().numpy())
        scale = float(np.abs(costs).max())
        if not math.isfinite(scale):  # POT would not return
            nothing = matrix.new_full((), math.nan)
            return TransportPlan(torch.full_like(matrix, math.nan), nothing, math.nan, False, 0)
        scale = scale or 1.0
        if self._potentials is not None:
            u, v = self._potentials
            self._potentials = u * (self._scale / scale), v * (self._scale / scale)
        plan, log = ot.emd(
            self._a, self._b, costs / scale, numItermax=self.max_iter, log=True, potentials_init=self._potentials
        )
        self._potentials, self._scale = (log["u"], log["v"]), scale
        error = float(np.abs(plan.sum(0) - self._b).sum())
        plan = torch.as_tensor(plan, dtype=matrix.dtype, device=matrix.device)
        return TransportPlan(plan, plan.new_tensor(scale * log["cost"]), error, log["warning"] is None, 1)


class PreciseEntropicSolver(EntropicSolver):
    """Algorithm for entropic plans in float64, whatever the precision of the features."""

    def __init__(self, task: Task, *, tol: float, max_iter: int) -> None:
        a, b = task.source.a.double(), task.target.a.double()
        b = a if task.symmetric else b * (a.sum() / b.sum())
        super().__init__(a, b, task.reg, tol=tol, max_iter=max_iter, symmetric=task.symmetric)
        self._dtype = task.source.a.dtype

    def _matrix(self, cost: MatrixCost) -> Tensor:
        return cost.matrix().double()

    def _solved(self, cost: MatrixCost, solved: TransportPlan) -> TransportPlan:
        assert solved.plan is not None
        solved.plan, solved.value = solved.plan.to(self._dtype), solved.value.to(self._dtype)
        return solved
