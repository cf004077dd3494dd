"""What a flow descends: functionals of labelled particles (eq. 12)."""

from ._base import BoundFunctional, Derivative, Functional, Particles
from ._distance import OTDDFunctional

__all__ = ["BoundFunctional", "Derivative", "Functional", "OTDDFunctional", "Particles"]
