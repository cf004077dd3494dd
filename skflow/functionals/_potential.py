"""Potential energies ``V(rho) = integral of V(z) d rho(z)`` (eq. 10): the machinery, and any V that torch can derive.

The first variation is V itself (eq. 13): every particle follows ``-grad V`` at its own place, whatever the others do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor

from ..flow import BoundFunctional, Derivative, Particles, rows_where
from ._autograd import check_returned, gradient_in, leaf, recording
from ._base import WEIGHT, Functional

ValueAndGradient = tuple[Tensor, Tensor]
"""V, shape (n,), and its gradient in x, shape (n, d)."""


class Potential(Functional):
    """A potential energy; a subclass gives V and its gradient."""

    def bind(self, particles: Particles) -> BoundPotential:
        """Check the parameters against the starting particles."""
        self.validate()
        return BoundPotential(self._potential(particles), float(self.weight), self._name())

    @abstractmethod
    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        """A function of the particles that gives V and its gradient."""

    def _name(self) -> str:
        """What the potential is called in messages."""
        return type(self).__name__


class BoundPotential(BoundFunctional):
    """A potential energy bound to particles: ``F = weight sum_i a_i V(z_i)``."""

    def __init__(self, potential: Callable[[Particles], ValueAndGradient], weight: float, name: str) -> None:
        self.potential, self.weight, self.name = potential, weight, name

    def evaluate(self, particles: Particles) -> Derivative:
        """See :meth:`~skflow.flow.BoundFunctional.evaluate`."""
        values, gradients = self.potential(particles)
        mass = self.weight * particles.a
        return Derivative(value=mass @ values, features=mass[:, None] * gradients)

    def explain(self, particles: Particles) -> str | None:
        """See :meth:`~skflow.flow.BoundFunctional.explain`."""
        values, gradients = self.potential(particles)
        bad, what = ~values.isfinite(), "is not finite"
        if not bad.any():
            bad, what = ~gradients.isfinite().all(1), "has a gradient that is not finite"
        if not bad.any():
            return None
        advice = "" if what == "is not finite" else " Norms are safe as torch.linalg.norm, torch.cdist."
        return f"{self.name} {what} at {rows_where(bad, particles)}.{advice}"


class PotentialEnergy(Potential):
    """Potential energy of any potential that torch can derive (eq. 10); its first variation is V (eq. 13).

    Parameters
    ----------
    V : callable (X, y) -> Tensor of shape (n,)
        The potential, one value a particle. `X` is a tensor (n, d) of features in the units of the data, `y` (n,) holds
        the positions of the labels in the sorted classes, all zero where there are no labels. Both are copies. Derived
        by autograd; a row's value may depend on that row alone.
    weight : float, default=1.0
        Factor of the functional.

    Raises
    ------
    ValueError
        When evaluated: where V returns anything but a tensor of shape (n,) that depends on `X`, and at the start of a
        flow where V or its gradient is not finite, with the rows.

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

    def _name(self) -> str:
        return f"V={self.V!r}"

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        return self._derived

    def _derived(self, particles: Particles) -> ValueAndGradient:
        with recording():
            x = leaf(particles.x)
            values = check_returned(self._name(), self.V(x.clone(), particles.y.clone()), x, particles.a.shape)
            gradient = gradient_in(self._name(), values.sum(), x)
        return values.detach(), gradient
