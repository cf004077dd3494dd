"""The loop of a flow: evaluate, look whether to stop, step (algorithms 1-3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._derivative import BoundFunctional, Derivative, checked, write_counts
from ._dynamics import BoundDynamics
from ._frames import Frames
from ._particles import Particles
from ._stopping import StoppingRule

StepMonitor = Callable[[int, float, Particles], bool | None]
"""Told step, objective and particles; True ends the flow."""
BLOW_UP = 10.0
"""A flow that climbs by this multiple of its starting objective diverges."""
PATIENCE_WITH_CLIMBS = 10
"""Steps in a row by which an optimizer that takes back what climbs must have come down again."""
SCALE = "Look at the range of the data and of the functional's weight."


@dataclass
class Flow:
    """A flow that has run.

    Parameters
    ----------
    particles : Particles
        The final state, in these dynamics' own form (:meth:`BoundDynamics.finish`).
    objective : list of float
        Objective at the start and after each step, ``n_iter + 1`` values.
    status : {"converged", "max_iter", "diverged", "stopped", "interrupted"}
        Why it ended; "stopped" is a wish of the monitor.
    frames : list of Tensor of shape (n, d)
        Features at times spread evenly over the flow, the first and the last included, in the order of the user's data.
    reason : str or None
        Where it diverged, what functional was not finite and at which rows, if that is known.
    """

    particles: Particles
    objective: list[float]
    status: str
    frames: list[Tensor] = field(default_factory=list)
    reason: str | None = None

    @property
    def n_iter(self) -> int:
        """Steps made."""
        return len(self.objective) - 1


def integrate(
    functional: BoundFunctional,
    dynamics: BoundDynamics,
    *,
    max_iter: int = 200,
    tol: float = 1e-3,
    n_frames: int = 0,
    monitor: StepMonitor | None = None,
) -> Flow:
    """Run a flow from where `dynamics` starts.

    Parameters
    ----------
    functional : BoundFunctional
        What to descend, bound to ``dynamics.particles``.
    dynamics : BoundDynamics
        What moves, from where, with which optimizer. The features of its starting particles are overwritten.
    max_iter : int
        Largest number of steps.
    tol : float
        The flow has converged when the best objective has not fallen by a fraction `tol` for the optimizer's
        `n_iter_no_change` steps, see :class:`~skflow.flow.StoppingRule` for objectives with noise; where the functional
        has saved work until then, it has as many more without (:meth:`BoundFunctional.settle`). With zero it makes
        `max_iter` steps.
    n_frames : int
        Frames to keep; a flow with fewer states has one of each.
    monitor : callable (step, objective, particles) -> bool, optional
        Called at the start (step 0) and after each step; True ends the flow.

    Returns
    -------
    Flow
        Where the objective blows up, the state before, with status "diverged".

    Raises
    ------
    ValueError
        Where the functional is not finite at the start, or gives no derivative of the right form.
    """
    return Integration(functional, dynamics, tol=tol, n_frames=n_frames).run(max_iter, monitor)


class Integration:
    """The loop of a flow, which can be left and gone on with: see :func:`integrate` for its parameters.

    It pickles between two steps, that is from a monitor, if functional and dynamics do.
    """

    def __init__(self, functional: BoundFunctional, dynamics: BoundDynamics, *, tol: float, n_frames: int) -> None:
        self.functional, self.dynamics = functional, dynamics
        self.particles = self.before = dynamics.particles
        self.objective: list[float] = []
        self.frames = Frames(n_frames)
        self.stopping = StoppingRule(tol, dynamics.optimizer.n_iter_no_change)
        self.reason: str | None = None
        self._start, self._noise = self.particles.x, _rounding(self.particles)
        self._derivative: Derivative | None = None
        self._blown_up = 0

    def run(self, max_iter: int, monitor: StepMonitor | None = None) -> Flow:
        """Make steps until there is a reason to end; called again, go on from there.

        An interrupt (Ctrl-C) after the first evaluation ends the flow at the last state that was evaluated, with status
        "interrupted".
        """
        try:
            status = None
            while status is None:
                status = self._evaluate(max_iter, monitor) if self._derivative is None else None
                status = status or self._step(max_iter)
        except KeyboardInterrupt:
            if not self.objective:
                raise
            status = "interrupted"
        return self.flow(status)

    def flow(self, status: str) -> Flow:
        """The flow as if it had ended at the last state that was evaluated."""
        state = self.before if status in ("diverged", "interrupted") else self.particles
        return Flow(self.dynamics.finish(state), list(self.objective), status, self.frames.spread(state), self.reason)

    def _evaluate(self, max_iter: int, monitor: StepMonitor | None) -> str | None:
        """Objective and derivative at the particles; why to end, if there is a reason."""
        step, particles, objective = len(self.objective), self.particles, self.objective
        before, name = write_counts(particles), type(self.functional).__name__
        derivative = checked(self.functional.evaluate(particles), particles, before, name)
        if objective and particles is self.before:  # its step was interrupted
            self._derivative = derivative
            return None
        value = derivative.value.item()
        if not math.isfinite(value):
            self.reason = self.functional.explain(particles)
            if step == 0:
                raise ValueError(f"The objective is {value} where the flow starts. {self.reason or SCALE}")
        climbs = step > 0 and value > objective[0] + BLOW_UP * max(abs(objective[0]), self._noise)
        self._blown_up = self._blown_up + 1 if climbs else 0
        patience = PATIENCE_WITH_CLIMBS if self.dynamics.optimizer.adaptive else 0
        if not math.isfinite(value) or self._blown_up > (patience if step < max_iter else 0):
            return "diverged"
        objective.append(value)
        self.before, self._derivative = particles, derivative
        self.frames.add(particles)
        self.stopping.observe(value, noisy=bool(derivative.diffusion))
        return "stopped" if monitor is not None and monitor(step, value, particles) else None

    def _step(self, max_iter: int) -> str | None:
        """Move the particles, unless there is a reason to end."""
        assert self._derivative is not None
        step = len(self.objective) - 1
        if self.stopping.stalled() and not self._blown_up:
            if not self.functional.settle():
                return "converged"
            self.stopping.restart()
        if step >= max_iter:
            return "max_iter"
        derivative, self._derivative = self._derivative, None  # the step uses it up
        moved = self.dynamics.step(self.particles, derivative)
        del derivative  # large, and not to be kept through the next evaluation
        if not _is_finite(moved):
            self.reason = self.functional.explain(self.particles)
            if step == 0 and self.reason:
                raise ValueError(f"The flow cannot start. {self.reason}")
            return "diverged"
        # The start's storage keeps the state before, so that the flow holds no third copy of the features.
        self.particles.x = self._start.copy_(self.particles.x)
        self.particles = moved
        return None


def _rounding(particles: Particles) -> float:
    """What rounding may do to an objective in squared units of the features: zero is no more than that."""
    spread = (particles.x - particles.a @ particles.x).square().sum(1)
    return torch.finfo(particles.x.dtype).eps * (particles.a @ spread).item()


def _is_finite(particles: Particles) -> bool:
    """Whether all that moves is finite, by one read."""
    total = particles.x.sum()
    if particles.labels is not None:
        moments = (particles.labels.mean, particles.labels.factor)
        total = total + sum(moment.sum() for moment in moments if moment is not None)
    return bool(total.isfinite())
