"""From velocities to displacements, under one step-size convention.

Every optimizer is told the velocity v and answers with the displacement of one step. `step_size` means the same in all
of them: a constant velocity moves a particle by ``step_size`` times its length a step, whatever its scale.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque

import torch
from torch import Tensor


class Optimizer(ABC):
    """One optimizer for one moving quantity; keeps its own state from step to step."""

    adaptive = False
    """Whether it chooses the lengths of its steps itself, and makes up for those that climb."""

    def __init__(self, step_size: float) -> None:
        self.step_size = step_size

    @abstractmethod
    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        """The displacement of this step, of the velocity's shape; may take the velocity's place.

        `value` and `curvature` are the objective's, see :class:`~skflow.functionals.Derivative`; only "auto" asks.
        """


class Euler(Optimizer):
    """Explicit Euler, gradient descent (eq. 16): ``step_size * v``."""

    def displacement(self, velocity: Tensor, value=None, curvature=None) -> Tensor:
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

    def displacement(self, velocity: Tensor, value=None, curvature=None) -> Tensor:
        # Starting from v itself keeps the average unbiased: no slow first steps.
        if self._average is None:
            self._average = velocity.clone()
        self._average.lerp_(velocity, _points_uphill(self._average, velocity).clamp_(min=1 - self.beta))
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

    def displacement(self, velocity: Tensor, value=None, curvature=None) -> Tensor:
        if self._first is None:
            self._first, self._second, self._n_steps = torch.zeros_like(velocity), torch.zeros_like(velocity), 0
        go_on = 1 - _points_uphill(self._first, velocity)
        self._first *= go_on
        self._second *= go_on
        self._n_steps = go_on * self._n_steps + 1
        self._first.lerp_(velocity, 1 - self.beta1)
        self._second.lerp_(velocity.square(), 1 - self.beta2)
        mean = self._first / (1 - self.beta1**self._n_steps)
        root = (self._second / (1 - self.beta2**self._n_steps)).sqrt()
        tiny = torch.finfo(mean.dtype).tiny
        direction = mean / (root + (1e-8 * root.max()).clamp(min=tiny))
        return direction * (self.step_size * mean.norm() / direction.norm().clamp(min=tiny))


class Auto(Optimizer):
    """Step sizes from the objective's curvature: fewer steps to the same end.

    Where the functional bounds its curvature by L, as the OTDD does, a step goes to the minimum of the quadratic that
    lies above the objective and touches it at the present state: ``v / L``. Such steps never raise the objective
    (majorisation-minimisation; for fixed plans this is the fixed-point iteration of free-support barycentres). They
    are accelerated by Nesterov's momentum [1]_, which starts anew where it has come to point uphill [2]_. `step_size`
    has no part in it.

    Elsewhere `step_size` is the first step, and the others follow Barzilai and Borwein [3]_: the inverse curvature
    along the last displacement. A step that raises the objective above its latest values [4]_ is taken back, and a
    shorter one made in its place.

    References
    ----------
    .. [1] Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)", 1983.
    .. [2] B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient schemes", 2015.
    .. [3] J. Barzilai, J. Borwein, "Two-point step size gradient methods", 1988.
    .. [4] M. Raydan, "The Barzilai and Borwein gradient method for the large scale unconstrained minimization
       problem", 1997.
    """

    adaptive = True

    def __init__(self, step_size: float) -> None:
        super().__init__(step_size)
        self._majorised, self._estimated = _Nesterov(), _BarzilaiBorwein(step_size)

    def displacement(self, velocity: Tensor, value=None, curvature=None) -> Tensor:
        if curvature:
            return self._majorised.displacement(velocity, 1 / curvature)
        return self._estimated.displacement(velocity, math.nan if value is None else float(value))


def _points_uphill(direction: Tensor, velocity: Tensor) -> Tensor:
    """One where they point apart, else zero: a number on the device, for which nobody has to wait."""
    return (torch.sum(direction * velocity) < 0).to(velocity.dtype)


class _Nesterov:
    """Accelerated descent; all that is kept is the part of the last displacement that went beyond the velocity's."""

    def __init__(self) -> None:
        self._momentum: Tensor | None = None
        self._age: Tensor | float = 0.0

    def displacement(self, velocity: Tensor, step: float) -> Tensor:
        descent = velocity.mul_(step)
        # From the last minimum of a majorant to this one.
        progress = descent.clone() if self._momentum is None else self._momentum.add_(descent)
        uphill = _points_uphill(progress, descent)
        progress.lerp_(descent, uphill)
        self._age = (1 - uphill) * self._age
        self._momentum = progress.mul_(self._age / (self._age + 1))
        self._age += 1
        return descent.add_(self._momentum)


class _BarzilaiBorwein:
    """Steps of the inverse curvature along the last displacement, none of which may climb for long."""

    memory = 10
    """Values whose greatest a step may not exceed: with one the steps would lose what makes them fast."""
    growth, shrinkage = 10.0, 0.25

    def __init__(self, step_size: float) -> None:
        self.step_size = step_size
        self._velocity: Tensor | None = None
        self._values: deque[float] = deque(maxlen=self.memory)

    def displacement(self, velocity: Tensor, value: float) -> Tensor:
        if self._values and value > max(self._values):
            # Back to where the velocity was the one kept, and from there less far.
            too_far = self.step_size
            self.step_size *= min(self._ratio(velocity), self.shrinkage)
            return (self.step_size - too_far) * self._velocity
        if self._velocity is not None and (ratio := self._ratio(velocity)) < math.inf:
            self.step_size *= min(ratio, self.growth)
        self._values.append(value)
        self._velocity = velocity
        return self.step_size * velocity

    def _ratio(self, velocity: Tensor) -> float:
        """What the last step would have had to be, as a multiple, to end where the velocity along it vanishes.

        The step is then ``<s, s> / <s, y>`` of the displacement s and the velocity's fall y. Infinite where the
        objective is not convex along the way: there is no such step, and no reason for a longer one.
        """
        last = self._velocity
        square, fall = torch.sum(last * last).item(), torch.sum(last * (last - velocity)).item()
        return square / fall if fall > 0 else math.inf


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": Euler, "momentum": Momentum, "adam": Adam, "auto": Auto}
"""The optimizers by name."""
