"""The loop of a flow: evaluate, look whether to stop, step (algorithms 1-3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._derivative import BoundFunctional, evaluated
from ._dynamics import BoundDynamics
from ._frames import Frames
from ._particles import Particles
from ._stopping import StoppingRule

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
    status : {"converged", "max_iter", "diverged", "stopped"}
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
    monitor: Callable[[int, float, Particles], bool | None] | None = None,
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
    name, particles = type(functional).__name__, dynamics.particles
    stopping, frames = StoppingRule(tol, dynamics.optimizer.n_iter_no_change), Frames(n_frames)
    objective: list[float] = []
    status, reason, before = "max_iter", None, particles
    noise, start = _rounding(particles), particles.x
    blown_up, patience = 0, PATIENCE_WITH_CLIMBS if dynamics.optimizer.adaptive else 0
    for step in range(max_iter + 1):
        derivative = evaluated(functional, particles, name)
        value = derivative.value.item()
        if not math.isfinite(value):
            reason = functional.explain(particles)
            if step == 0:
                raise ValueError(f"The objective is {value} where the flow starts. {reason or SCALE}")
        climbs = step > 0 and value > objective[0] + BLOW_UP * max(abs(objective[0]), noise)
        blown_up = blown_up + 1 if climbs else 0
        if not math.isfinite(value) or blown_up > (patience if step < max_iter else 0):
            status, particles = "diverged", before
            break
        objective.append(value)
        frames.add(particles)
        stopping.observe(value, noisy=bool(derivative.diffusion))
        if monitor is not None and monitor(step, value, particles):
            status = "stopped"
            break
        if stopping.stalled() and not blown_up:
            if not functional.settle():
                status = "converged"
                break
            stopping.restart()
        if step < max_iter:
            moved = dynamics.step(particles, derivative)
            if not _is_finite(moved):
                status, reason = "diverged", functional.explain(particles)
                if step == 0 and reason:
                    raise ValueError(f"The flow cannot start. {reason}")
                break
            # The start's storage keeps the state before, so that the flow holds no third copy of the features.
            particles.x = start.copy_(particles.x)
            before, particles = particles, moved
            del moved, derivative  # large, and not to be kept through the next evaluation
    return Flow(dynamics.finish(particles), objective, status, frames.spread(particles), reason)


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
