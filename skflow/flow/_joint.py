"""Joint-driven fixed-label dynamics: label distributions move by gradients of their own (algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..transport import GaussianLabels, require_memory
from ._derivative import Derivative
from ._dynamics import Dynamics, velocity
from ._optimizers import Optimizer
from ._particles import Particles

FULL_NUMBERS = 2**22
"""Numbers in all factors together up to which "auto" takes full covariances."""


class JointFixedLabels(Dynamics):
    """Features and the classes' means and covariances move, each by its own gradient ("jd-fl", algorithm 2).

    A covariance moves as its factor, ``A <- A - tau dF/dA / mass``, which is a step along the Bures manifold: it stays
    positive semi-definite by construction. The rank of a factor does not grow during a flow.

    Parameters
    ----------
    optimizer : callable () -> Optimizer
        Makes the optimizer of each moving quantity: features, means, factors.
    covariance : {"auto", "full", "diag", "means"} or int, default="auto"
        Full covariances (factors with as many rows as a class has samples or features, whichever is less), diagonal
        ones, none at all, or factors of that many rows, the leading principal directions. "auto" is "full" where all
        factors together hold no more than four million numbers, else "diag".
    """

    def __init__(self, optimizer: Callable[[], Optimizer], *, covariance: str | int = "auto") -> None:
        super().__init__(optimizer)
        self.covariance = covariance
        self._features, self._means, self._factors = optimizer(), optimizer(), optimizer()

    def start(self, particles: Particles) -> Particles:
        covariance = self._settle_covariance(particles, particles.n_classes)
        return replace(particles, labels=GaussianLabels.from_classes(particles, covariance))

    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        labels = self._move_labels(particles, derivative)
        displacement = self._features.displacement(
            velocity(particles.a, derivative.features), derivative.value, derivative.curvature
        )
        return replace(particles, x=particles.x + displacement, labels=labels)

    def _move_labels(self, particles: Particles, derivative: Derivative) -> GaussianLabels:
        """The label distributions after one step; a functional that does not depend on them leaves them alone."""
        labels, gradient = particles.labels, derivative.labels
        if gradient is None:
            return labels
        mass = torch.zeros_like(labels.mean[:, 0]).index_add_(0, labels.of, particles.a)

        def moved(state: Tensor, optimizer: Optimizer, gradient: Tensor) -> Tensor:
            move = optimizer.displacement(velocity(mass, gradient.flatten(1)), derivative.value, derivative.curvature)
            return state + move.view_as(state)

        mean = moved(labels.mean, self._means, gradient.mean)
        factor = None if labels.factor is None else moved(labels.factor, self._factors, gradient.factor)
        return replace(labels, mean=mean, factor=factor)

    def _settle_covariance(self, particles: Particles, n_distributions: int) -> str | int:
        """What "auto" is here; raises MemoryError where it is more than there is room for."""
        d = particles.x.shape[1]
        rows = min(max(s.stop - s.start for s in particles.slices), d)
        if not isinstance(self.covariance, str):
            rows = min(rows, self.covariance)
        numbers, covariance = n_distributions * rows * d, self.covariance
        if covariance == "auto":
            covariance = "full" if numbers <= FULL_NUMBERS else "diag"
        if covariance not in ("diag", "means"):
            require_memory(
                6 * numbers * particles.x.element_size(),  # state, gradient, displacement, and what an optimizer keeps
                particles.x.device,
                f"{n_distributions} label distributions with factors of {rows} x {d}",
                "Lower max_particles, or choose covariance='diag' or a smaller rank.",
            )
        return covariance
