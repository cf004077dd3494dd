"""Does a flow ahead of a frozen model ever make it worse, and do scores without labels tell?

Five kinds of frozen models, data sets and shifts (see ``_harm_cases.py``), and four regimes of labels: full, 5 a class
with the rest unlabelled, none, and 8 rows a class in all. One default setting throughout. Figures are points of
accuracy on unseen rows beside the frozen model alone, the mean over seeds; the worst is over cases and models.

    python benchmarks/no_harm.py [--data DIR] [--seeds 0 1] [--quick] [--regimes full five none eight scorers]
                                 [--sets digits tables heart fashion usps letters] [--details]

skada is compared with where it is installed.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
import ot.da
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import _harm_cases as cases
from _protocol import add_data_argument, few_labels
from _tables import markdown
from frozen_accuracy import SINKHORN
from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.metrics import (
    agreement_scorer,
    circular_scorer,
    confidence_scorer,
    neg_divergence_scorer,
    neg_misfit_scorer,
    neg_otdd_scorer,
)
from skflow.safeguard import CentralRange

try:
    import skada
    import skada.metrics
    import sklearn

    sklearn.set_config(enable_metadata_routing=False)  # which importing skada switches on, for everybody
except ImportError:
    skada = None

FEW, EIGHT = 5, 8
FROM_FILES = ("heart", "fashion", "usps", "letters")
REGS = (0.005, 0.05, 0.2, 1.0)


class Record:
    """Accuracies by regime, method, case and model, and what else the tables are made of."""

    def __init__(self):
        self.accuracy, self.left, self.ratios, self.ranks, self.below_best = {}, {}, [], {}, {}

    def add(self, regime, method, case, model, accuracy):
        key = (case.name, case.kind, model)
        self.accuracy.setdefault(regime, {}).setdefault(method, {}).setdefault(key, []).append(accuracy)

    def add_moved(self, regime, method, case, moved):
        """Accuracies of all frozen models on rows that were moved."""
        moved = np.asarray(moved)
        usable = moved.shape == case.X_test.shape and np.isfinite(moved).all()
        for name, model in case.home.models.items():
            score = model.score(moved, case.y_test) if usable else 1 / len(np.unique(case.y))
            self.add(regime, method, case, name, score)

    def gains(self, regime, method, kinds=None):
        """Points beside the frozen model alone, mean over seeds, by case and model."""
        frozen = self.accuracy[regime]["frozen"]
        return {
            key: 100 * (np.mean(values) - np.mean(frozen[key]))
            for key, values in self.accuracy[regime][method].items()
            if kinds is None or key[1] in kinds
        }


def peers(case, labelled):
    """What else moves rows: name and rows of the test part; `labelled` gives both labels to those that take them."""
    X, rows, home = case.X.astype(float), case.X_test.astype(float), case.home
    X_home = home.X.astype(float)
    own, other = (Z.std(axis=0) + 1e-2 * Z.std() for Z in (X, X_home))
    yield "z-scores of each domain", (rows - X.mean(axis=0)) / own * other + X_home.mean(axis=0)
    yield "CORAL", _coral(X, X_home)(rows)
    for name, transport, takes_labels in (
        ("POT, Gaussian", ot.da.LinearTransport(reg=1e-3), False),
        ("POT, Sinkhorn", ot.da.SinkhornTransport(**SINKHORN, max_iter=200, out_of_sample_map="ferradans"), labelled),
    ):
        labels = {"ys": case.y, "yt": home.y} if takes_labels else {}
        yield name, _attempt(lambda t=transport, ys=labels: t.fit(Xs=X, Xt=X_home, **ys).transform(Xs=rows))
    for name, adapter in skada_adapters():
        both = np.concatenate([X, X_home])
        domain = np.concatenate([np.ones(len(X)), np.full(len(X_home), -2)]).astype(int)
        y = np.concatenate([case.y, home.y]) if labelled else np.concatenate([np.zeros(len(X)), np.zeros(len(X_home))])

        def carried(adapter=adapter, both=both, y=y, domain=domain):
            fitted = adapter.fit(both, y.astype(int), sample_domain=domain)
            moved = fitted.transform(rows, sample_domain=np.ones(len(rows), dtype=int), allow_source=True)
            # It brings both domains to a common centre; models stay where the target is.
            return moved + X_home.mean(axis=0) if "CORAL" in type(adapter).__name__ else moved

        yield name, _attempt(carried)


def skada_adapters():
    if skada is None:
        return
    yield "skada, CORAL", skada.CORALAdapter()
    yield "skada, linear OT", skada.LinearOTMappingAdapter(reg=1e-3)
    yield "skada, entropic OT", skada.EntropicOTMappingAdapter(reg_e=0.05, norm="median", max_iter=200)


def _coral(X, X_home):
    def root(C, power):
        values, vectors = np.linalg.eigh(C + 1e-3 * np.trace(C) / len(C) * np.eye(len(C)))
        return (vectors * np.maximum(values, 1e-12) ** power) @ vectors.T

    turn = root(np.cov(X.T), -0.5) @ root(np.cov(X_home.T), 0.5)
    return lambda rows: (rows - X.mean(axis=0)) @ turn + X_home.mean(axis=0)


def _attempt(carry):
    try:
        return carry()
    except (ValueError, IndexError, np.linalg.LinAlgError):  # NaN in a plan; counted as chance
        return np.full((1, 1), np.nan)


def retrained(record, regime, case, X, y):
    """The models' own kind, trained on the labelled rows of the source."""
    for name in case.home.names:
        record.add(regime, "retrained", case, name, clone(cases.MODELS[name]).fit(X, y).score(case.X_test, case.y_test))


