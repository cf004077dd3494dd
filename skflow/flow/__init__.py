"""Particle flows (eqs. 16 and 17): dynamics, optimizers and the loop that runs them."""

from ..functionals import Particles
from ._dynamics import DYNAMICS, Dynamics, FeatureDriven
from ._integrate import Flow, integrate
from ._optimizers import OPTIMIZERS, Adam, Euler, Momentum, Optimizer

__all__ = [
    "DYNAMICS",
    "OPTIMIZERS",
    "Adam",
    "Dynamics",
    "Euler",
    "FeatureDriven",
    "Flow",
    "Momentum",
    "Optimizer",
    "Particles",
    "integrate",
]
