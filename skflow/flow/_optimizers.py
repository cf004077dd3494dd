"""From velocities to displacements, under one step-size convention.

Every optimizer is told the velocity v and answers with the displacement of one step. `step_size` means the same in all
of them: a constant velocity moves a particle by ``step_size`` times its length a step, whatever its scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Optimizer(ABC):
    """One optimizer for one moving quantity; keeps its own state from step to step."""

    def __init__(self, step_size: float) -> None:
        self.step_size = step_size

    @abstractmethod
    def displacement(self, velocity: Tensor) -> Tensor:
        """The displacement of this step, of the velocity's shape; may take the velocity's place."""


class Euler(Optimizer):
    """Explicit Euler, gradient descent (eq. 16): ``step_size * v``."""

    def displacement(self, velocity: Tensor) -> Tensor:
        return velocity.mul_(self.step_size)


class Momentum(Optimizer):
    """Gradient descent with momentum: ``step_size`` times a moving average of the velocity.

    The average starts anew where it has come to point uphill (adaptive restart; O'Donoghue & Candes, 2015): particles
    do not swing past their targets.
    """

    beta = 0.9

    def __init__(self, step_size: float) -> None:
        super().__init__(step_size)
        self._average: Tensor | None = None

    def displacement(self, velocity: Tensor) -> Tensor:
        # Starting from v itself keeps the average unbiased: no slow first steps.
        if self._average is None or torch.sum(self._average * velocity) < 0:
            self._average = velocity.clone()
        self._average.lerp_(velocity, 1 - self.beta)
        return self.step_size * self._average


class Adam(Optimizer):
    """Adam's direction (Kingma & Ba, 2015) at the velocity's own speed.

    The averaged velocity is divided coordinate by coordinate by its root mean square, then rescaled so that the
    displacement is as long as ``step_size`` times the averaged velocity. The averages start anew where that of the
    velocity has come to point uphill, as in :class:`Momentum`.
    """

    beta1, beta2 = 0.9, 0.999

    def __init__(self, step_size: float) -> None:
        super().__init__(step_size)
        self._first: Tensor | None = None
        self._second: Tensor | None = None
        self._n_steps = 0

    def displacement(self, velocity: Tensor) -> Tensor:
        if self._first is None or torch.sum(self._first * velocity) < 0:
            self._first, self._second, self._n_steps = torch.zeros_like(velocity), torch.zeros_like(velocity), 0
        self._n_steps += 1
        self._first.lerp_(velocity, 1 - self.beta1)
        self._second.lerp_(velocity.square(), 1 - self.beta2)
        mean = self._first / (1 - self.beta1**self._n_steps)
        root = (self._second / (1 - self.beta2**self._n_steps)).sqrt()
        scale = root.max()
        if scale == 0:
            return torch.zeros_like(velocity)
        direction = mean / (root + 1e-8 * scale)
        return direction * (self.step_size * mean.norm() / direction.norm().clamp(min=torch.finfo(mean.dtype).tiny))


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": Euler, "momentum": Momentum, "adam": Adam}
"""The optimizers by name."""
