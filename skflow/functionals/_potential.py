"""Potential energies ``V(rho) = integral of V(z) d rho(z)`` (eq. 10): the machinery, and any V that torch can derive.

The first variation is V itself (eq. 13): every particle follows ``-grad V`` at its own place, whatever the others do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ..flow import BoundFunctional, Derivative, Particles
from ._base import WEIGHT, Functional

Evaluation = tuple[Tensor, Tensor]
"""V, shape (n,), and its gradient in x, shape (n, d)."""


class Potential(Functional):
    """A potential energy; a subclass gives V and its gradient."""

    def bind(self, particles: Particles) -> BoundPotential:
        """Check the parameters against the starting particles."""
        self._validate_params()
        return BoundPotential(self._potential(particles), self.weight)

    @abstractmethod
    def _potential(self, start: Particles) -> Callable[[Particles], Evaluation]:
        """A function of the particles that gives V and its gradient."""


class BoundPotential(BoundFunctional):
    """A potential energy bound to particles: ``F = weight sum_i a_i V(z_i)``."""

    def __init__(self, potential: Callable[[Particles], Evaluation], weight: float) -> None:
        self.potential, self.weight = potential, weight

    def evaluate(self, particles: Particles) -> Derivative:
        values, gradients = self.potential(particles)
        mass = self.weight * particles.a
        return Derivative(value=mass @ values, features=mass[:, None] * gradients)


class PotentialEnergy(Potential):
    """Potential energy of any potential that torch can derive (eq. 10); its first variation is V (eq. 13).

    Parameters
    ----------
    V : callable (X, y) -> Tensor of shape (n,)
        The potential, one value a particle. `X` is a tensor (n, d) of features, `y` (n,) holds the positions of the
        labels in the sorted classes, all zero where there are no labels. Derived by autograd; a row's value may depend
        on that row alone.
    weight : float, default=1.0
        Factor of the functional.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow import ConstrainedFlow
    >>> from skflow.functionals import PotentialEnergy
    >>> def bowl(X, y):
    ...     return (X**2).sum(dim=1) / 2
    >>> X = np.array([[1.0, -2.0], [3.0, 0.0], [0.0, 1.0]])
    >>> flow = ConstrainedFlow([("bowl", PotentialEnergy(bowl))], step_size=0.5, max_iter=2, tol=0)
    >>> flow.fit(X).particles_.round(2)
    array([[ 0.25, -0.5 ],
           [ 0.75,  0.  ],
           [ 0.  ,  0.25]])
    """

    _parameter_constraints = {"V": [callable], "weight": WEIGHT}

    def __init__(self, V: Callable[[Tensor, Tensor], Tensor], *, weight: float = 1.0) -> None:
        self.V = V
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], Evaluation]:
        return self._derive

    def _derive(self, particles: Particles) -> Evaluation:
        x = particles.x.detach().requires_grad_()
        with torch.enable_grad():
            values = self.V(x, particles.y)
        check_returned(f"V={self.V!r}", values, particles.a.shape)
        (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach(), check_gradient(f"V={self.V!r}", gradient, values)


def check_returned(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Raise where a user's callable did not return a derivable tensor of `shape`."""
    if not isinstance(values, Tensor):
        raise ValueError(f"{name} must return a torch tensor, got a {type(values).__name__}.")
    if tuple(values.shape) != tuple(shape):
        raise ValueError(f"{name} must return a tensor of shape {tuple(shape)}, got {tuple(values.shape)}.")
    if not values.requires_grad:
        raise ValueError(f"{name} returned a tensor without a gradient: compute it by torch from X, without detaching.")


def check_gradient(name: str, gradient: Tensor, values: Tensor) -> Tensor:
    """`gradient`, or an error where values are finite and it is not, as that of a square root at zero."""
    if not gradient.isfinite().all() and values.isfinite().all():
        raise ValueError(f"{name} has a gradient that is not finite. Norms are safe as torch.linalg.norm, torch.cdist.")
    return gradient
