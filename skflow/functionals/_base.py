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
    """A functional F of labelled particles, a term of eq. 12: a configured option.

    A new one subclasses this and :class:`~skflow.flow.BoundFunctional`. Its constructor stores parameters, which
    ``_parameter_constraints`` declare; state lives in what :meth:`bind` returns. It has a ``weight`` that multiplies
    value and derivatives. Lengths among its parameters are in the units of the user's data.

    Examples
    --------
    The mean of all particles is drawn to the origin, ``F = weight / 2 ||sum_i a_i x_i||^2``:

    >>> import numpy as np
    >>> from skflow.flow import BoundFunctional, Derivative, Particles
    >>> from skflow.functionals import WEIGHT, Functional
    >>> class Centred(Functional):
    ...     _parameter_constraints = {"weight": WEIGHT}
    ...     def __init__(self, *, weight=1.0):
    ...         self.weight = weight
    ...     def bind(self, particles):
    ...         self.validate()
    ...         return BoundCentred(self.weight)
    >>> class BoundCentred(BoundFunctional):
    ...     def __init__(self, weight):
    ...         self.weight = weight
    ...     def evaluate(self, particles):
    ...         mean = particles.a @ particles.x
    ...         value = self.weight / 2 * mean @ mean
    ...         return Derivative(value, self.weight * particles.a[:, None] * mean)
    >>> particles = Particles.from_arrays(np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([0, 1]))
    >>> Centred().bind(particles).evaluate(particles).value.item()
    1.0
    """

    weight: float

    @property
    def needs_labels(self) -> bool:
        """Whether the functional says nothing about particles of a single class."""
        return False

    def in_coordinates(self, X: np.ndarray, *, rotate: bool) -> tuple[Coordinates, Functional] | None:
        """The functional of the same flow in centred and scaled coordinates; None where lengths mean something.

        `X` (n, d) is where the particles start; `rotate` says whether the axes may be turned.
        """
        return None

    @abstractmethod
    def bind(self, particles: Particles) -> BoundFunctional:
        """Check the parameters against the starting particles and prepare what stays the same during a flow.

        Raises
        ------
        ValueError
            That names the parameter and the value received.
        """
