"""Cases: a subject, a problem, and one thing that is unusual about it; all from a seed and a number."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import polars as pl
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans

from skflow.transport import Dense
from tests.fuzz import inputs
from tests.fuzz.oracle import OwnError
from tests.fuzz.subjects import ESTIMATORS, FUNCTIONS, SETTINGS, SUBJECTS

JUNK = {
    "-1": -1,
    "-1.0": -1.0,
    "0": 0,
    "0.0": 0.0,
    "1": 1,
    "0.5": 0.5,
    "2.5": 2.5,
    "1e-300": 1e-300,
    "1e30": 1e30,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "NaN": np.nan,
    "inf": np.inf,
    "-inf": -np.inf,
    "1j": 1j,
    "None": None,
    "True": True,
    "text": "nonsense",
    "near text": "gausian",
    "no text": "",
    "bytes": b"auto",
    "list": [],
    "numbers": [1, 2],
    "dict": {},
    "mapping": {0: 0},
    "bad mapping": {"a": "b"},
    "tuple": (1, 2),
    "empty tuple": (),
    "array": np.ones(3),
    "table": np.ones((3, 3)),
    "NaNs": np.full(2, np.nan),
    "frame": pd.DataFrame({"a": [1.0]}),
    "object": object(),
    "class": KMeans,
    "clusterer": KMeans(2, n_init=1),
    "function": lambda *args: None,
    "nothing": lambda: None,
    "int64": np.int64(2),
    "float32": np.float32(0.5),
    "0-d array": np.array(0.5),
    "tensor": torch.tensor(0.5),
    "numpy text": np.str_("auto"),
    "random state": np.random.RandomState(0),
    "generator": np.random.default_rng(0),
    "cpu": "cpu",
    "meta": "meta",
    "cuda:99": "cuda:99",
    "set": {1, 2},
    "range": range(2),
}


class Own(BaseEstimator):
    """A user's piece that does what its parameter says, on the call that it is for."""

    def __init__(self, answer=None):
        self.answer = answer

    def fit(self, X, y=None, **kwargs):
        self.n_ = np.shape(y)[1] if np.ndim(y) == 2 else 1
        return None if self.answer == "no fit" else self

    def predict(self, X):
        return OWN[self.answer](len(X), getattr(self, "n_", 1), X)

    def fit_predict(self, X, y=None):
        return self.predict(X) if self.answer not in ("integers", "float labels") else OWN[self.answer](len(X), 1, X)

    predict_proba = predict

    def transform(self, X):
        return X


def _raise(*args):
    raise OwnError("of the user's own")


def _write(n, d, X):
    np.asarray(X)[...] = 0
    return np.asarray(X)


OWN = {
    "raises": _raise,
    "no fit": lambda n, d, X: np.zeros((n, d)),
    "None": lambda n, d, X: None,
    "list": lambda n, d, X: np.zeros((n, d)).tolist(),
    "frame": lambda n, d, X: pd.DataFrame(np.zeros((n, d))),
    "polars": lambda n, d, X: pl.DataFrame(np.zeros((n, d))),
    "one row": lambda n, d, X: np.zeros((1, d)),
    "more rows": lambda n, d, X: np.zeros((n + 1, d)),
    "other width": lambda n, d, X: np.zeros((n, d + 1)),
    "vector": lambda n, d, X: np.zeros(n),
    "transposed": lambda n, d, X: np.zeros((d, n)),
    "3-D": lambda n, d, X: np.zeros((n, d, 1)),
    "NaN": lambda n, d, X: np.full((n, d), np.nan),
    "inf": lambda n, d, X: np.full((n, d), np.inf),
    "text": lambda n, d, X: np.full((n, d), "a"),
    "complex": lambda n, d, X: np.zeros((n, d)) + 1j,
    "objects": lambda n, d, X: np.zeros((n, d), dtype=object),
    "tensor": lambda n, d, X: torch.zeros(n, d),
    "scalar": lambda n, d, X: 0.0,
    "writes": _write,
    "integers": lambda n, d, X: np.arange(n) % 2,
    "float labels": lambda n, d, X: np.arange(n) % 2 + 0.5,
    "noise": lambda n, d, X: np.full(n, -1),
    "one class": lambda n, d, X: np.zeros(n, dtype=int),
    "negative": lambda n, d, X: -np.ones((n, d)),
}


