"""The loop of a flow: evaluate, look whether to stop, step (algorithms 1-3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._derivative import BoundFunctional
from ._dynamics import Dynamics
from ._particles import Particles

BLOW_UP = 10.0
"""A flow that climbs by this multiple of its starting objective diverges."""
PATIENCE = 10
"""Steps in a row by which dynamics that take back what climbs must have come down again."""


@dataclass
class Flow:
    """A flow that has run.

    Parameters
    ----------
    particles : Particles
        The final state, in these dynamics' own form (:meth:`Dynamics.finish`).
    objective : list of float
        Objective at the start and after each step, ``n_iter + 1`` values.
    status : {"converged", "max_iter", "diverged", "stopped"}
        Why it ended; "stopped" is a wish of the monitor.
    frames : list of Tensor of shape (n, d)
        Features at times spread evenly over the flow, the first and the last included, in the order of the user's data.
    """

    particles: Particles
    objective: list[float]
    status: str
    frames: list[Tensor] = field(default_factory=list)

    @property
    def n_iter(self) -> int:
        return len(self.objective) - 1


def integrate(
    functional: BoundFunctional,
    particles: Particles,
    dynamics: Dynamics,
    *,
    max_iter: int = 200,
    tol: float = 1e-3,
    n_iter_no_change: int = 5,
    n_frames: int = 0,
    monitor: Callable[[int, float, Particles], bool] | None = None,
) -> Flow:
    """Run the flow from `particles`.

    Parameters
    ----------
    functional : BoundFunctional
        What to descend.
    particles : Particles
        The starting state, as :meth:`Dynamics.start` returns it; its features are overwritten.
    dynamics : Dynamics
        What moves, with its optimizer.
    max_iter : int
        Largest number of steps.
    tol, n_iter_no_change : float, int
        The flow has converged when the best objective has not fallen by a fraction `tol` for `n_iter_no_change` steps;
        where the functional has saved work until then, it has as many more without (:meth:`BoundFunctional.settle`).
    n_frames : int
        Frames to keep.
    monitor : callable (step, objective, particles) -> bool, optional
        Called at the start (step 0) and after each step; True ends the flow.

    Returns
    -------
    Flow
        Where the objective blows up, the state before, with status "diverged".
    """
    objective, frames = [], _Frames(n_frames)
    best, best_step, status, before = math.inf, 0, "max_iter", particles
    noise, start = _rounding(particles), particles.x
    blown_up, patience = 0, PATIENCE if dynamics.adaptive else 0
    for step in range(max_iter + 1):
        derivative = functional.evaluate(particles)
        value = derivative.value.item()
        climbs = step and value > objective[0] + BLOW_UP * max(abs(objective[0]), noise)
        blown_up = blown_up + 1 if climbs else 0
        if not math.isfinite(value) or blown_up > (patience if step < max_iter else 0):
            status, particles = "diverged", before
            break
        objective.append(value)
        frames.add(particles)
        if value < best - tol * abs(best) or step == 0:
            best, best_step = value, step
        if monitor is not None and monitor(step, value, particles):
            status = "stopped"
            break
        if step - best_step >= n_iter_no_change and not blown_up:
            if not functional.settle():
                status = "converged"
                break
            best_step = step
        if step < max_iter:
            moved = dynamics.step(particles, derivative)
            if not moved.x.sum().isfinite():
                status = "diverged"
                break
            # The start's storage keeps the state before, so that the flow holds no third copy of the features.
            particles.x = start.copy_(particles.x)
            before, particles = particles, moved
            del moved, derivative  # large, and not to be kept through the next evaluation
    return Flow(dynamics.finish(particles), objective or [value], status, frames.spread(particles))


def _rounding(particles: Particles) -> float:
    """What rounding may do to an objective in squared units of the features: zero is no more than that."""
    spread = (particles.x - particles.a @ particles.x).square().sum(1)
    return torch.finfo(particles.x.dtype).eps * (particles.a @ spread).item()


class _Frames:
    """Keeps at most twice the frames asked for, at even strides, without knowing how many steps there will be."""

    def __init__(self, n_frames: int) -> None:
        self.n_frames, self.stride, self.seen, self.kept = n_frames, 1, 0, []

    def add(self, particles: Particles) -> None:
        if self.n_frames and self.seen % self.stride == 0:
            if len(self.kept) == 2 * self.n_frames:
                self.kept, self.stride = self.kept[::2], 2 * self.stride
            if self.seen % self.stride == 0:
                self.kept.append(_in_data_order(particles))
        self.seen += 1

    def spread(self, last: Particles) -> list[Tensor]:
        """`n_frames` of those kept, evenly spread, ending with `last`."""
        if not self.n_frames:
            return []
        frame = _in_data_order(last)
        if not self.kept:
            return [frame] * self.n_frames
        end = (self.seen - 1) / self.stride  # the flow's own, which may lie between two strides
        times = (round(i * end / (self.n_frames - 1)) for i in range(self.n_frames - 1))
        return [*(self.kept[time] for time in times), frame]


def _in_data_order(particles: Particles) -> Tensor:
    return particles.in_data_order(particles.x)
