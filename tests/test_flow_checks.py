"""Every flow passes every check of flows."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from skflow import ConstrainedFlow, DomainAligner, OTDDFlowTransformer, PseudoLabelFlow
from skflow.functionals import CollapsePotential
from tests._flow_checks import (
    FLOW_CHECKS,
    LABELS,
    UNLABELLED,
    check_failed_first_fit_leaves_nothing,
    check_failed_refit_leaves_all_or_nothing,
    check_offsets,
    check_whole_weight_is_repetition,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {
    "alignment": None,
    "safeguard": False,
    "max_iter": 12,
    "tol": 0.0,
    "random_state": 0,
    "pushforward": LinearRegression(),
}
ALIGNED = {**QUICK, "alignment": DomainAligner(invariance="affine", max_starts=4)}
CONSTRAINED = {name: value for name, value in QUICK.items() if name != "safeguard"}


def pseudo_label_flow(target):
    return PseudoLabelFlow(target, flow=OTDDFlowTransformer(**QUICK), random_state=0)


FLOWS = {
    "OTDDFlowTransformer": (lambda target: OTDDFlowTransformer(target, **QUICK), LABELS),
    "aligned": (lambda target: OTDDFlowTransformer(target, **ALIGNED), LABELS),
    "jd-fl": (lambda target: OTDDFlowTransformer(target, dynamics="jd-fl", **QUICK), LABELS),
    "coupling": (lambda target: OTDDFlowTransformer(target, correspondence="coupling", **QUICK), LABELS),
    "ConstrainedFlow": (
        lambda target: ConstrainedFlow([("flat", CollapsePotential(0))], target, **CONSTRAINED),
        LABELS,
    ),
    "PseudoLabelFlow": (pseudo_label_flow, np.where(np.arange(len(LABELS)) % 3, LABELS, UNLABELLED)),
}
"""What builds a flow towards a target, and the labels that it is fitted with."""

DOES_NOT_APPLY = {
    ("aligned", check_failed_first_fit_leaves_nothing): "a target of another width is one to align with",
    ("aligned", check_failed_refit_leaves_all_or_nothing): "a target of another width is one to align with",
    ("ConstrainedFlow", check_offsets): "where it collapses is measured from the origin",
    ("PseudoLabelFlow", check_whole_weight_is_repetition): "repeated rows are one another's neighbours",
}
"""Checks that ask what a flow cannot promise, and why."""


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, check, id=f"{name}-{check.__name__.removeprefix('check_')}")
        for name in FLOWS
        for check in FLOW_CHECKS
        if (name, check) not in DOES_NOT_APPLY
    ],
)
def test_flow(name, check):
    make, y = FLOWS[name]
    check(make, y)
