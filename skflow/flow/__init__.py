"""Particle flows (eqs. 16 and 17): particles, dynamics, optimizers and the loop that runs them.

Three pieces can be replaced by a user's own: the objective (:class:`BoundFunctional` and its :class:`Derivative`), what
moves (:class:`Dynamics` and :class:`BoundDynamics`) and how fast (:class:`Optimizer` and :class:`Stepper`).
:func:`integrate` knows nothing else of them.
"""

from ._adaptive import Auto
from ._derivative import BoundFunctional, Derivative, checked, rows_where, write_counts
from ._dynamics import BoundDynamics, Dynamics, FeatureDriven
from ._integrate import Flow, Integration, integrate
from ._joint import JointFixedLabels
from ._optimizers import Adam, Euler, Momentum, Optimizer, Stepper
from ._particles import Particles
from ._stopping import StoppingRule
from ._variable_labels import Clusterer, JointVariableLabels

DYNAMICS: dict[str, type[Dynamics]] = {"fd": FeatureDriven, "jd-fl": JointFixedLabels, "jd-vl": JointVariableLabels}
"""The dynamics by name."""

OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": Euler, "momentum": Momentum, "adam": Adam, "auto": Auto}
"""The optimizers by name."""

__all__ = [
    "DYNAMICS",
    "OPTIMIZERS",
    "Adam",
    "Auto",
    "BoundDynamics",
    "BoundFunctional",
    "Clusterer",
    "Derivative",
    "Dynamics",
    "Euler",
    "FeatureDriven",
    "Flow",
    "Integration",
    "JointFixedLabels",
    "JointVariableLabels",
    "Momentum",
    "Optimizer",
    "Particles",
    "StoppingRule",
    "Stepper",
    "checked",
    "integrate",
    "rows_where",
    "write_counts",
]