def _potentials():
    return {
        "None": lambda x, y: None,
        "scalar": lambda x, y: x.sum(),
        "float": lambda x, y: 1.0,
        "float64": lambda x, y: x.double().square().sum(1),
        "table": lambda x, y: x.square(),
        "ignores x": lambda x, y: torch.zeros(len(x)),
        "writes": lambda x, y: x.mul_(0).sum(1),
        "NaN": lambda x, y: x.square().sum(1) * float("nan"),
        "log": lambda x, y: x.log().sum(1),
        "numpy": lambda x, y: x.detach().numpy().sum(1),
        "raises": _raise,
        "one argument": lambda x: x.sum(1),
        "integers": lambda x, y: x.sum(1).long(),
        "complex": lambda x, y: x.sum(1) + 1j,
        "detached": lambda x, y: x.detach().sum(1),
    }


@dataclass
class Case:
    """What is run: a subject, a problem with parameters, and what it is compared with."""

    subject: str
    twist: str
    problem: inputs.Problem
    params: dict = field(default_factory=dict)
    base: tuple | None = None
    """Problem and parameters whose answer this one's must follow from."""
    rtol: float = 1e-6
    around: str = ""

    def __str__(self):
        shown = {name: repr(value)[:60] for name, value in self.params.items()}
        return f"{self.subject} | {self.twist} | {shown}"


def _pick(rng, things):
    things = list(things)
    return things[rng.integers(len(things))]


def _settings(rng, subject):
    """Valid settings of a flow, often the default ones."""
    if subject.name not in FLOWS or rng.random() < 0.3:
        return {}
    return dict(_pick(rng, SETTINGS))


FLOWS = ["flow", "flow, target in fit", "flow, default map", "constrained"]
BASED = [subject for subject in [*ESTIMATORS, *FUNCTIONS] if subject.centred]
DRAWN = {"batch_size", "max_particles", "mass"}
"""Parameters that draw rows at random, so that their order matters, or leave rows where they are."""


def units(rng, p):
    subject = _pick(rng, [*BASED, SUBJECTS["Tabular, labels"], SUBJECTS["Smooth"]])
    params = _settings(rng, subject)
    unit = 10.0 ** rng.uniform(-30, 30) if rng.random() < 0.7 else 1.0
    far = 10.0 ** rng.uniform(0, 9) * rng.normal(size=p.X.shape[1]) if rng.random() < 0.6 else 0.0
    if "no labels" in subject.name or subject.name == "domains":  # far apart, columns tell their order: others follow
        far = far if np.isscalar(far) else np.full_like(far, far[0])
    if params.get("dynamics") == "jd-vl" or "DBSCAN" in repr(params):
        params = {}  # its radius is a length
    if subject.name in [*FLOWS, "trust"] and not np.isscalar(
        far
    ):  # and so which class of maps makes sense: it is named
        params.setdefault("alignment", "similarity")
    if subject.name == "aligner" and not np.isscalar(far):
        params.setdefault("invariance", "similarity")
    if params.get("reg") == 1e-4:  # what `tol` leaves open may differ by the last digit: the problem solved may not
        params["solver"] = Dense(tol=1e-8, max_iter=20_000)
    rtol = 1e-3 if np.abs(far).max() > 1e6 else 1e-4
    twin = inputs.moved(p, unit, unit * far)
    return Case(subject.name, f"unit {unit:.1e}, offset {np.abs(far).max():.1e}", twin, params, (p, params), rtol)


