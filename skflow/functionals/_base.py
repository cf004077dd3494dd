"""The base of all functionals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from .._sklearn import Interval, ParameterObject
from ..flow import BoundFunctional, Particles

if TYPE_CHECKING:
    from ._span import JointSpan

WEIGHT = [Interval(Real, None, None, closed="neither")]
"""Constraint of a weight, any finite number: a negative one turns a functional round."""


class Functional(ParameterObject, ABC):
    """A functional F of labelled particles, a term of eq. 12.

    Subclasses are parameter objects in scikit-learn's manner: the constructor stores parameters, state lives in what
    :meth:`bind` returns. Each has a ``weight`` that multiplies value and derivatives.
    """

    needs_labels: bool = False
    """Whether the functional says nothing about particles of a single class."""

    def reduced(self, X: np.ndarray) -> tuple[JointSpan, Functional] | None:
        """The functional in fewer coordinates that lose nothing, for particles that start at `X`; None without any."""
        return None

    @abstractmethod
    def bind(self, particles: Particles) -> BoundFunctional:
        """Check the parameters against the starting particles and prepare what stays the same during a flow."""
