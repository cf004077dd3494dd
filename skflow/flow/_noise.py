"""Brownian motion on top of the gradient flow: the Euler-Maruyama scheme (section 5, internal energy)."""

from __future__ import annotations

import math

import torch

from ._derivative import Derivative
from ._dynamics import Dynamics
from ._particles import Particles


class EulerMaruyama(Dynamics):
    """Any dynamics, followed by the noise that the derivative's diffusion coefficient D asks for.

    A step adds ``sqrt(2 D step_size)`` times a standard normal draw to the features. The noise bypasses the optimizer,
    which would average or rescale it, and so change the temperature.

    Parameters
    ----------
    dynamics : Dynamics
        How the particles follow the gradient.
    step_size : float
        Time that a step takes.
    seed : int
        Of the noise.

    Raises
    ------
    ValueError
        From :meth:`step`, where there is noise and the optimizer chooses its own step sizes.
    """

    def __init__(self, dynamics: Dynamics, step_size: float, seed: int) -> None:
        super().__init__(dynamics.optimizer)
        self.dynamics, self.step_size, self.seed = dynamics, step_size, seed
        self._generator: torch.Generator | None = None

    def start(self, particles: Particles) -> Particles:
        return self.dynamics.start(particles)

    def finish(self, particles: Particles) -> Particles:
        return self.dynamics.finish(particles)

    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        moved = self.dynamics.step(particles, derivative)
        if not derivative.diffusion:
            return moved
        if self.adaptive:
            raise ValueError(
                "optimizer='auto' chooses the length of its steps itself, but the noise of a functional with diffusion "
                "(an Entropy) is that of steps of a known length: choose 'sgd', 'momentum' or 'adam'."
            )
        x = moved.x
        if self._generator is None:
            self._generator = torch.Generator(x.device).manual_seed(self.seed)
        noise = torch.randn(x.shape, generator=self._generator, dtype=x.dtype, device=x.device)
        return moved.moved(x + math.sqrt(2 * derivative.diffusion * self.step_size) * noise)
