"""What every transport solver returns."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class TransportPlan:
    """A solved optimal transport problem (eq. 1, or its entropic form).

    Parameters
    ----------
    plan : Tensor of shape (n, m)
        The coupling; its row sums are exactly the source weights (to rounding). It lives in a buffer of the solver
        and is overwritten by the next solve.
    value : Tensor of shape ()
        The optimal value: ``<plan, C> + eps KL(plan | a x b)`` with entropy, ``<plan, C>`` without.
    marginal_error : float
        Measured L1 distance between a marginal of the plan and its prescribed weights, as a fraction of the mass.
    converged : bool
        Whether `marginal_error` is within the solver's tolerance.
    n_iter : int
        Iterations that it took.
    """

    plan: Tensor
    value: Tensor
    marginal_error: float
    converged: bool
    n_iter: int