def repurposed(record, regime, case, X, y):
    """The classifier that asks the frozen model."""
    target = Reference(case.home.X, case.home.y)
    for name, model in case.home.models.items():
        flow = OTDDFlowTransformer(target, random_state=0)
        answers = RepurposedClassifier(FrozenEstimator(model), flow).fit(X, y).predict(case.X_test)
        record.add(regime, "**skflow, RepurposedClassifier**", case, name, np.mean(answers == case.y_test))


def full(record, case, options):
    fitted = OTDDFlowTransformer(Reference(case.home.X, case.home.y), random_state=0)
    moved(record, "full", case, fitted, case.X, case.y)
    retrained(record, "full", case, case.X, case.y)
    if not options.bare:
        for name, rows in peers(case, labelled=True):
            record.add_moved("full", name, case, rows)
    if case.name in TIMED:
        record.ratios.append(_time(fitted, case) / _time(clone(fitted).set_params(safeguard=False), case))


def _time(flow, case):
    start = time.perf_counter()
    clone(flow).fit(case.X, case.y)
    return time.perf_counter() - start


def five(record, case, options):
    known = few_labels(case.y, min(FEW, np.bincount(case.y)[np.unique(case.y)].min()), options.seed)
    flow = PseudoLabelFlow(Reference(case.home.X, case.home.y), random_state=0)
    moved(record, "five", case, flow, case.X, known)
    retrained(record, "five", case, case.X[known >= 0], known[known >= 0])
    if options.repurposed:
        repurposed(record, "five", case, case.X, known)


def none(record, case, options):
    flow = PseudoLabelFlow(Reference(case.home.X, case.home.y), random_state=0)
    moved(record, "none", case, flow, case.X, None)
    if not options.bare:
        for name, rows in peers(case, labelled=False):
            record.add_moved("none", name, case, rows)
    if options.repurposed:
        repurposed(record, "none", case, case.X, None)


def eight(record, case, options):
    known = few_labels(case.y, min(EIGHT, np.bincount(case.y)[np.unique(case.y)].min()), options.seed)
    X, y = case.X[known >= 0], known[known >= 0]
    moved(record, "eight", case, OTDDFlowTransformer(Reference(case.home.X, case.home.y), random_state=0), X, y)
    retrained(record, "eight", case, X, y)
    if options.repurposed:
        repurposed(record, "eight", case, case.X, known)


