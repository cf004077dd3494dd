"""What functionals are evaluated on, and what they give back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from .._sklearn import Interval, ParameterObject, StrOptions
from ..transport import GaussianLabels, LabelledPoints
from ._coordinates import Coordinates

__all__ = ["WEIGHT", "BoundFunctional", "Derivative", "Functional", "Interval", "Particles", "StrOptions"]

# Functionals are scikit-learn's parameter objects: this file is their one door to it, and the floors below have none.
WEIGHT = [Interval(Real, None, None, closed="neither")]
"""Constraint of a weight, any finite number: a negative one turns a functional round."""


@dataclass
class Particles(LabelledPoints):
    """The source samples in motion: ``rho_N = sum_i a_i delta_(x_i, y_i)`` (section 4.2), sorted by class.

    Parameters
    ----------
    x, y, a : Tensor
        See :class:`~skflow.transport.LabelledPoints`.
    classes : ndarray of shape (n_classes,)
        The label of each class code.
    order : Tensor of shape (n,), int64
        Row of the user's data that each particle comes from.
    labels : GaussianLabels or None
        Label distributions where they are free state ("jd-fl", "jd-vl"); None where they are those of the samples.
    """

    classes: np.ndarray
    order: Tensor
    labels: GaussianLabels | None = None

    @classmethod
    def from_arrays(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        *,
        class_weight: str | None = "balanced",
        sample_weight: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Particles:
        """Particles for features `X` (n, d) with labels `y` (n,).

        `class_weight` "balanced" gives every class the same mass, None every sample the same weight; positive
        `sample_weight` (n,) share out a class's mass, or all of it, unevenly.
        """
        classes, codes = np.unique(y, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        weights = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, dtype=float)[order]
        if class_weight == "balanced":
            weights = weights / np.bincount(codes, weights)[codes]
        weights = weights / weights.sum()
        return cls(
            torch.as_tensor(np.asarray(X)[order], dtype=dtype, device=device),
            torch.as_tensor(codes, device=device),
            torch.as_tensor(weights, dtype=dtype, device=device),
            classes,
            torch.as_tensor(order, device=device),
        )

    def in_data_order(self, values: Tensor) -> Tensor:
        """Rows of `values` (n, ...), which go with the particles, in the order of the user's data."""
        return torch.empty_like(values).index_copy_(0, self.order, values)


@dataclass
class Derivative:
    """Value of a functional and its derivatives at the particles' present state."""

    value: Tensor
    """F, a scalar."""
    features: Tensor
    """dF/dx_i, shape (n, d)."""
    labels: GaussianLabels | None = None
    """Gradients in the means and factors of free label distributions; None where F does not depend on them."""
    diffusion: float | None = None
    """Coefficient D of a Brownian motion of variance ``2 D t`` per coordinate, on top of the gradient."""
    curvature: float | None = None
    """A bound: F lies nowhere above the quadratic of this second derivative that touches it at the present state, in
    the metric of the masses (``sum_i a_i ||dx_i||^2``); None where none is known."""


class Functional(ParameterObject, ABC):
    """A functional F of labelled particles, a term of eq. 12.

    Subclasses are parameter objects in scikit-learn's manner: the constructor stores parameters, state lives in what
    :meth:`bind` returns. Each has a ``weight`` that multiplies value and derivatives.
    """

    needs_labels: bool = False
    """Whether the functional says nothing about particles of a single class."""

    def in_coordinates(self, X: np.ndarray, *, rotate: bool) -> tuple[Coordinates, Functional] | None:
        """The functional of the same flow in centred and scaled coordinates; None where lengths mean something.

        `X` (n, d) is where the particles start; `rotate` says whether the axes may be turned.
        """
        return None

    @abstractmethod
    def bind(self, particles: Particles) -> BoundFunctional:
        """Check the parameters against the starting particles and prepare what stays the same during a flow."""


class BoundFunctional(ABC):
    """A functional made ready for one flow; holds what survives from step to step."""

    converged: bool = True
    """Whether the last evaluation is as accurate as asked for."""

    def settle(self) -> bool:
        """A flow would end here: from now on save no work by what is a little out of date; whether any was saved."""
        return False

    def release(self) -> None:  # noqa: B027
        """Let go of what only evaluations need, when a flow has ended; what has been measured stays."""

    @abstractmethod
    def evaluate(self, particles: Particles) -> Derivative:
        """Value and derivatives at the particles' present state, the functional's weight included."""
