"""Transport plans to full precision, by POT."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ._plan import TransportPlan


class ExactSolver:
    """Exact plans for a sequence of similar costs (eq. 1), warm-started by the last dual potentials.

    Parameters
    ----------
    a, b : Tensor of shape (n,), (m,)
        Positive weights, each summing to one.
    max_iter : int
        Limit on the iterations of the network simplex.
    """

    def __init__(self, a: Tensor, b: Tensor, *, max_iter: int = 10_000_000) -> None:
        self.max_iter = max_iter
        self._a, self._b = (w.double().cpu().numpy() for w in (a, b))
        self._b = self._b * (self._a.sum() / self._b.sum())
        self._potentials: tuple[np.ndarray, np.ndarray] | None = None

    def solve(self, cost: Callable[[], Tensor]) -> TransportPlan:
        """Solve for the cost matrix (n, m) that `cost` returns."""
        import ot

        cost = cost()
        plan, log = ot.emd(
            self._a,
            self._b,
            np.ascontiguousarray(cost.double().cpu().numpy()),
            numItermax=self.max_iter,
            log=True,
            potentials_init=self._potentials,
        )
        self._potentials = (log["u"], log["v"])
        error = float(np.abs(plan.sum(0) - self._b).sum())
        return TransportPlan(
            torch.as_tensor(plan, dtype=cost.dtype, device=cost.device),
            torch.as_tensor(log["cost"], dtype=cost.dtype, device=cost.device),
            error,
            log["warning"] is None,
            1,
        )


class LogDomainSolver:
    """Entropic plans by POT's Sinkhorn in the log domain and in float64, each to full precision: slow, and sure.

    Parameters
    ----------
    a, b : Tensor of shape (n,), (m,)
        Positive weights, each summing to one.
    eps : float
        Regularisation, in units of the cost.
    tol : float
        Accepted marginal error (L2, POT's own measure).
    max_iter : int
        Limit on the iterations.
    """

    def __init__(self, a: Tensor, b: Tensor, eps: float, *, tol: float = 1e-9, max_iter: int = 100_000) -> None:
        self.eps, self.tol, self.max_iter = eps, tol, max_iter
        self._a, self._b = a.double(), b.double()
        self._b = self._b * (self._a.sum() / self._b.sum())
        self._potentials: tuple[Tensor, Tensor] | None = None

    def solve(self, cost: Callable[[], Tensor]) -> TransportPlan:
        """Solve for the cost matrix (n, m) that `cost` returns."""
        import ot

        cost = cost()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is told here is told by `converged`
            plan, log = ot.bregman.sinkhorn_log(
                self._a,
                self._b,
                cost.double(),
                self.eps,
                numItermax=self.max_iter,
                stopThr=self.tol,
                log=True,
                warmstart=self._potentials,
            )
        self._potentials = log["log_u"], log["log_v"]
        plan = plan * (self._a / plan.sum(1))[:, None]
        error = (plan.sum(0) - self._b).abs().sum().item()
        entropy = torch.xlogy(plan, plan).sum() - torch.xlogy(self._a, self._a).sum()
        entropy = entropy - plan.sum(0) @ self._b.log()
        value = (plan * cost).sum() + self.eps * entropy
        return TransportPlan(
            plan.to(cost.dtype), value.to(cost.dtype), error, log["niter"] < self.max_iter, log["niter"]
        )
