"""What a flow knows of its objective: a value and its derivatives at the particles' present state.

Whoever writes a functional gives a :class:`BoundFunctional`, whose :meth:`~BoundFunctional.evaluate` answers with a
:class:`Derivative`; the loop asks for nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..transport import GaussianLabels
from ._particles import Particles


@dataclass
class Derivative:
    """Value of a functional and its derivatives at the particles' present state.

    Parameters
    ----------
    value : Tensor
        F, a scalar.
    features : Tensor of shape (n, d)
        dF/dx_i, the masses included; it is used up by the step that follows.
    labels : GaussianLabels or None, default=None
        Gradients in the means and factors of free label distributions; None where F does not depend on them.
    diffusion : float or None, default=None
        Coefficient D of a Brownian motion of variance ``2 D t`` per coordinate, on top of the gradient.
    curvature : float or None, default=None
        A bound: F lies nowhere above the quadratic of this second derivative that touches it at the present state, in
        the metric of the masses (``sum_i a_i ||dx_i||^2``); None where none is known.
    """

    value: Tensor
    features: Tensor
    labels: GaussianLabels | None = None
    diffusion: float | None = None
    curvature: float | None = None


class BoundFunctional(ABC):
    """A functional made ready for one flow; holds what survives from step to step."""

    converged: bool = True
    """Whether the last evaluation is as accurate as asked for."""

    @abstractmethod
    def evaluate(self, particles: Particles) -> Derivative:
        """Value and derivatives at the particles' present state, the functional's weight included.

        The particles are not written to. Their features may be float32 or float64, and the derivative's are of the
        same dtype.
        """

    def explain(self, particles: Particles) -> str | None:
        """What is not finite at these particles, and in which rows, as a sentence; None where nothing is known.

        A flow asks for it once it has met a value or a gradient that is not finite.
        """
        return None

    def settle(self) -> bool:
        """A flow would end here: from now on save no work by what is a little out of date; whether any was saved."""
        return False

    def release(self) -> None:  # noqa: B027
        """Let go of what only evaluations need, when a flow has ended; what has been measured stays."""


def checked(derivative: Any, particles: Particles, before: list[int], name: str) -> Derivative:
    """What a functional gave for its derivative at the particles, in their dtype.

    Parameters
    ----------
    derivative : object
        What :meth:`BoundFunctional.evaluate` returned, of a user's own functional or one of this package.
    particles : Particles
        Where it was evaluated.
    before : list of int
        The particles' :func:`write_counts` before the evaluation.
    name : str
        What the functional is called in messages.

    Raises
    ------
    ValueError
        That names the functional: where it gives no :class:`Derivative`, or one of wrong shapes, or has written into
        the particles.
    """
    if write_counts(particles) != before:
        raise ValueError(f"{name} has written into the particles that it was given; it must work on a copy.")
    if not isinstance(derivative, Derivative):
        raise ValueError(f"{name}: evaluate must return a Derivative, got {_kind(derivative)}.")
    x, value = particles.x, derivative.value
    if isinstance(value, Real):
        value = x.new_tensor(float(value))
    derivative.value = _conforming(f"{name}: the value", value, (), x)
    derivative.features = _conforming(f"{name}: the gradient in the features", derivative.features, tuple(x.shape), x)
    return derivative


def _conforming(name: str, tensor: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape or tensor.is_complex():
        raise ValueError(f"{name} must be a tensor of real numbers of shape {shape}, got {_kind(tensor)}.")
    return tensor.detach().to(like)


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def write_counts(particles: Particles) -> list[int]:
    """How often each tensor has been written to; torch does not count for tensors of its inference mode."""
    tensors = (particles.x, particles.y, particles.a)
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def rows_where(bad: Tensor, particles: Particles) -> str:
    """Words for the rows of the user's data at which `bad` (n,) is true."""
    rows = torch.sort(particles.order[bad]).values.tolist()
    shown = f"{rows[:5]}"[:-1] + (", ...]" if len(rows) > 5 else "]")
    return f"{len(rows)} of {len(bad)} samples, rows {shown}"