def containers(rng, p):
    subject = _pick(rng, BASED)
    params = _settings(rng, subject)
    name = _pick(rng, inputs.TABLES)
    convert = inputs.TABLES[name]
    twin = replace(p, **{side: convert(getattr(p, side)) for side in ("X", "X_target", "X_new")})
    return Case(subject.name, f"X as {name}", twin, params, (p, params), 1e-9)


def one_container(rng, p):
    subject = _pick(rng, SUBJECTS.values())
    side = _pick(rng, ("X", "X_target", "X_new"))
    kinds = {**inputs.TABLES, **inputs.LOSSY_TABLES, **inputs.NO_TABLES}
    name = _pick(rng, kinds)
    return Case(subject.name, f"{side} as {name}", replace(p, **{side: kinds[name](getattr(p, side))}))


def values(rng, p):
    subject, name = _pick(rng, SUBJECTS.values()), _pick(rng, inputs.VALUES)
    sides = _pick(rng, (("X",), ("X_target",), ("X_new",), ("X", "X_target"), ("X", "X_target", "X_new")))
    twin = replace(p, **{side: inputs.VALUES[name](getattr(p, side)) for side in sides})
    return Case(subject.name, f"{', '.join(sides)}: {name}", twin, _settings(rng, subject))


def alphabets(rng, p):
    subject = _pick(rng, [s for s in BASED if "y_target" in s.takes])
    params, k = _settings(rng, subject), len(np.unique(p.y))
    name = _pick(rng, [n for n in inputs.ALPHABETS if k == 2 or "bools" not in n])
    alphabet = inputs.ALPHABETS[name](k)
    names = dict(zip(range(k), alphabet.tolist()))
    twin = replace(p, y=alphabet[p.y], y_target=alphabet[p.y_target], names=names)
    if "pseudo" in subject.name or DRAWN & set(params) or name == "turned" or "labels" in subject.name:
        return Case(subject.name, f"labels {name}", twin, params)
    if "object" in name and subject.name in ("scorers", "repurposed"):
        return Case("flow", f"labels {name}", twin, {}, (p, {}))  # the model would refuse them
    keeps = name not in ("text", "empty text")
    return Case(subject.name, f"labels {name}", twin, params, (p, params) if keeps else None)


def label_containers(rng, p):
    subject = _pick(rng, BASED)
    params, k = _settings(rng, subject), len(np.unique(p.y))
    alphabet = inputs.ALPHABETS[_pick(rng, ("large", "digits as text", "object text", "from one"))](k)
    name = _pick(rng, inputs.LABEL_CONTAINERS)
    convert = inputs.LABEL_CONTAINERS[name]
    base = replace(p, y=alphabet[p.y], y_target=alphabet[p.y_target])
    twin = replace(base, y=convert(base.y), y_target=convert(base.y_target))
    if subject.name in ("pseudo labels", "labels that are numbers"):
        base = None
    return Case(subject.name, f"y as {name}", twin, params, base and (base, params), 1e-9)


def no_labels(rng, p):
    subject, name = _pick(rng, SUBJECTS.values()), _pick(rng, inputs.NO_LABELS)
    sides = _pick(rng, (("y",), ("y_target",), ("y", "y_target")))
    twin = replace(p, **{side: inputs.NO_LABELS[name](getattr(p, side)) for side in sides})
    return Case(subject.name, f"{', '.join(sides)}: {name}", twin, _settings(rng, subject))


