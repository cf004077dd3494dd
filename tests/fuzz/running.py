"""What comes of a case: right, or a fault of some kind."""

import numpy as np
import sklearn
import torch
from sklearn.base import clone

from tests.fuzz import inputs
from tests.fuzz.cases import make_case
from tests.fuzz.oracle import OwnError, attempt, differences, fingerprint, not_finite
from tests.fuzz.subjects import CHEAP, SUBJECTS


def _under(around, call, other):
    """`call()` in other surroundings, which are put back."""
    if around == "float64":
        torch.set_default_dtype(torch.float64)
        try:
            return call()
        finally:
            torch.set_default_dtype(torch.float32)
    if around == "deterministic":
        torch.use_deterministic_algorithms(True)
        try:
            return call()
        finally:
            torch.use_deterministic_algorithms(False)
    context = {
        "no_grad": torch.no_grad,
        "inference_mode": torch.inference_mode,
        "np raise": lambda: np.errstate(all="raise"),
        "pandas out": lambda: sklearn.config_context(transform_output="pandas"),
        "polars out": lambda: sklearn.config_context(transform_output="polars"),
        "assume_finite": lambda: sklearn.config_context(assume_finite=True),
        "routing": lambda: sklearn.config_context(enable_metadata_routing=True),
    }.get(around)
    if context:
        with context():
            return call()
    if around == "again":
        call()
    if around == "after another":
        other()
    return call()


def run_case(seed, index):
    """``(description, fault or None)`` of a case; a fault is a pair of its kind and what came."""
    case = make_case(seed, index)
    subject = SUBJECTS[case.subject]
    words = {*subject.params, *case.params, *CHEAP}
    given = [getattr(case.problem, side) for side in ("X", "y", "X_target", "y_target", "X_new", "weight")]
    before = [fingerprint(value) for value in given]
    params = {name: clone(value, safe=False) if case.around != "own" else value for name, value in case.params.items()}
    problem = case.problem

    def call():
        return subject.call(problem, params)

    def other():
        return subject.call(inputs.problem(np.random.default_rng(1)), {})

    outputs, fault = attempt(lambda: _under(case.around, call, other), words)
    if [fingerprint(value) for value in given] != before:
        return str(case), ("silently wrong", "the input was changed")
    if fault:
        return str(case), fault
    if outputs is None:
        return str(case), _refused(case, subject)
    if bad := not_finite(outputs):
        return str(case), ("not finite", ", ".join(bad))
    if case.base is not None:
        base, fault = attempt(lambda: subject.call(*case.base), words)
        if fault or base is None:
            return str(case), fault
        if case.around == "repeats" or "without weight" in case.twist:
            base = {name: v for name, v in base.items() if v[0] not in ("rows", "row labels") or name == "transform"}
        if wrong := differences(outputs, base, problem, case.rtol):
            return str(case), ("silently wrong", "; ".join(wrong))
    return str(case), None


def _refused(case, subject):
    """A clear error is wrong where the base, which means the same, has an answer."""
    if case.base is None:
        return None
    base, _ = attempt(lambda: subject.call(*case.base), ())
    if (
        base is None
        or (subject.name == "flow, default map" and case.twist == "y as column")
        or case.around in ("polars out", "routing")
    ):
        return None
    _, error = None, None
    try:
        subject.call(case.problem, case.params)
    except Exception as raised:
        error = raised
    if isinstance(error, OwnError):
        return None
    return ("silently wrong", f"refused what is the same as the base: {error}")
