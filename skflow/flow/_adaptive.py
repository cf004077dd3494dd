"""Step sizes that follow the objective's curvature."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from ._optimizers import PATIENCE, Optimizer, Stepper, inner, points_uphill


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

    Parameters
    ----------
    n_iter_no_change : int, default=5
        Steps without a fall of the objective by which a flow has converged.

    References
    ----------
    .. [1] Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)", 1983.
    .. [2] B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient schemes", 2015.
    .. [3] J. Barzilai, J. Borwein, "Two-point step size gradient methods", 1988.
    .. [4] M. Raydan, "The Barzilai and Borwein gradient method for the large scale unconstrained minimization
       problem", 1997.
    """

    adaptive = True
    _parameter_constraints = PATIENCE

    def __init__(self, *, n_iter_no_change: int = 5) -> None:
        self.n_iter_no_change = n_iter_no_change

    def start(self, step_size: float) -> Stepper:
        """A stepper for one moving quantity."""
        return _AutoStepper(step_size)


class _AutoStepper(Stepper):
    def __init__(self, step_size: float) -> None:
        self._majorised, self._estimated = _Nesterov(), _BarzilaiBorwein(step_size)

    def displacement(
        self, velocity: Tensor, value: Tensor | float | None = None, curvature: float | None = None
    ) -> Tensor:
        if curvature:
            return self._majorised.displacement(velocity, 1 / curvature, self.mass)
        return self._estimated.displacement(velocity, math.nan if value is None else float(value), self.mass)


class _Nesterov:
    """Accelerated descent; all that is kept is the part of the last displacement that went beyond the velocity's."""

    def __init__(self) -> None:
        self._momentum: Tensor | None = None
        self._age: Tensor | float = 0.0

    def displacement(self, velocity: Tensor, step: float, mass: Tensor | None = None) -> Tensor:
        descent = velocity.mul_(step)
        # From the last minimum of a majorant to this one.
        progress = descent.clone() if self._momentum is None else self._momentum.add_(descent)
        uphill = points_uphill(progress, descent, mass)
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
        self._last: Tensor | None = None
        self._values: deque[float] = deque(maxlen=self.memory)

    def displacement(self, velocity: Tensor, value: float, mass: Tensor | None = None) -> Tensor:
        if self._last is not None and value > max(self._values):
            # Back to where the velocity was the one kept, and from there less far.
            too_far = self.step_size
            self.step_size *= min(_ratio(self._last, velocity, mass), self.shrinkage)
            return (self.step_size - too_far) * self._last
        if self._last is not None and (ratio := _ratio(self._last, velocity, mass)) < math.inf:
            self.step_size *= min(ratio, self.growth)
        self._values.append(value)
        self._last = velocity
        return self.step_size * velocity


def _ratio(last: Tensor, velocity: Tensor, mass: Tensor | None) -> float:
    """What the last step would have had to be, as a multiple, to end where the velocity along it vanishes.

    The step is then ``<s, s> / <s, y>`` of the displacement s and the velocity's fall y. Infinite where the objective
    is not convex along the way: there is no such step, and no reason for a longer one.
    """
    square, fall = inner(last, last, mass).item(), inner(last, last - velocity, mass).item()
    return square / fall if fall > 0 else math.inf
