"""What moves, and how (section 6.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from ._derivative import Derivative
from ._optimizers import Optimizer
from ._particles import Particles


class Dynamics(ABC):
    """Turns derivatives into motion: one step of algorithm 1, 2 or 3.

    Parameters
    ----------
    optimizer : callable () -> Optimizer
        Makes the optimizer of each moving quantity.
    """

    def __init__(self, optimizer: Callable[[], Optimizer]) -> None:
        self.optimizer = optimizer

    @property
    def adaptive(self) -> bool:
        """Whether the steps' lengths are the optimizer's own choice, see :class:`Optimizer`."""
        return self.optimizer().adaptive

    def start(self, particles: Particles) -> Particles:
        """The particles with the state that these dynamics move; functionals are bound to these."""
        return particles

    def finish(self, particles: Particles) -> Particles:
        """The particles as the flow leaves them."""
        return particles

    @abstractmethod
    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        """The particles after one step; those passed in stay as they are, the derivative is used up."""


class FeatureDriven(Dynamics):
    """Features move, label distributions are those of the moved samples ("fd", algorithm 1)."""

    def __init__(self, optimizer: Callable[[], Optimizer]) -> None:
        super().__init__(optimizer)
        self._features = optimizer()

    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        displacement = self._features.displacement(
            velocity(particles.a, derivative.features), derivative.value, derivative.curvature
        )
        return particles.moved(displacement.add_(particles.x))


def velocity(mass: Tensor, gradient: Tensor) -> Tensor:
    """Minus the Wasserstein gradient at a particle of mass a_i (eq. 17), ``-(1/a_i) dF/dx_i``, in its place."""
    return gradient.div_(-mass[:, None])
