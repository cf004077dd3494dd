"""From velocities to displacements, under one step-size convention.

An optimizer is a configured option. Started with a step size, it makes a stepper for one moving quantity, which is told
the velocity v and answers with the displacement of one step. `step_size` means the same in all of them: a constant
velocity moves a particle by ``step_size`` times its length a step, whatever its scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral, Real

import torch
from torch import Tensor

from .._sklearn import Interval, ParameterObject

PATIENCE = {"n_iter_no_change": [Interval(Integral, 1, None, closed="left")]}
"""Constraint that all optimizers share."""
AVERAGING = Interval(Real, 0, 1, closed="left")


class Stepper(ABC):
    """An optimizer at work on one moving quantity; keeps what it has seen from step to step.

    What it compares over all rows, such as lengths and angles, it takes in the inner product of the Wasserstein space,
    in which each row counts by its mass: a row of weight two is two rows.
    """

    mass: Tensor | None = None
    """Mass of each row, (rows,); None where all count the same. Set by who starts it."""

    @abstractmethod
    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        """The displacement of one step.

        Parameters
        ----------
        velocity : Tensor of shape (rows, columns)
            Minus the Wasserstein gradient at each row; may be overwritten, and its place be taken by the answer.
        value, curvature : Tensor or float, float or None
            The objective's, see :class:`~skflow.flow.Derivative`; "auto" alone asks for them.

        Returns
        -------
        Tensor
            Of the velocity's shape.
        """


class Optimizer(ParameterObject, ABC):
    """The configuration of a descent, of which :meth:`start` makes as many steppers as there are moving quantities.

    A new one subclasses this, with `n_iter_no_change` among its parameters, and a :class:`Stepper`.

    Parameters
    ----------
    n_iter_no_change : int, default=5
        Steps without a fall of the objective by which a flow has converged, see :func:`~skflow.flow.integrate`.
    """

    adaptive: bool = False
    """Whether the steppers choose the lengths of their steps themselves, and take back those that climb."""
    n_iter_no_change: int

    @abstractmethod
    def start(self, step_size: float) -> Stepper:
        """A stepper for one moving quantity, with no past."""


class Euler(Optimizer):
    """Explicit Euler, gradient descent (eq. 16): ``step_size * v``.

    Parameters
    ----------
    n_iter_no_change : int, default=5
        Steps without a fall of the objective by which a flow has converged.
    """

    _parameter_constraints = PATIENCE

    def __init__(self, *, n_iter_no_change: int = 5) -> None:
        self.n_iter_no_change = n_iter_no_change

    def start(self, step_size: float) -> Stepper:
        """A stepper for one moving quantity."""
        return _EulerStepper(step_size)


class _EulerStepper(Stepper):
    def __init__(self, step_size: float) -> None:
        self.step_size = step_size

    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        return velocity.mul_(self.step_size)


class Momentum(Optimizer):
    """Gradient descent with momentum: ``step_size`` times a moving average of the velocity.

    The average starts anew where it has come to point uphill (adaptive restart; O'Donoghue & Candes, 2015): particles
    do not swing past their targets.

    Parameters
    ----------
    beta : float, default=0.9
        Share of the average that is kept at a step, in [0, 1).
    n_iter_no_change : int, default=5
        Steps without a fall of the objective by which a flow has converged.
    """

    _parameter_constraints = {"beta": [AVERAGING], **PATIENCE}

    def __init__(self, beta: float = 0.9, *, n_iter_no_change: int = 5) -> None:
        self.beta = beta
        self.n_iter_no_change = n_iter_no_change

    def start(self, step_size: float) -> Stepper:
        """A stepper for one moving quantity."""
        return _MomentumStepper(step_size, self.beta)


class _MomentumStepper(Stepper):
    def __init__(self, step_size: float, beta: float) -> None:
        self.step_size, self.beta = step_size, beta
        self._average: Tensor | None = None

    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        # Starting from v itself keeps the average unbiased: no slow first steps.
        if self._average is None:
            self._average = velocity.clone()
        self._average.lerp_(velocity, points_uphill(self._average, velocity, self.mass).clamp_(min=1 - self.beta))
        return self.step_size * self._average


class Adam(Optimizer):
    """Adam's direction (Kingma & Ba, 2015) at the velocity's own speed.

    The averaged velocity is divided coordinate by coordinate by its root mean square, then rescaled so that the
    displacement is as long as ``step_size`` times the averaged velocity. The averages start anew where that of the
    velocity has come to point uphill, as in :class:`Momentum`.

    Parameters
    ----------
    beta1, beta2 : float, default=0.9, 0.999
        Shares of the averages, of the velocity and of its square, that are kept at a step, in [0, 1).
    n_iter_no_change : int, default=5
        Steps without a fall of the objective by which a flow has converged.
    """

    _parameter_constraints = {"beta1": [AVERAGING], "beta2": [AVERAGING], **PATIENCE}

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, *, n_iter_no_change: int = 5) -> None:
        self.beta1 = beta1
        self.beta2 = beta2
        self.n_iter_no_change = n_iter_no_change

    def start(self, step_size: float) -> Stepper:
        """A stepper for one moving quantity."""
        return _AdamStepper(step_size, self.beta1, self.beta2)


class _AdamStepper(Stepper):
    def __init__(self, step_size: float, beta1: float, beta2: float) -> None:
        self.step_size, self.beta1, self.beta2 = step_size, beta1, beta2
        self._averages: tuple[Tensor, Tensor] | None = None
        self._n_steps: Tensor | int = 0

    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        if self._averages is None:
            self._averages = torch.zeros_like(velocity), torch.zeros_like(velocity)
        first, second = self._averages
        go_on = 1 - points_uphill(first, velocity, self.mass)
        first *= go_on
        second *= go_on
        self._n_steps = go_on * self._n_steps + 1
        first.lerp_(velocity, 1 - self.beta1)
        second.lerp_(velocity.square(), 1 - self.beta2)
        mean = first / (1 - self.beta1**self._n_steps)
        root = (second / (1 - self.beta2**self._n_steps)).sqrt()
        tiny = torch.finfo(mean.dtype).tiny
        direction = mean / (root + (1e-8 * root.max()).clamp(min=tiny))
        speed, length = (inner(v, v, self.mass).sqrt() for v in (mean, direction))
        return direction * (self.step_size * speed / length.clamp(min=tiny))


def inner(u: Tensor, v: Tensor, mass: Tensor | None) -> Tensor:
    """Inner product of two fields of vectors (rows, columns), each row counted by its mass."""
    return torch.sum(u * v) if mass is None else torch.sum(u * v, dim=1) @ mass


def points_uphill(direction: Tensor, velocity: Tensor, mass: Tensor | None = None) -> Tensor:
    """One where they point apart, else zero: a number on the device, for which nobody has to wait."""
    return (inner(direction, velocity, mass) < 0).to(velocity.dtype)
