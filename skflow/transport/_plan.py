"""What every transport solver returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ._ground_cost import GroundCost


@dataclass
class TransportPlan:
    """A solved optimal transport problem (eq. 1, or its entropic form).

    Parameters
    ----------
    plan : Tensor of shape (n, m) or None
        The coupling; its row sums are exactly the source weights (to rounding). It lives in a buffer of the solver
        and is overwritten by the next solve. None where the solver never holds it whole.
    value : Tensor of shape ()
        The optimal value: ``<plan, C> + eps KL(plan | a x b)`` with entropy, ``<plan, C>`` without.
    marginal_error : float
        Measured L1 distance between a marginal of the plan and its prescribed weights, as a fraction of the mass.
    converged : bool
        Whether `marginal_error` is within the solver's tolerance.
    n_iter : int
        Iterations that it took.
    image : Tensor of shape (n, d) or None
        ``plan @ x_target``, where the plan itself is not held; what has been added to it, where it is.
    class_mass : Tensor of shape (K, K') or None
        Mass that the plan moves between classes; a solver that sees a matrix alone does not know.
    """

    plan: Tensor | None
    value: Tensor
    marginal_error: float
    converged: bool
    n_iter: int
    image: Tensor | None = None
    class_mass: Tensor | None = None

    def image_like(self, x: Tensor) -> Tensor:
        """The image, to be added to; of zeros where there is none yet."""
        if self.image is None:
            self.image = torch.zeros_like(x)
        return self.image


class Solver(Protocol):
    """What a transport problem asks of a solver, warm-started from one solve to the next."""

    needs_matrix: bool
    """Whether the cost comes with room for a whole matrix."""

    def solve(self, cost: GroundCost) -> TransportPlan:
        """The plan, or its image, and the class masses."""
        ...
