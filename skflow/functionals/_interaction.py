"""Interaction energies ``W(rho) = 1/2 integral of W(z, z') d rho(z) d rho(z')`` (eq. 11), some of the pairs at a time.

The first variation is the convolution of W with rho (eq. 13): every particle follows the mean of what all the others do
to it.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..flow import BoundFunctional, Derivative, Particles, rows_where
from ._autograd import check_returned, gradient_in, leaf, recording
from ._base import WEIGHT, Functional

PAIRS_AT_A_TIME = 2**22
"""16 MB in float32, of which an evaluation holds a handful."""


class InteractionEnergy(Functional):
    """Interaction energy of any pairwise W that torch can derive, with the one half of eq. 11.

    ``F = weight / 2 sum_ij a_i a_j W(z_i, z_j)``, the pairs of a particle with itself included, as in eq. 11. First
    variation: ``W * rho`` (eq. 13), for a symmetric W.

    Parameters
    ----------
    W : callable (X, y, X_other, y_other) -> Tensor of shape (p, q)
        The interaction of each of p particles with each of q others. `X` (p, d) and `X_other` (q, d) are features in
        the units of the data, `y` (p,) and `y_other` (q,) the positions of their labels in the sorted classes, all zero
        where there are no labels. All are copies. Derived by autograd. Distances of zero are met: ``torch.cdist`` has a
        gradient there, a square root has none.
    chunk_size : int or None, default=None
        Particles compared with all the others at a time. None: as many as make 4 million pairs; less is needed where
        W forms differences (p, q, d).
    weight : float, default=1.0
        Factor of the functional.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skflow import ConstrainedFlow
    >>> from skflow.functionals import InteractionEnergy
    >>> def attraction(X, y, X_other, y_other):
    ...     return torch.cdist(X, X_other) ** 2 / 2
    >>> X = np.array([[0.0], [1.0], [5.0]])
    >>> flow = ConstrainedFlow([("attraction", InteractionEnergy(attraction))], max_iter=100)
    >>> flow.fit(X).particles_.round(1)
    array([[2.],
           [2.],
           [2.]])
    """

    _parameter_constraints = {
        "W": [callable],
        "chunk_size": [Interval(Integral, 1, None, closed="left"), None],
        "weight": WEIGHT,
    }

    def __init__(
        self,
        W: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        *,
        chunk_size: int | None = None,
        weight: float = 1.0,
    ) -> None:
        self.W = W
        self.chunk_size = chunk_size
        self.weight = weight

    def bind(self, particles: Particles) -> BoundInteraction:
        """Check the parameters."""
        self.validate()
        return BoundInteraction(self.W, self.chunk_size, float(self.weight))


class BoundInteraction(BoundFunctional):
    """:class:`InteractionEnergy` bound to particles."""

    def __init__(self, W: Callable[..., Tensor], chunk_size: int | None, weight: float) -> None:
        self.W, self.chunk_size, self.weight, self.name = W, chunk_size, weight, f"W={W!r}"

    def evaluate(self, particles: Particles) -> Derivative:
        """See :meth:`~skflow.flow.BoundFunctional.evaluate`."""
        value, gradient = particles.a.new_zeros(()), torch.zeros_like(particles.x)
        for rows in self._chunks(particles):
            part, in_x, _ = self._chunk(particles, rows)
            value += part
            gradient += in_x
        return Derivative(value=value, features=gradient)

    def explain(self, particles: Particles) -> str | None:
        """See :meth:`~skflow.flow.BoundFunctional.explain`."""
        bad = torch.zeros_like(particles.a, dtype=torch.bool)
        steep = torch.zeros_like(bad)
        for rows in self._chunks(particles):
            _, in_x, pairs = self._chunk(particles, rows)
            bad[rows] = ~pairs.isfinite().all(1)
            steep |= ~in_x.isfinite().all(1)
        if bad.any():
            return f"{self.name} is not finite at {rows_where(bad, particles)}."
        if steep.any():
            where = rows_where(steep, particles)
            return f"{self.name} has a gradient that is not finite at {where}. Norms are safe as torch.cdist."
        return None

    def _chunks(self, particles: Particles) -> list[slice]:
        n = len(particles.a)
        return row_chunks(n, self.chunk_size or PAIRS_AT_A_TIME // n)

    def _chunk(self, particles: Particles, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """The energy of `rows` with all the others, its gradient in all features, and the pairs."""
        with recording():
            x, y, a = leaf(particles.x), particles.y.clone(), particles.a.clone()
            pairs = self.W(x[rows].clone(), y[rows].clone(), x.clone(), y)
            pairs = check_returned(self.name, pairs, x, (len(a[rows]), len(a)))
            energy = a[rows] @ pairs @ a * (self.weight / 2)
            # x stands on both sides: this is the whole derivative, for an asymmetric W too.
            gradient = gradient_in(self.name, energy, x)
        return energy.detach(), gradient, pairs.detach()


class ClassRepulsion(Functional):
    """Classes repel each other (section 5, figure 8 c, d), without the one half of eq. 11, as section 5 has it.

    ``F = weight sum_ij a_i a_j W(x_i - x_j) [y_i != y_j]``. First variation: ``2 W * rho``, over the particles of other
    classes (eq. 13).

    Parameters
    ----------
    kernel : {"exponential", "quadratic"}, default="exponential"
        "exponential": ``W = exp(-||x - x'|| / length_scale)``, section 5's. Quiets down as classes part.
        "quadratic": ``W = -||x - x'||^2``, figure 8's. Grows without bound: classes part exponentially fast, but for
        another functional that holds them.
    length_scale : float, default=1.0
        Distance at which the exponential kernel has fallen to 1/e, in the units of the data; the paper's is 1. Choose
        it near the distance between neighbouring classes: far beyond it nothing is felt.
    weight : float, default=1.0
        Factor of the functional.
    """

    needs_labels = True
    _parameter_constraints = {
        "kernel": [StrOptions({"exponential", "quadratic"})],
        "length_scale": [Interval(Real, 0, None, closed="neither")],
        "weight": WEIGHT,
    }

    def __init__(self, kernel: str = "exponential", *, length_scale: float = 1.0, weight: float = 1.0) -> None:
        self.kernel = kernel
        self.length_scale = length_scale
        self.weight = weight

    def bind(self, particles: Particles) -> BoundFunctional:
        """Check the parameters."""
        self.validate()
        if self.kernel == "quadratic":
            return BoundQuadraticRepulsion(float(self.weight))
        return BoundExponentialRepulsion(float(self.weight), float(self.length_scale))


class BoundExponentialRepulsion(BoundFunctional):
    """Repulsion by ``exp(-r / length_scale)``: some of the pairs at a time, each unordered pair once."""

    def __init__(self, weight: float, length_scale: float) -> None:
        self.weight, self.length_scale = weight, length_scale

    def evaluate(self, particles: Particles) -> Derivative:
        # Distances do not depend on the origin, their rounding errors do.
        x, a = particles.x - particles.a @ particles.x, particles.a
        value, gradient = a.new_zeros(()), torch.zeros_like(x)
        n = len(a)
        for own in particles.slices[:-1]:
            others = slice(own.stop, n)
            for rows in row_chunks(own.stop - own.start, PAIRS_AT_A_TIME // (n - own.stop), own.start):
                distance = torch.cdist(x[rows], x[others])
                pairs = (distance / -self.length_scale).exp_().mul_(a[rows, None]).mul_(a[others])
                value += 2 * self.weight * pairs.sum()
                # Particles at the same place have no direction to part in.
                push = pairs.div_(distance).masked_fill_(distance == 0, 0)
                push *= -2 * self.weight / self.length_scale
                gradient[rows] += push.sum(1, keepdim=True) * x[rows] - push @ x[others]
                gradient[others] += push.sum(0)[:, None] * x[others] - push.T @ x[rows]
        return Derivative(value=value, features=gradient)


class BoundQuadraticRepulsion(BoundFunctional):
    """Repulsion by ``-||x - x'||^2``, in O(n d) from the classes' first and second moments."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def evaluate(self, particles: Particles) -> Derivative:
        x, a = particles.x - particles.a @ particles.x, particles.a
        first = particles.class_sums(a[:, None] * x)
        second = particles.class_sums(a * x.square().sum(1))
        # What lies outside of each class: its mass and its first moment.
        mass, moment = particles.mass.sum() - particles.mass, first.sum(0) - first
        value = 2 * (second @ mass - (first * moment).sum())
        gradient = 4 * a[:, None] * (mass[particles.y, None] * x - moment[particles.y])
        return Derivative(value=-self.weight * value, features=-self.weight * gradient)


def row_chunks(n: int, size: int, start: int = 0) -> list[slice]:
    """Slices of at most `size` rows, and at least one, that cover ``start .. start + n``."""
    size = max(size, 1)
    return [slice(i, min(i + size, start + n)) for i in range(start, start + n, size)]