def shapes(rng, p):
    subject = _pick(rng, SUBJECTS.values())
    params = _settings(rng, subject)
    n, m = rng.integers(1, 4, size=2)
    kind = _pick(rng, ("few rows", "few target rows", "few both", "one column", "wide", "classes", "one a class"))
    rows, goals = p.X, p.X_target
    twin = p
    if kind in ("few rows", "few both"):
        twin = replace(twin, X=rows[:n], y=p.y[:n])
    if kind in ("few target rows", "few both"):
        twin = replace(twin, X_target=goals[:m], y_target=p.y_target[:m])
    if kind == "one column":
        twin = replace(p, X=rows[:, :1], X_target=goals[:, :1], X_new=p.X_new[:, :1])
    if kind == "wide":
        wide = rng.normal(size=(p.X.shape[1], 60))
        twin = replace(p, X=rows @ wide, X_target=goals @ wide, X_new=p.X_new @ wide)
    if kind == "classes":
        k, d = 60, p.X.shape[1]
        y = np.repeat(np.arange(k), 2)
        X = rng.normal(size=(2 * k, d)) + y[:, None]
        twin = replace(p, X=X, y=y, X_target=X[::-1] + 1, y_target=y[::-1], X_new=X[:3])
    if kind == "one a class":
        k = len(np.unique(p.y))
        twin = replace(p, X=rows[:k], y=np.arange(k), X_target=goals[:k], y_target=np.arange(k))
    return Case(subject.name, f"{kind}: {np.shape(twin.X)}, target {np.shape(twin.X_target)}", twin, params)


def orders(rng, p):
    drawn = ("no labels", "pseudo labels", "repurposed, no labels", "flow, default map", "domains", "gradual", "drift")
    subject = _pick(rng, [s for s in BASED if s.name not in drawn])
    params = _settings(rng, subject)
    twin = inputs.reordered(p, rng.permutation(len(p.X)))
    if DRAWN & set(params) or params.get("reg") == 1e-4 or "Joint" in repr(params) or params.get("dynamics") == "jd-vl":
        params = {}
    return Case(subject.name, "rows in another order", twin, params, (p, params), 1e-3)


def parameters(rng, p):
    subject = _pick(rng, [subject for subject in SUBJECTS.values() if subject.params])
    name = _pick(rng, subject.params)
    junk = _pick(rng, JUNK)
    return Case(subject.name, f"{name}={junk}", p, {name: JUNK[junk]})


def settings(rng, p):
    subject = SUBJECTS[_pick(rng, FLOWS)]
    one, other = _pick(rng, SETTINGS), _pick(rng, SETTINGS)
    return Case(subject.name, "valid settings", p, {**one, **other})


def weights(rng, p):
    subject = _pick(rng, [s for s in SUBJECTS.values() if s.weights])
    params = _settings(rng, subject)
    kind = _pick(rng, ("junk", "junk", "repeats", "absent", "constant"))
    n = len(p.X)
    if kind == "junk":
        name = _pick(rng, inputs.WEIGHTS)
        return Case(subject.name, f"sample_weight: {name}", replace(p, weight=inputs.WEIGHTS[name](n)), params)
    based = [s for s in BASED if s.weights and s.name not in ("no labels", "pseudo labels", "flow, default map")]
    subject = _pick(rng, based)
    # An exact plan is not unique between rows that are the same, and one of a class of its own.
    free = (DRAWN | {"dynamics", "reg", "solver"}) & set(params)
    params = {} if free or subject.name not in FLOWS else params
    if kind == "constant":
        return Case(subject.name, "constant weights", replace(p, weight=np.full(n, 3.0)), params, (p, params))
    if kind == "absent":
        # Rows of the base's classes all stay; the twin has more rows without weight.
        more = rng.permutation(n)[:3]
        twin = replace(p, X=np.r_[p.X, p.X[more] + 9], y=np.r_[p.y, p.y[more]], weight=np.r_[np.ones(n), np.zeros(3)])
        return Case(subject.name, "rows without weight", twin, params, (p, params))
    twice = rng.permutation(n)[:3]
    twin = replace(p, weight=np.ones(n) + np.isin(np.arange(n), twice))
    base = replace(p, X=np.r_[p.X, p.X[twice]], y=np.r_[p.y, p.y[twice]])
    # Classes of other sizes are solved in other groups, and each group refreshes its label distances by a rule of its
    # own: on the way objectives are as near to one another as `refresh_tol` of the functional says.
    return Case(subject.name, "weights for repeats", twin, params, (base, params), 1e-2, around="repeats")


