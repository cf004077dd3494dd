"""The base of all functionals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Real

import numpy as np

from .._sklearn import Interval, ParameterObject
from ..flow import BoundFunctional, Particles
from ._coordinates import Coordinates

WEIGHT = [Interval(Real, None, None, closed="neither")]
"""Constraint of a weight, any finite number: a negative one turns a functional round."""


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
