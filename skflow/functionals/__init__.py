"""What a flow descends: functionals of labelled particles (eq. 12)."""

from ._base import BoundFunctional, Derivative, Functional, Particles
from ._bound_distance import BoundOTDD
from ._class_presets import AffinePotential, MarginPotential
from ._coordinates import Coordinates
from ._distance import OTDDFunctional
from ._interaction import ClassRepulsion, InteractionEnergy
from ._internal import Entropy, InternalEnergy
from ._potential import PotentialEnergy
from ._presets import BoxPotential, CollapsePotential, NormPotential, TubePotential
from ._sum import FunctionalSum

__all__ = [
    "AffinePotential",
    "BoundFunctional",
    "BoundOTDD",
    "BoxPotential",
    "ClassRepulsion",
    "CollapsePotential",
    "Coordinates",
    "Derivative",
    "Entropy",
    "Functional",
    "FunctionalSum",
    "InteractionEnergy",
    "InternalEnergy",
    "MarginPotential",
    "NormPotential",
    "OTDDFunctional",
    "Particles",
    "PotentialEnergy",
    "TubePotential",
]
