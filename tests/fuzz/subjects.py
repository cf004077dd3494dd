"""What is called: every public thing, as a function of a problem and of parameters, and what its answers mean.

Answers have a kind, which says what another unit, another origin or another order of the rows make of them: "rows" are
points, one a row of `X`; "length" and "square" are in units of the features and their squares; "labels" and "row
labels" are names of classes; "row values" are numbers, one a row; "same" does not change.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import numpy as np
from sklearn.cluster import DBSCAN, KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skflow import (
    ConstrainedFlow,
    DomainAligner,
    DriftDetector,
    GradualAligner,
    MultiDomainFlow,
    OTDDFlowTransformer,
    PseudoLabelFlow,
    Reference,
    RepurposedClassifier,
    RepurposedRegressor,
    functionals,
    inspection,
    labelling,
    metrics,
    pushforward,
    transport,
)
from skflow import flow as dynamics_room
from skflow.trajectories import as_training_data
from tests.fuzz import others
from tests.fuzz.oracle import OwnError
from tests.fuzz.others import CHEAP, weight_of

matplotlib.use("Agg")

NEVER = {"max_iter", "max_epochs", "n_flows", "verbose", "self", "image_shape"}
"""Parameters of which a large value is long work that was asked for, and those that have cases of their own."""


@dataclass
class Subject:
    """`call(problem, params)` gives ``{name: (kind, value)}``; `params` are the names that it takes."""

    name: str
    call: Callable
    params: tuple
    takes: tuple = ("X", "y", "X_target", "y_target", "X_new")
    weights: bool = False
    centred: bool = True
    """Whether answers follow units and origin."""


def signature(thing):
    return tuple(name for name in inspect.signature(thing).parameters if name not in NEVER)


def _told(flow, X_new):
    told = {
        "particles_": ("rows", flow.particles_),
        "particle_labels_": ("row labels", flow.particle_labels_),
        "objective_": ("square", flow.objective_),
        "transform": ("rows", flow.transform(X_new)),
    }
    if hasattr(flow, "coupling_"):
        told["coupling_"] = ("same", flow.coupling_)
        told["label_distances_"] = ("square", flow.label_distances_)
    return told


def flow(p, params):
    est = OTDDFlowTransformer((p.X_target, p.y_target), **{**CHEAP, **params})
    return _told(est.fit(p.X, p.y, **weight_of(p)), p.X_new)


def flow_of_fit(p, params):
    params = {name: value for name, value in params.items() if name != "target"}
    est = OTDDFlowTransformer(**{**CHEAP, **params})
    return _told(est.fit(p.X, p.y, X_target=p.X_target, y_target=p.y_target, **weight_of(p)), p.X_new)


def flow_as_it_is(p, params):
    """With the default push-forward."""
    est = OTDDFlowTransformer(Reference(p.X_target, p.y_target), **{**CHEAP, "pushforward": None, **params})
    return _told(est.fit(p.X, p.y, **weight_of(p)), p.X_new)


def constrained(p, params):
    terms = [("otdd", functionals.OTDDFunctional((p.X_target, p.y_target), debias=True, weight=0.5))]
    settings = {"constraints": terms, "target": (p.X_target, p.y_target), **CHEAP, **params}
    return _told(ConstrainedFlow(**settings).fit(p.X, p.y, **weight_of(p)), p.X_new)


def repelled(p, params):
    terms = [("repulsion", functionals.ClassRepulsion()), ("tube", functionals.TubePotential(2.0, weight=5.0))]
    settings = {"constraints": terms, **CHEAP, **params}
    return _told(ConstrainedFlow(**settings).fit(p.X, p.y, **weight_of(p)), p.X_new)


def pseudo(p, params):
    inner = OTDDFlowTransformer(**CHEAP)
    est = PseudoLabelFlow((p.X_target, p.y_target), **{"flow": inner, "random_state": 0, **params})
    est.fit(p.X, _some(p.y), **weight_of(p))
    told = _told(est, p.X_new)
    return {**told, "confidence_": ("row values", est.confidence_)}


def pseudo_blind(p, params):
    inner = OTDDFlowTransformer(**CHEAP)
    est = PseudoLabelFlow((p.X_target, p.y_target), **{"flow": inner, "random_state": 0, **params})
    est.fit(p.X, **weight_of(p))
    return {"particles_": ("rows", est.particles_), "transform": ("rows", est.transform(p.X_new))}


def _some(y):
    """Labels with every third one taken away, where they are plain integers."""
    if isinstance(y, np.ndarray) and y.dtype.kind == "i" and y.ndim == 1:
        return np.where(np.arange(len(y)) % 3 == 2, -1, y)
    return y


def _model(p):
    try:
        return _fitted_model(p)
    except Exception as error:
        raise OwnError("the model's own fit") from error


def _fitted_model(p):
    few = len(np.unique(np.asarray(p.y_target))) < 2
    model = KNeighborsClassifier(1) if few else LogisticRegression(max_iter=300)
    return make_pipeline(StandardScaler(), model).fit(p.X_target, p.y_target)


def repurposed(p, params):
    inner = OTDDFlowTransformer((p.X_target, p.y_target), **CHEAP)
    settings = {"classifier": _model(p), "flow": inner, "n_flows": 2, **params}
    est = RepurposedClassifier(**settings).fit(p.X, p.y)
    return {"predict": ("row labels", est.predict(p.X_new)), "proba": ("same", est.predict_proba(p.X_new))}


def repurposed_blind(p, params):
    inner = OTDDFlowTransformer((p.X_target, p.y_target), **CHEAP)
    settings = {"classifier": _model(p), "flow": inner, "n_flows": 1, **params}
    est = RepurposedClassifier(**settings).fit(p.X)
    return {"proba": ("same", est.predict_proba(p.X_new))}


def otdd(p, params):
    return {"otdd": ("length", metrics.otdd(p.X, p.y, p.X_target, p.y_target, **params))}


def sinkhorn_otdd(p, params):
    return otdd(p, {"reg": 0.05, "debias": True, **params})


def label_distances(p, params):
    return {"distances": ("square", metrics.label_distances(p.X, p.y, p.X_target, p.y_target, **params))}


def class_coupling(p, params):
    return {"coupling": ("same", metrics.class_coupling(p.X, p.y, p.X_target, p.y_target, **params))}


def divergence(p, params):
    weight = {} if p.weight is None else {"sample_weight": p.weight}
    return {"divergence": ("square", metrics.divergence(p.X, p.X_target, p.y_target, **weight, **params))}


def class_proportions(p, params):
    k = len(set(map(str, p.y_target)))
    posterior = np.exp(-np.square(np.asarray(p.X, dtype=float)[:, :1] - np.arange(k)))
    posterior /= posterior.sum(axis=1, keepdims=True)
    settings = {"posterior": posterior, "prior": np.full(k, 1 / k), **weight_of(p), **params}
    return {"proportions": ("same", metrics.class_proportions(**settings))}


def scorers(p, params):
    est = OTDDFlowTransformer((p.X_target, p.y_target), **CHEAP)
    pipe = make_pipeline(est, FrozenEstimator(_model(p))).fit(p.X, p.y)
    est.fit(p.X, p.y)
    return {
        "otdd": ("length", metrics.neg_otdd_scorer(est, p.X, p.y)),
        "divergence": ("square", metrics.neg_divergence_scorer(est, p.X, p.y)),
        "confidence": ("same", metrics.confidence_scorer(pipe, p.X, p.y)),
        "agreement": ("same", metrics.agreement_scorer(pipe, p.X, p.y)),
        "circular": ("same", metrics.circular_scorer(pipe, p.X, p.y)),
    }


def _shrunk(X):
    """Rows nearer to their mean, where they are a table."""
    if not isinstance(X, np.ndarray) or X.dtype.kind != "f" or X.ndim != 2:
        return X
    return 0.3 * X.mean(axis=0) + 0.7 * X


def _regressor(kind, labelled, **small):
    def call(p, params):
        goal = _shrunk(p.X) if labelled else p.X
        labels = {"labels": p.y} if labelled else {}
        est = kind(**{"random_state": 0, **small, **params}).fit(p.X, goal, **labels, **weight_of(p))
        return {"predict": ("rows", est.predict(p.X_new))}

    return call


def image(p, params):
    X = np.tile(np.asarray(p.X, dtype=float)[:, :2], 8)
    settings = {"image_shape": (4, 4), "max_epochs": 2, "random_state": 0, "width": 8, **params}
    est = pushforward.ImagePushForward(**settings).fit(X, X[:, ::-1], labels=p.y, **weight_of(p))
    return {"predict": ("values", est.predict(X[:3]))}


def left_out(p, params):
    settings = {"regressor": LinearRegression(), "random_state": 0, **params}
    return {"left out": ("values", pushforward.left_out_predictions(X=p.X, Z=p.X, labels=p.y, **settings))}


def cluster(p, params):
    est = labelling.SpectralMixture(**{"n_clusters": 2, "random_state": 0, **params})
    return {"clusters": ("values", est.fit_predict(p.X))}


def reference(p, params):
    made = Reference(**{"X": p.X_target, "y": p.y_target, **params})
    return {"length": ("same", len(repr(made)))}


def training_data(p, params):
    est = OTDDFlowTransformer((p.X_target, p.y_target), **{**CHEAP, "keep_trajectory": 3})
    X, y, _ = as_training_data(est.fit(p.X, p.y), **{"samples": "mapped", "X": p.X, "y": p.y, **params})
    return {"X": ("values", X), "y": ("values", y)}


def _functional(kind, **given):
    def call(p, params):
        settings = {**given, **params}
        if kind is functionals.OTDDFunctional:
            settings = {"target": (p.X_target, p.y_target), **settings}
        est = ConstrainedFlow([("term", kind(**settings))], **CHEAP)
        return _told(est.fit(p.X, p.y), p.X_new)

    return call


def _option(where, kind):
    def call(p, params):
        return flow(p, {where: kind(**params), **({"reg": 0.0} if kind is transport.Exact else {})})

    return call


def _display(kind, given, **also):
    def call(p, params):
        import matplotlib.pyplot as plt

        est = OTDDFlowTransformer((p.X_target, p.y_target), **{**CHEAP, "keep_trajectory": 3}).fit(p.X, p.y)
        own = signature(kind.from_estimator)
        made = {name: value for name, value in params.items() if name in own}
        drawn = {name: value for name, value in params.items() if name not in own}
        try:
            if drawn:
                kind.from_estimator(est, **also).plot(**drawn)
            else:
                kind.from_estimator(**{"estimator": est, **also, **made})
        finally:
            plt.close("all")
        return {}

    names = tuple(n for n in (*signature(kind.from_estimator), *signature(kind.plot)) if n not in given)
    return Subject(kind.__name__, call, names, centred=False)


F = functionals
FUNCTIONALS = {
    F.AffinePotential: {"A": [[1.0]], "b": [1.0]},
    F.BoxPotential: {},
    F.ClassRepulsion: {},
    F.CollapsePotential: {"dims": 1},
    F.Entropy: {"weight": 0.1},
    F.InteractionEnergy: {"W": lambda x, y, xx, yy: (x - xx).square().sum(-1)},
    F.InternalEnergy: {"f": 2.0},
    F.MarginPotential: {"w": [1.0]},
    F.NormPotential: {},
    F.OTDDFunctional: {},
    F.PotentialEnergy: {"V": lambda x, y: x.square().sum(1)},
    F.TubePotential: {},
}
BLIND = ("X", "X_target", "y_target", "X_new")
ESTIMATORS = [
    Subject("flow", flow, signature(OTDDFlowTransformer), weights=True),
    Subject("flow, target in fit", flow_of_fit, signature(OTDDFlowTransformer), weights=True),
    Subject("flow, default map", flow_as_it_is, signature(OTDDFlowTransformer), weights=True),
    Subject("constrained", constrained, signature(ConstrainedFlow), weights=True),
    Subject("repelled", repelled, signature(ConstrainedFlow), ("X", "y", "X_new"), weights=True, centred=False),
    Subject("pseudo labels", pseudo, signature(PseudoLabelFlow), weights=True),
    Subject("no labels", pseudo_blind, signature(PseudoLabelFlow), BLIND, weights=True),
    Subject("aligner", others.aligner, signature(DomainAligner), weights=True),
    Subject(
        "aligner, no labels",
        others.aligner_blind,
        signature(DomainAligner),
        ("X", "X_target", "y_target"),
        weights=True,
    ),
    Subject("gradual", others.gradual, signature(GradualAligner), ("X", "X_target", "X_new")),
    Subject("domains", others.domains, signature(MultiDomainFlow)),
    Subject("labels that are numbers", others.regression_flow, signature(OTDDFlowTransformer), weights=True),
    Subject("trust", others.trust, signature(OTDDFlowTransformer)),
    Subject("repurposed", repurposed, signature(RepurposedClassifier)),
    Subject("repurposed, no labels", repurposed_blind, signature(RepurposedClassifier), ("X", "X_target", "y_target")),
]
FUNCTIONS = [
    Subject("otdd", otdd, signature(metrics.otdd)[4:], ("X", "y", "X_target", "y_target")),
    Subject("otdd, entropic", sinkhorn_otdd, signature(metrics.otdd)[4:], ("X", "y", "X_target", "y_target")),
    Subject("label_distances", label_distances, ("label_distance",), ("X", "y", "X_target", "y_target")),
    Subject(
        "class_coupling", class_coupling, signature(metrics.class_coupling)[4:], ("X", "y", "X_target", "y_target")
    ),
    Subject("divergence", divergence, signature(metrics.divergence)[3:], ("X", "X_target", "y_target"), weights=True),
    Subject("class_proportions", class_proportions, signature(metrics.class_proportions), ("y_target",), centred=False),
    Subject("scorers", scorers, ()),
    Subject("drift", others.drift, signature(DriftDetector), ("X", "X_target")),
]
P = pushforward
OTHERS = [
    Subject("Tabular", _regressor(P.TabularPushForward, False), signature(P.TabularPushForward), ("X", "X_new"), True),
    Subject("Tabular, labels", _regressor(P.TabularPushForward, True), signature(P.TabularPushForward), weights=True),
    Subject("Smooth", _regressor(P.SmoothPushForward, False), signature(P.SmoothPushForward), ("X", "X_new"), True),
    Subject("Image", image, signature(P.ImagePushForward), ("X", "y"), True, centred=False),
    Subject("left_out_predictions", left_out, ("regressor", "n_folds", "random_state"), ("X", "y"), centred=False),
    Subject("SpectralMixture", cluster, signature(labelling.SpectralMixture), ("X",), centred=False),
    Subject("Reference", reference, ("X", "y"), ("X_target", "y_target"), centred=False),
    Subject("repurposed, numbers", others.repurposed_regressor, signature(RepurposedRegressor), centred=False),
    Subject("trust, model", others.trust_with_model, ("model",), centred=False),
    Subject("FlowReport", others.report, ("X", "y", "image_shape"), centred=False),
    Subject(
        "RowsDisplay", others.rows_display, ("truth", "image_shape", "n_rows", "n_columns", "names"), centred=False
    ),
    *(
        Subject(kind.__name__, others.invariance_of(kind), signature(kind), centred=False)
        for kind in others.INVARIANCES
    ),
    Subject("as_training_data", training_data, ("flow", "samples", "X", "y"), centred=False),
    *(
        Subject(kind.__name__, _functional(kind, **given), signature(kind), ("X", "y", "X_new"), centred=False)
        for kind, given in FUNCTIONALS.items()
    ),
    *(
        Subject(kind.__name__, _option(where, kind), signature(kind), centred=False)
        for where, kinds in {
            "dynamics": [dynamics_room.JointFixedLabels, dynamics_room.JointVariableLabels],
            "optimizer": [dynamics_room.Adam, dynamics_room.Auto, dynamics_room.Euler, dynamics_room.Momentum],
            "solver": [transport.Dense, transport.Exact, transport.Tiled, transport.MiniBatches],
        }.items()
        for kind in kinds
    ),
    _display(inspection.CouplingDisplay, ("plot_kw",)),
    _display(inspection.ObjectiveDisplay, ("line_kw",)),
    _display(inspection.ParticlesDisplay, (), image_shape=(1, 1)),
    _display(inspection.TrajectoryDisplay, ("plot_kw",)),
]
SUBJECTS = {subject.name: subject for subject in [*ESTIMATORS, *FUNCTIONS, *OTHERS]}

SETTINGS = [
    {},
    {"reg": 0.0},
    {"reg": 1e-4},
    {"reg": 10.0},
    {"label_weight": 0.0},
    {"label_weight": 100.0},
    {"label_distance": "gaussian-diag"},
    {"label_distance": "means"},
    {"label_distance": "exact"},
    {"correspondence": "coupling"},
    {"correspondence": "assignment"},
    {"correspondence": "coupling", "label_weight": 0.0},
    {"correspondence": "coupling", "label_distance": "exact"},
    {"class_weight": None},
    {"class_weight": "estimated"},
    {"mass": 1.0},
    {"mass": 0.7},
    {"alignment": None},
    {"alignment": None, "safeguard": False},
    {"safeguard": False},
    {"alignment": "orthogonal"},
    {"alignment": "affine"},
    {"alignment": "permutation"},
    {"alignment": "monomial"},
    {"fit_inverse_transform": True},
    {"solver": "hierarchical"},
    {"solver": "tiled"},
    {"solver": "exact"},
    {"batch_size": 5},
    {"batch_size": 4, "correspondence": "coupling"},
    {"dynamics": "jd-fl"},
    {"dynamics": "jd-vl"},
    {"dynamics": dynamics_room.JointVariableLabels(KMeans(2, n_init=1, random_state=0), recluster_every=2)},
    {"dynamics": dynamics_room.JointVariableLabels(DBSCAN(0.5, min_samples=2), recluster_every=1)},
    {"optimizer": "adam"},
    {"optimizer": "momentum"},
    {"optimizer": "auto"},
    {"step_size": 1e-6},
    {"step_size": 5.0},
    {"tol": 0.0},
    {"tol": 10.0},
    {"max_particles": 4},
    {"max_particles": 1},
    {"keep_trajectory": 3},
    {"keep_trajectory": 10**30},
    {"max_iter": 1},
]
"""Valid settings of the flows."""
