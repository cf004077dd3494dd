"""What a flow knows of its objective: a value and its derivatives at the particles' present state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from ..transport import GaussianLabels
from ._particles import Particles


@dataclass
class Derivative:
    """Value of a functional and its derivatives at the particles' present state."""

    value: Tensor
    """F, a scalar."""
    features: Tensor
    """dF/dx_i, shape (n, d)."""
    labels: GaussianLabels | None = None
    """Gradients in the means and factors of free label distributions; None where F does not depend on them."""
    diffusion: float | None = None
    """Coefficient D of a Brownian motion of variance ``2 D t`` per coordinate, on top of the gradient."""
    curvature: float | None = None
    """A bound: F lies nowhere above the quadratic of this second derivative that touches it at the present state, in
    the metric of the masses (``sum_i a_i ||dx_i||^2``); None where none is known."""


class BoundFunctional(ABC):
    """A functional made ready for one flow; holds what survives from step to step."""

    converged: bool = True
    """Whether the last evaluation is as accurate as asked for."""

    def settle(self) -> bool:
        """A flow would end here: from now on save no work by what is a little out of date; whether any was saved."""
        return False

    def release(self) -> None:  # noqa: B027
        """Let go of what only evaluations need, when a flow has ended; what has been measured stays."""

    @abstractmethod
    def evaluate(self, particles: Particles) -> Derivative:
        """Value and derivatives at the particles' present state, the functional's weight included."""
