"""Joint-driven fixed-label dynamics: label distributions move by gradients of their own (algorithm 2)."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..transport import GaussianLabels, require_memory
from ._derivative import Derivative
from ._dynamics import BoundDynamics, Dynamics, velocity
from ._optimizers import Optimizer, Stepper
from ._particles import Particles

FULL_NUMBERS = 2**22
"""Numbers in all factors together up to which "auto" takes full covariances."""
COVARIANCE = [StrOptions({"auto", "full", "diag", "means"}), Interval(Integral, 1, None, closed="left")]


class JointFixedLabels(Dynamics):
    """Features and the classes' means and covariances move, each by its own gradient ("jd-fl", algorithm 2).

    A covariance moves as its factor, ``A <- A - tau dF/dA / mass``, which is a step along the Bures manifold: it stays
    positive semi-definite by construction. The rank of a factor does not grow during a flow.

    Parameters
    ----------
    covariance : {"auto", "full", "diag", "means"} or int, default="auto"
        Full covariances (factors with as many rows as a class has samples or features, whichever is less), diagonal
        ones, none at all, or factors of that many rows, the leading principal directions. "auto" is "full" where all
        factors together hold no more than four million numbers, else "diag".
    """

    _parameter_constraints = {"covariance": COVARIANCE}

    def __init__(self, covariance: str | int = "auto") -> None:
        self.covariance = covariance

    def bind(
        self, particles: Particles, *, optimizer: Optimizer, step_size: float, seed: int = 0, unit: float = 1.0
    ) -> BoundDynamics:
        """See :meth:`Dynamics.bind`.

        Raises
        ------
        ValueError
            For parameters out of range.
        MemoryError
            Where covariances take more than there is room for.
        """
        self.validate()
        covariance = settle_covariance(self.covariance, particles, particles.n_classes)
        labelled = replace(particles, labels=GaussianLabels.from_classes(particles, covariance))
        return BoundJointFixedLabels(labelled, optimizer=optimizer, step_size=step_size, seed=seed, unit=unit)


class BoundJointFixedLabels(BoundDynamics):
    """:class:`JointFixedLabels` bound to particles, which have label distributions."""

    def __init__(self, particles: Particles, **setting: Any) -> None:
        super().__init__(particles, **setting)
        assert particles.labels is not None
        of_labels = _label_mass(particles, particles.labels)
        self._features = self.stepper(particles.a)
        self._means, self._factors = self.stepper(of_labels), self.stepper(of_labels)

    def move(self, particles: Particles, derivative: Derivative) -> Particles:
        labels = self._moved_labels(particles, derivative)
        displacement = self._features.displacement(
            velocity(particles.a, derivative.features), derivative.value, derivative.curvature
        )
        return replace(particles, x=particles.x + displacement, labels=labels)

    def _moved_labels(self, particles: Particles, derivative: Derivative) -> GaussianLabels:
        """The label distributions after one step; a functional that does not depend on them leaves them alone."""
        labels, gradient = particles.labels, derivative.labels
        assert labels is not None
        if gradient is None:
            return labels
        mass = _label_mass(particles, labels)

        def moved(state: Tensor, stepper: Stepper, gradient: Tensor) -> Tensor:
            move = stepper.displacement(velocity(mass, gradient.flatten(1)), derivative.value, derivative.curvature)
            return state + move.view_as(state)

        mean, factor = moved(labels.mean, self._means, gradient.mean), labels.factor
        if factor is not None and gradient.factor is not None:
            factor = moved(factor, self._factors, gradient.factor)
        return replace(labels, mean=mean, factor=factor)


def settle_covariance(covariance: str | int, particles: Particles, n_distributions: int) -> str | int:
    """What "auto" is here; raises MemoryError where it is more than there is room for."""
    d = particles.x.shape[1]
    rows = min(max(s.stop - s.start for s in particles.slices), d)
    if not isinstance(covariance, str):
        rows = min(rows, covariance)
    numbers = n_distributions * rows * d
    if covariance == "auto":
        covariance = "full" if numbers <= FULL_NUMBERS else "diag"
    if covariance not in ("diag", "means"):
        require_memory(
            6 * numbers * particles.x.element_size(),  # state, gradient, displacement, and what a stepper keeps
            particles.x.device,
            f"{n_distributions} label distributions with factors of {rows} x {d}",
            "Lower max_particles, or choose covariance='diag' or a smaller rank.",
        )
    return covariance


def _label_mass(particles: Particles, labels: GaussianLabels) -> Tensor:
    """Mass of the particles of each label distribution."""
    return torch.zeros_like(labels.mean[:, 0]).index_add_(0, labels.of, particles.a)
