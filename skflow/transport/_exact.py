"""Exact optimal transport (reg = 0), by POT's network simplex."""

from __future__ import annotations

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
