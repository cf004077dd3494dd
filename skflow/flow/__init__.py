"""Particle flows (eqs. 16 and 17): dynamics, optimizers and the loop that runs them."""

from ._derivative import BoundFunctional, Derivative
from ._dynamics import Dynamics, FeatureDriven
from ._integrate import Flow, integrate
from ._joint import JointFixedLabels
from ._noise import EulerMaruyama
from ._optimizers import OPTIMIZERS, Adam, Auto, Euler, Momentum, Optimizer
from ._particles import Particles
from ._variable_labels import JointVariableLabels

DYNAMICS: dict[str, type[Dynamics]] = {"fd": FeatureDriven, "jd-fl": JointFixedLabels, "jd-vl": JointVariableLabels}
"""The dynamics by name."""

__all__ = [
    "DYNAMICS",
    "OPTIMIZERS",
    "Adam",
    "Auto",
    "BoundFunctional",
    "Derivative",
    "Dynamics",
    "Euler",
    "EulerMaruyama",
    "FeatureDriven",
    "Flow",
    "JointFixedLabels",
    "JointVariableLabels",
    "Momentum",
    "Optimizer",
    "Particles",
    "integrate",
]
