"""What is called beside flows of classes: alignments, several domains, drift, continuous targets and the report."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, Ridge

from skflow import (
    DomainAligner,
    DriftDetector,
    GradualAligner,
    MultiDomainFlow,
    OTDDFlowTransformer,
    Reference,
    RepurposedRegressor,
    alignment,
)
from skflow.inspection import FlowReport, RowsDisplay
from tests.fuzz.oracle import OwnError

CHEAP = {"max_iter": 6, "pushforward": LinearRegression(), "random_state": 0, "reg": 0.1}


def weight_of(p):
    return {} if p.weight is None else {"sample_weight": p.weight}


def _aligned(aligner, p):
    rows = aligner.transform(p.X_new)
    told = {"transform": ("rows", rows), "verdict": ("labels", [aligner.alignment_.verdict])}
    if aligner.alignment_.matrix.shape[0] == aligner.alignment_.matrix.shape[1]:
        told["back"] = ("rows", aligner.inverse_transform(rows))
    return told


def aligner(p, params):
    est = DomainAligner(**{"target": (p.X_target, p.y_target), "random_state": 0, **params})
    return _aligned(est.fit(p.X, p.y, **weight_of(p)), p)


def aligner_blind(p, params):
    est = DomainAligner(**{"target": (p.X_target, p.y_target), "random_state": 0, **params})
    return _aligned(est.fit(p.X, **weight_of(p)), p)


def invariance_of(kind):
    def call(p, params):
        return aligner(p, {"invariance": kind(**params)})

    return call


def gradual(p, params):
    """Rows in two steps, and one more."""
    est = GradualAligner(**{"target": (p.X_target, p.y_target), "random_state": 0, **params})
    est.fit(p.X, sample_domain=np.arange(len(p.X)) % 2).partial_fit(p.X)
    return {"transform": ("rows", est.transform(p.X_new))}


def drift(p, params):
    result = DriftDetector(**{"random_state": 0, "n_permutations": 99, **params}).fit(p.X_target).test(p.X)
    return {"p-value": ("same", result.p_value)}


def domains(p, params):
    """Two domains, and a third one that is added."""
    flow = OTDDFlowTransformer(Reference(p.X_target, p.y_target), **CHEAP)
    est = MultiDomainFlow(**{"flow": flow, "random_state": 0, **params})
    est.fit(p.X, p.y, sample_domain=np.arange(len(p.X)) % 2)
    est.fit_new_domain(p.X, sample_domain="new")
    return {name: ("rows", est.transform(p.X_new, sample_domain=[at] * len(p.X_new))) for name, at in NAMED.items()}


NAMED = {"first": 0, "new": "new"}


def _numbers(y):
    """Numbers for integers; else what was given."""
    return 0.37 * y + 0.1 if isinstance(y, np.ndarray) and y.dtype.kind == "i" else y


def regression_flow(p, params):
    est = OTDDFlowTransformer((p.X_target, _numbers(p.y_target)), **{**CHEAP, **params})
    est.fit(p.X, _numbers(p.y), **weight_of(p))
    return {
        "particles_": ("rows", est.particles_),
        "objective_": ("square", est.objective_),
        "transform": ("rows", est.transform(p.X_new)),
    }


def repurposed_regressor(p, params):
    goal = _numbers(p.y_target)
    try:
        model = Ridge().fit(p.X_target, goal)
    except Exception as error:
        raise OwnError("the model's own fit") from error
    aligner = DomainAligner((p.X_target, goal), random_state=0)
    est = RepurposedRegressor(**{"regressor": model, "flow": aligner, **params}).fit(p.X, _numbers(p.y))
    return {"predict": ("values", est.predict(p.X_new)), "interval": ("values", est.predict_interval(p.X_new))}


def trust(p, params):
    est = OTDDFlowTransformer((p.X_target, p.y_target), **{**CHEAP, **params}).fit(p.X, p.y, **weight_of(p))
    return {"trust": ("same", est.trust(p.X_new))}


def trust_with_model(p, params):
    try:
        model = RandomForestClassifier(5, random_state=0).fit(p.X_target, p.y_target)
    except Exception as error:
        raise OwnError("the model's own fit") from error
    est = OTDDFlowTransformer((p.X_target, p.y_target), **CHEAP).fit(p.X, p.y)
    return {"trust": ("values", est.trust(**{"X": p.X_new, "model": model, **params}))}


def report(p, params):
    aligner = DomainAligner((p.X_target, p.y_target), random_state=0, max_starts=4).fit(p.X, p.y)
    made = FlowReport(**{"flow": aligner, "X": p.X, "y": p.y, **params})
    return {"length": ("same", float(len(made.to_html()) > 100))}


def rows_display(p, params):
    import matplotlib.pyplot as plt

    aligner = DomainAligner((p.X_target, p.y_target), random_state=0, max_starts=4).fit(p.X, p.y)
    try:
        RowsDisplay.from_estimator(**{"estimator": aligner, "X": p.X, **params})
    finally:
        plt.close("all")
    return {}


INVARIANCES = [
    kind
    for kind in vars(alignment).values()
    if isinstance(kind, type) and issubclass(kind, alignment.Invariance) and kind is not alignment.Invariance
]