def own_pieces(rng, p):
    kind = _pick(rng, ("pushforward", "clusterer", "pseudo clusterer", "model", "potential", "interaction", "target"))
    name = _pick(rng, OWN)
    if kind == "pushforward":
        return Case(_pick(rng, FLOWS), f"pushforward that {name}", p, {"pushforward": Own(name)}, around="own")
    if kind == "clusterer":
        from skflow.flow import JointVariableLabels

        dynamics = JointVariableLabels(Own(name), recluster_every=2)
        return Case("flow", f"dynamics' clusterer: {name}", p, {"dynamics": dynamics})
    if kind == "pseudo clusterer":
        return Case("no labels", f"clusterer: {name}", p, {"clusterer": Own(name)})
    if kind == "model":
        model = Own(name)
        model.classes_, model.n_ = np.unique(p.y_target), len(np.unique(p.y_target))
        params = {"classifier": model if rng.random() < 0.5 else model.predict}
        return Case(_pick(rng, ("repurposed", "repurposed, no labels")), f"model: {name}", p, params, around="own")
    if kind == "target":
        answers = {
            "None": lambda X, y: None,
            "raises": _raise,
            "one": lambda X, y: X,
            "three": lambda X, y: (X, y, y),
            "no arguments": lambda: None,
            "writes": lambda X, y: (X.__imul__(0.5), y),
            "lists": lambda X, y: (X.tolist(), y.tolist()),
            "short": lambda X, y: (X, y[1:]),
        }
        name = _pick(rng, answers)
        return Case(
            _pick(rng, ("flow", "constrained", "pseudo labels")), f"target: {name}", p, {"target": answers[name]}
        )
    if kind == "interaction":
        pairs = {
            "None": lambda *a: None,
            "scalar": lambda x, y, xx, yy: (x - xx).sum(),
            "vector": lambda x, y, xx, yy: torch.zeros(3),
            "NaN": lambda x, y, xx, yy: (x - xx).norm(dim=-1) * float("nan"),
            "norm": lambda x, y, xx, yy: (x - xx).norm(dim=-1),
            "raises": _raise,
        }
        name = _pick(rng, pairs)
        return Case("InteractionEnergy", f"W: {name}", p, {"W": pairs[name]})
    potentials = _potentials()
    name = _pick(rng, potentials)
    return Case("PotentialEnergy", f"V: {name}", p, {"V": potentials[name]})


SURROUNDINGS = (
    "float64",
    "no_grad",
    "inference_mode",
    "np raise",
    "pandas out",
    "polars out",
    "deterministic",
    "one thread",
    "assume_finite",
    "routing",
    "again",
    "after another",
    "clone",
    "subclass",
)


def surroundings(rng, p):
    subject = _pick(rng, BASED)
    params = _settings(rng, subject)
    around = _pick(rng, SURROUNDINGS)
    rtol = 1e-12 if around != "one thread" else 1e-9
    return Case(subject.name, f"under {around}", p, params, (p, params), rtol, around)


TWISTS = {
    units: 8,
    containers: 6,
    one_container: 10,
    values: 12,
    alphabets: 6,
    label_containers: 6,
    no_labels: 10,
    shapes: 8,
    orders: 4,
    parameters: 25,
    settings: 6,
    weights: 8,
    own_pieces: 8,
    surroundings: 6,
}


def make_case(seed, index):
    rng = np.random.default_rng([seed, index])
    share = np.cumsum(list(TWISTS.values()))
    twist = list(TWISTS)[np.searchsorted(share, rng.integers(share[-1]), side="right")]
    return twist(rng, inputs.problem(rng))
