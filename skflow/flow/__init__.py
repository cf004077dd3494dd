"""Particle flows (eqs. 16 and 17): dynamics, optimizers and the loop that runs them."""

from ..functionals import Particles
from ._dynamics import Dynamics, FeatureDriven
from ._integrate import Flow, integrate
from ._joint import JointFixedLabels
from ._noise import EulerMaruyama
from ._optimizers import OPTIMIZERS, Adam, Auto, Euler, Momentum, Optimizer
from ._variable_labels import JointVariableLabels

DYNAMICS: dict[str, type[Dynamics]] = {"fd": FeatureDriven, "jd-fl": JointFixedLabels, "jd-vl": JointVariableLabels}
"""The dynamics by name."""

__all__ = [
    "DYNAMICS",
    "OPTIMIZERS",
    "Adam",
    "Auto",
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