def moved(record, regime, case, flow, X, y):
    """Ours: the accuracies, whether rows were left, and how far the choice is below the best candidate."""
    start = time.perf_counter()
    flow.fit(X, y)
    record.add_moved(regime, "frozen", case, case.X_test)
    record.add_moved(regime, "**skflow, the flow**", case, flow.transform(case.X_test))
    decision = flow.decision_
    left = decision is not None and decision.chosen.name == "leave"
    if case.kind == "none":
        record.left.setdefault(regime, []).append(left)
    if decision is not None:
        inner = getattr(flow, "flow_", flow)
        by_candidate = {}
        for choice in decision.table:
            rows = candidate(inner, choice, case.X_test)
            by_candidate[choice.name] = [m.score(rows, case.y_test) for m in case.home.models.values()]
        best, taken = max(np.mean(v) for v in by_candidate.values()), np.mean(by_candidate[decision.chosen.name])
        record.below_best.setdefault(regime, {}).setdefault((case.name, case.kind), []).append(100 * (best - taken))
        if DETAILS:
            print(
                f"{regime} {case.name}: {decision.chosen.name!r} of "
                + ", ".join(
                    f"{c.name} {c.score:.3f}±{c.standard_error:.3f} → {100 * np.mean(by_candidate[c.name]):.1f}"
                    for c in decision.table
                )
                + (f" floor {decision.floor:.3f}" if decision.floor is not None else "")
                + f" ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )


DETAILS = False


def candidate(flow, choice, X):
    """Rows as a candidate of the decision moves them."""
    if choice.share is None:
        return CentralRange(flow.target_.X)(X) if choice.name == "range" else X
    rows = X if flow.aligner_ is None else np.asarray(flow.aligner_.transform(X)).astype(X.dtype)
    if choice.share == 0:
        return rows
    return rows + choice.share * (np.asarray(flow.pushforward_.predict(rows.copy())) - rows)


class Moved(Pipeline):
    """A frozen model of rows that are moved already, which skada's scorers ask with domains."""

    def predict_proba(self, X, **_):
        return super().predict_proba(X)

    def predict_log_proba(self, X, **_):
        return super().predict_log_proba(X)

    def predict(self, X, **_):
        return super().predict(X)


def scorers(record, case, options):
    """Rank correlation of scores without labels and true accuracy, over strengths of regularisation and candidates."""
    target = Reference(case.home.X, case.home.y)
    rows, model = case.X_test, case.home.models["logistic"]
    ours = {
        "misfit": neg_misfit_scorer,
        "divergence": neg_divergence_scorer,
        "agreement": agreement_scorer,
        "circular": circular_scorer,
        "confidence": confidence_scorer,
        "OTDD": neg_otdd_scorer,
    }
    found, accuracy, right = {}, [], []
    for reg in REGS[1:2] if options.quick else REGS:
        flow = PseudoLabelFlow(target, flow=OTDDFlowTransformer(reg=reg, safeguard=False), random_state=0).fit(case.X)
        shares = (None, 0.0, 0.5, 1.0) if reg == 0.05 else (1.0,)
        for share in shares:
            carrier = Carried(flow, share, target)
            pipe = make_pipeline(carrier, FrozenEstimator(model))
            right.append(pipe.predict(rows) == case.y_test)
            accuracy.append(right[-1].mean())
            for name, scorer in ours.items():
                found.setdefault(f"**skflow, {name}**", []).append(scorer(pipe, rows))
            for name, value in skada_scores(model, case.home, carrier.transform(rows)):
                found.setdefault(f"skada, {name}", []).append(value)
    if np.ptp(accuracy) >= 0.02:  # else there is nothing to choose
        for name, values in found.items():
            rank = spearmanr(values, accuracy).statistic if np.ptp(values) > 0 else 0.0
            record.ranks.setdefault(name, {}).setdefault(case.name, []).append(rank)
        record.ranks.setdefault(CEILING, {}).setdefault(case.name, []).append(_half_for_half(np.array(right)))


CEILING = "half of the rows with their labels, for the other half"


def _half_for_half(right, n_splits=20):
    """How well even labels rank candidates, so few unseen rows and so near to one another as these are."""
    ranks = []
    for split in range(n_splits):
        half = np.random.RandomState(split).permutation(right.shape[1]) < right.shape[1] // 2
        sides = right[:, half].mean(axis=1), right[:, ~half].mean(axis=1)
        ranks.append(spearmanr(*sides).statistic if min(map(np.ptp, sides)) > 0 else 0.0)
    return float(np.mean(ranks))


class Carried:
    """A fitted flow of which a share is used."""

    def __init__(self, flow, share, target):
        self.flow, self.share, self.target_, self.name = flow.flow_, share, target, ""
        self.label_map_ = flow.label_map_

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return candidate(self.flow, self, X)


def skada_scores(model, home, rows):
    if skada is None:
        return
    pipe = Moved([("rows", FunctionTransformer()), ("model", FrozenEstimator(model))])
    X = np.concatenate([home.X, rows]).astype(float)
    y = np.concatenate([home.y, np.full(len(rows), -1)])
    domain = np.concatenate([np.ones(len(home.X)), np.full(len(rows), -2)]).astype(int)
    kinds = {
        "prediction entropy": skada.metrics.PredictionEntropyScorer,
        "soft neighbourhood density": skada.metrics.SoftNeighborhoodDensity,
        "deep embedded validation": partial(skada.metrics.DeepEmbeddedValidation, random_state=0),
        "MaNo": skada.metrics.MaNoScorer,
        "MixVal": partial(skada.metrics.MixValScorer, random_state=0),
    }
    for name, kind in kinds.items():
        try:
            with sklearn.config_context(enable_metadata_routing=True):
                value = float(kind()._score(None, pipe, X, y, sample_domain=domain))
        except (ValueError, TypeError, AttributeError, AssertionError, IndexError):  # it does not run on these
            continue
        yield name, value if np.isfinite(value) else -1e300


def points(value):
    return f"{value:.1f}"


def print_tables(record, seeds):
    for regime, methods in record.accuracy.items():
        rows = []
        for method in methods:
            gains, of = record.gains(regime, method), list(methods[method].values())
            worst = min(gains, key=gains.get)
            cells = [100 * np.mean([np.mean(v) for v in of]), np.mean(list(gains.values())), gains[worst]]
            for kinds in (("none",), ("geometric", "frequencies"), ("other",), ("hospital",)):
                part = list(record.gains(regime, method, kinds).values())
                cells += [np.mean(part), min(part)] if part else [None, None]
            rows.append([method, *("" if cell is None else points(cell) for cell in cells)])
            if "skflow" in method:
                lowest = sorted(gains.items(), key=lambda item: item[1])[:6]
                print(f"{regime}, {method.strip('*')}: " + ", ".join(f"{k[0]} ({k[2]}) {v:.1f}" for k, v in lowest))
        print(f"\n### Labels: {regime}; points beside the frozen models (seeds: {seeds})\n")
        header = ["", "accuracy", "gain", "worst", "none", "worst ", "geometric, frequencies", "worst  "]
        print(markdown([*header, "other", "worst   ", "hospitals", "worst    "], rows), flush=True)
    if record.left:
        print("\n### Nothing shifted: share of the fits that leave rows as they are, %\n")
        print(markdown(["", "left"], [[k, points(100 * np.mean(v))] for k, v in record.left.items()]))
    if record.below_best:
        print("\n### Points by which the choice is below the best of its candidates, mean and worst case\n")
        rows = []
        for regime, by in record.below_best.items():
            values = [np.mean(v) for v in by.values()]
            geometric = [np.mean(v) for key, v in by.items() if key[1] in ("geometric", "frequencies")]
            cells = [np.mean(values), max(values), max(geometric, default=np.nan)]
            rows.append([regime, *(points(v) if np.isfinite(v) else "" for v in cells)])
        print(markdown(["", "mean", "worst", "worst, geometric, frequencies"], rows))
    if record.ratios:
        print("\n### Seconds of a fit with the safeguard over one without\n")
        ratios = [f"{value:.2f}" for value in (np.median(record.ratios), max(record.ratios))]
        print(markdown(["", "median", "worst"], [["ratio", *ratios]]))
    if record.ranks:
        print("\n### Scorers without labels: Spearman with the true accuracy over regularisations and candidates\n")
        rows = []
        for name, by in record.ranks.items():
            values = [np.mean(v) for v in by.values()]
            rows.append([name, f"{np.median(values):.2f}", f"{np.mean(values):.2f}", f"{min(values):.2f}"])
        print(markdown(["", "median", "mean", "worst"], rows), flush=True)


def all_cases(options):
    """The cases of one seed; those whose data is not there are left out with a word."""
    names = ("logistic",) if options.quick else tuple(options.models)
    for group in options.sets:
        made = getattr(cases, group)
        try:
            found = list(made(options.seed, options.data, names) if group in FROM_FILES else made(options.seed, names))
        except (SystemExit, FileNotFoundError) as reason:
            print(f"{group}: left out. {reason}", flush=True)
            continue
        yield from (case for case in found if not options.shifts or case.name in options.shifts)


REGIMES = {"full": full, "five": five, "none": none, "eight": eight, "scorers": scorers}
EIGHT_CASES = ("images USPS→MNIST", "letters rot90")
TIMED = "digits none", "digits invert", "digits gain", "cancer none", "wine units"
QUICK_CASES = ["wine none", "wine units"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    sets = ["digits", "tables", *FROM_FILES]
    parser.add_argument("--quick", action="store_true", help="two cases, one model, one seed: to see that it runs")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--regimes", nargs="*", choices=list(REGIMES), default=list(REGIMES))
    parser.add_argument("--sets", nargs="*", choices=sets, default=sets)
    parser.add_argument("--shifts", nargs="*", help="cases by name, as 'digits rot90' (default: all)")
    parser.add_argument("--models", nargs="*", choices=list(cases.MODELS), default=list(cases.MODELS))
    parser.add_argument("--repurposed", type=int, default=1, help="0: no RepurposedClassifier, a fit per model")
    parser.add_argument("--bare", action="store_true", help="without the peers")
    parser.add_argument("--details", action="store_true", help="print each decision, and each candidate's accuracy")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    global DETAILS
    DETAILS = options.details
    if options.quick:
        options.seeds, options.sets, options.shifts = [0], ["tables"], QUICK_CASES
        options.regimes = ["full", "none", "scorers"]
    if skada is None:
        print("skada is not installed: left out of the tables")
    record = Record()
    for seed in options.seeds:
        options.seed = seed
        for case in all_cases(options):
            for regime in options.regimes:
                if regime != "eight" or case.name in EIGHT_CASES:
                    REGIMES[regime](record, case, options)
        print(f"seed {seed}: done", flush=True)
    print_tables(record, options.seeds)


if __name__ == "__main__":
    main()
