"""What moves, and how (section 6.1)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from .._sklearn import ParameterObject
from ._derivative import Derivative
from ._noise import BrownianMotion
from ._optimizers import Optimizer, Stepper
from ._particles import Particles


class Dynamics(ParameterObject, ABC):
    """What moves in a flow: a configured option, which :meth:`bind` makes ready for one flow.

    New dynamics subclass this and :class:`BoundDynamics`, as :class:`FeatureDriven` does.
    """

    @abstractmethod
    def bind(
        self, particles: Particles, *, optimizer: Optimizer, step_size: float, seed: int = 0, unit: float = 1.0
    ) -> BoundDynamics:
        """Check the parameters and give the particles the state that these dynamics move.

        Parameters
        ----------
        particles : Particles
            The starting particles, without label distributions of their own.
        optimizer : Optimizer
            Makes a stepper for each moving quantity.
        step_size : float
            Time that a step takes.
        seed : int, default=0
            Of the noise, where the functional asks for some.
        unit : float, default=1.0
            Length, in the units of the user's data, of one unit of the particles' coordinates: what is measured in
            lengths, as a clusterer's radius, is meant in the user's.

        Returns
        -------
        BoundDynamics

        Raises
        ------
        ValueError
            For parameters out of range, of the dynamics or the optimizer.
        """


class BoundDynamics(ABC):
    """Dynamics made ready for one flow: turns derivatives into motion, one step of algorithm 1, 2 or 3 at a time.

    A subclass gives :meth:`move`; the noise that a functional with diffusion asks for is added here.

    Parameters
    ----------
    particles : Particles
        The particles with the state that these dynamics move.
    optimizer, step_size, seed, unit : Optimizer, float, int, float
        See :meth:`Dynamics.bind`.

    Attributes
    ----------
    particles : Particles
        Where the flow starts; functionals are bound to these.
    """

    def __init__(
        self, particles: Particles, *, optimizer: Optimizer, step_size: float, seed: int = 0, unit: float = 1.0
    ) -> None:
        optimizer.validate()
        self.particles, self.optimizer = particles, optimizer
        self.step_size, self.unit = _positive("step_size", step_size), _positive("unit", unit)
        self._noise = BrownianMotion(self.step_size, seed)

    def stepper(self, mass: Tensor | None = None) -> Stepper:
        """A new stepper, for one moving quantity; `mass` (rows,) is that of its rows, None where all have the same."""
        stepper = self.optimizer.start(self.step_size)
        if mass is not None:
            stepper.mass = mass * len(mass)
        return stepper

    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        """The particles after one step; those passed in stay as they are, the derivative is used up.

        Raises
        ------
        ValueError
            Where there is noise and the optimizer chooses its own step sizes.
        """
        moved = self.move(particles, derivative)
        if not derivative.diffusion:
            return moved
        if self.optimizer.adaptive:
            raise ValueError(
                f"optimizer={self.optimizer!r} chooses the length of its steps itself, but the noise of a functional "
                "with diffusion (an Entropy) is that of steps of a known length: choose 'sgd', 'momentum' or 'adam'."
            )
        return moved.moved(self._noise.shaken(moved.x, derivative.diffusion))

    @abstractmethod
    def move(self, particles: Particles, derivative: Derivative) -> Particles:
        """The particles after they have followed the gradient for one step, without noise."""

    def finish(self, particles: Particles) -> Particles:
        """The particles as the flow leaves them."""
        return particles


class FeatureDriven(Dynamics):
    """Features move, label distributions are those of the moved samples ("fd", algorithm 1)."""

    def bind(
        self, particles: Particles, *, optimizer: Optimizer, step_size: float, seed: int = 0, unit: float = 1.0
    ) -> BoundDynamics:
        """See :meth:`Dynamics.bind`."""
        return BoundFeatureDriven(particles, optimizer=optimizer, step_size=step_size, seed=seed, unit=unit)


class BoundFeatureDriven(BoundDynamics):
    """:class:`FeatureDriven` bound to particles."""

    def __init__(self, particles: Particles, **setting: Any) -> None:
        super().__init__(particles, **setting)
        self._features = self.stepper(particles.a)

    def move(self, particles: Particles, derivative: Derivative) -> Particles:
        displacement = self._features.displacement(
            velocity(particles.a, derivative.features), derivative.value, derivative.curvature
        )
        return particles.moved(displacement.add_(particles.x))


def velocity(mass: Tensor, gradient: Tensor) -> Tensor:
    """Minus the Wasserstein gradient at a particle of mass a_i (eq. 17), ``-(1/a_i) dF/dx_i``, in its place."""
    return gradient.div_(-mass[:, None])


def _positive(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{name}={value!r} must be a positive, finite number.")
    return number
