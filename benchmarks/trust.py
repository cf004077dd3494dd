"""Are missing classes and foreign rows found, and is trust low where answers are wrong?

Cases of ``_harm_cases.py``, one default setting throughout, means over seeds:

- classes that one side lacks, and rows of no class (five in a hundred): shares of the runs where they are found, with
  the target's names of classes, with other names and without labels; and class frequencies, as far as they are off;
- trust on unseen rows: accuracy of the most trusted 80 % above that of all rows where more than 5 % are wrong, and the
  share of cases (shift and frozen model) where the area under the risk-coverage curve is below that of the model's own
  largest probability for the same carried rows, of those with any error;
- `RepurposedClassifier`: expected calibration error in 15 bins.

A class is found where it is reported, and no other; without labels a class that the target lacks has no name, and is
found where most of its rows and no more than two in a hundred of the others are reported. So are foreign rows. A false
alarm is any class or row that is reported where nothing is missing.

    python benchmarks/trust.py [--data DIR] [--seeds 0 1] [--quick] [--only missing|trust|calibration]
                               [--sets digits tables usps] [--details]
"""

import argparse
import warnings
from dataclasses import replace

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

import _harm_cases as cases
from _protocol import add_data_argument, few_labels, load_images
from _scores import Scores, percent
from _tables import markdown
from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier

MISSING = {"digits": ("none", "rot90", "invert", "permute", "gain"), "cancer": ("none",), "wine": ("none", "units")}
ERRORS = {
    "digits": ("blur", "contrast+noise"),
    "cancer": ("half noisy", "covariance"),
    "wine": ("half noisy", "covariance"),
    "images": ("USPS→MNIST", "MNIST→USPS"),
}
# What is missing is looked for before the flow.
SHORT = {"max_iter": 1, "tol": 0.0, "pushforward": LinearRegression(), "safeguard": False}
COLUMNS = {"same": "same names", "no": "no labels", "other": "other names"}
WINE = {"wine": cases.TABLES["wine"]}
STRANGERS = 0.05
LEAST_ERROR = 0.05


def decimals(value):
    return f"{value:.3f}"


def strangers(case, n, random, data):
    """Rows of no class in the space of home: clothes among digits; in tables anything within twice the range."""
    if case.data == "digits":
        clothes = load_images("fashion_mnist", data)[2]
        some = clothes[random.permutation(len(clothes))[:n], 2:26, 2:26]
        return some.reshape(n, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(n, -1)
    middle, reach = case.home.X.mean(axis=0), np.ptp(case.home.X, axis=0)
    return middle + random.uniform(-1, 1, (n, len(middle))) * reach


def incomplete(seed, quick, data):
    """Yield what is missing, the case, and the mask of its rows that have no counterpart."""
    models = ("SVC",)
    sets = [cases.tables(seed, models, WINE)] if quick else [cases.digits(seed, models), cases.tables(seed, models)]
    for case in (case for some in sets for case in some):
        if case.shift not in (MISSING[case.data][:1] if quick else MISSING[case.data]):
            continue
        random = np.random.RandomState(seed)
        gone = random.randint(case.y.max() + 1)
        nobody, of_class = np.zeros(len(case.y), bool), case.y == gone
        yield "nothing", case, nobody
        yield "class in the source", replace(case, X=case.X[~of_class], y=case.y[~of_class]), nobody[~of_class]
        kept = case.home.y != gone
        if len(np.unique(case.home.y)) > 2:
            home = cases.Home(case.home.X[kept], case.home.y[kept], ("SVC",))
            yield "class in the target", replace(case, home=home), of_class
        if case.shift == "none":
            n = round(len(case.y) * STRANGERS / (1 - STRANGERS))
            X = np.concatenate([case.X, strangers(case, n, random, data).astype(case.X.dtype)])
            y = np.concatenate([case.y, random.choice(case.y, n)])
            order = random.permutation(len(y))
            yield "rows of no class", replace(case, X=X[order], y=y[order]), order >= len(case.y)


def fitted(case, labels, **options):
    """The flow with the target's names ("same"), "other" names or "no" labels."""
    home = Reference(case.home.X, case.home.y)
    if labels == "no":
        return PseudoLabelFlow(home, flow=OTDDFlowTransformer(**options), random_state=0).fit(case.X)
    names = np.array(list("abcdefghij"))[case.y] if labels == "other" else case.y
    return OTDDFlowTransformer(home, random_state=0, **options).fit(case.X, names)


def is_found(missing, case, foreign, flow, labels):
    """Whether what is missing is reported, and nothing else."""
    own, theirs = np.unique(case.y[~foreign] if missing == "rows of no class" else case.y), np.unique(case.home.y)
    absent = sorted(set(theirs.tolist()) - set(own.tolist()))
    unknown = [] if labels == "no" else sorted(set(own.tolist()) - set(theirs.tolist()))
    names = ["abcdefghij"[label] for label in unknown] if labels == "other" else unknown
    classes = flow.unmatched_classes_ == {"source": names, "target": absent}
    alone = flow.unmatched_rows_
    if not foreign.any():
        return classes and not alone.any()
    return classes and alone[foreign].mean() > 0.5 and alone[~foreign].mean() <= 0.02


def report_missing(seeds, quick, data, details):
    found, accuracy, off = Scores(), Scores(), Scores()
    for seed in seeds:
        for missing, case, foreign in incomplete(seed, quick, data):
            row = f"{case.data}, {missing}"
            if quick and missing not in ("nothing", "rows of no class"):
                continue
            for labels, column in (("same", "same names"), ("no", "no labels"), ("other", "other names"))[
                : 2 if quick else 3
            ]:
                flow = fitted(case, labels, **SHORT)
                right = is_found(missing, case, foreign, flow, labels)
                found.add(row, column, right)
                if labels == "no":
                    classes = np.unique(case.home.y)
                    truth = np.array([np.mean(case.y[~foreign & np.isin(case.y, classes)] == k) for k in classes])
                    shares = np.array([share.source for share in flow.class_proportions_])
                    off.add(case.data, missing, np.abs(shares - truth).sum() / 2)
                if details:
                    print(f"{seed} {case.name:16} {missing:20} {labels:5} {right}", flush=True)
                if foreign.any() and case.shift == "none" and labels in (["same"] if quick else ["same", "no"]):
                    accuracy.add(row, column, 100 * gain_on_the_rest(case, foreign, labels))
    print(f"\n### Found: share of the runs, % (seeds: {len(seeds)})\n\n{found.table(percent)}")
    print(f"\n### Accuracy on the other rows, points above a flow of all rows\n\n{accuracy.table('{:.2f}'.format)}")
    print(f"\n### Class frequencies without labels: total variation from the truth\n\n{off.table(decimals)}")


def gain_on_the_rest(case, foreign, labels):
    """Accuracy on unseen rows of classes that both sides have, above that of a flow that takes all rows."""
    seen = np.isin(case.y_test, case.home.y) & np.isin(case.y_test, case.y[~foreign])
    model = case.home.models["SVC"]
    scores = [
        model.score(fitted(case, labels, **options).transform(case.X_test[seen]), case.y_test[seen])
        for options in ({}, {"mass": 1.0})
    ]
    return scores[0] - scores[1]


def erring(seed, quick, data, sets):
    """Cases with errors to be avoided."""
    several = {
        "digits": lambda: cases.digits(seed),
        "tables": lambda: cases.tables(seed, ("logistic",), WINE) if quick else cases.tables(seed),
        "usps": lambda: cases.usps(seed, data, n=500),
    }
    for name in ["tables"] if quick else sets:
        for case in several[name]():
            if case.shift in ERRORS[case.data] and not (quick and case.name != "wine half noisy"):
                yield case


def largest_probability(model, X):
    """The model's own, of its decision values where it has no probabilities."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X).max(axis=1)
    scores = model.decision_function(X)
    return softmax(np.column_stack([-scores, scores]) if scores.ndim == 1 else scores, axis=1).max(axis=1)


def area(sureness, right):
    """Under the risk-coverage curve (El-Yaniv and Wiener, 2010); rows that tie share their errors."""
    _, place = np.unique(-sureness, return_inverse=True)
    errors = np.bincount(place, ~right) / np.bincount(place)
    ordered = np.sort(place)
    return float((np.cumsum(errors[ordered]) / np.arange(1, len(right) + 1)).mean())


def best_80(sureness, right):
    """Accuracy of the surest 80 % of the rows above that of all, in points."""
    kept = np.argsort(-sureness, kind="stable")[: round(0.8 * len(right))]
    return 100 * float(right[kept].mean() - right.mean())


def report_trust(seeds, quick, data, sets, details):
    gain, wins = Scores(), Scores()
    for seed in seeds:
        for case in erring(seed, quick, data, sets):
            for regime, k in (("full", None), ("5 a class", 5), ("none", 0))[: 1 if quick else 3]:
                home = Reference(case.home.X, case.home.y)
                if k is None:
                    flow = OTDDFlowTransformer(home, random_state=0).fit(case.X, case.y)
                else:
                    flow = PseudoLabelFlow(home, random_state=0).fit(case.X, few_labels(case.y, k, seed))
                moved = flow.transform(case.X_test)
                for name, model in case.home.models.items():
                    trust = flow.trust(case.X_test, model)
                    right, own = model.predict(moved) == case.y_test, largest_probability(model, moved)
                    if not right.all():
                        wins.add(regime, "all", area(trust, right) < area(own, right))
                        wins.add(regime, name, area(trust, right) < area(own, right))
                    if right.mean() < 1 - LEAST_ERROR or quick:
                        gain.add(regime, "trust", best_80(trust, right))
                        gain.add(regime, "the model's own", best_80(own, right))
                    if details:
                        print(
                            f"{seed} {case.name:20} {regime:10} {name:10} right {right.mean():.3f} areas "
                            f"{area(trust, right):.4f} {area(own, right):.4f} gain {best_80(trust, right):.1f}"
                        )
    print(f"\n### Accuracy of the most trusted 80 % above that of all rows, points\n\n{gain.table('{:.1f}'.format)}")
    print(f"\n### Area under risk and coverage below that of the model's own, % of the cases\n\n{wins.table(percent)}")


def calibration_error(probabilities, right, bins=15):
    sureness = probabilities.max(axis=1)
    place = np.minimum((sureness * bins).astype(int), bins - 1)
    off = np.abs(np.bincount(place, sureness, bins) - np.bincount(place, right, bins))
    return float(off.sum() / len(right))


def report_calibration(seeds, quick, data, sets, details):
    error, gain = Scores(), []
    for seed in seeds:
        for case in erring(seed, quick, data, sets):
            for regime, k in (("full", None), ("5 a class", 5), ("none", 0))[: 1 if quick else 3]:
                known = case.y if k is None else few_labels(case.y, k, seed)
                for name in ("logistic", "SVC"):
                    model = case.home.models[name]
                    flow = PseudoLabelFlow(Reference(case.home.X, case.home.y), random_state=0)
                    clf = RepurposedClassifier(FrozenEstimator(model), flow).fit(case.X, known)
                    probabilities = clf.predict_proba(case.X_test)
                    right = clf.classes_[probabilities.argmax(axis=1)] == case.y_test
                    frozen = model.predict(case.X_test) == case.y_test
                    wins = area(clf.trust(case.X_test), right) < area(largest_probability(model, case.X_test), frozen)
                    error.add(regime, case.data, calibration_error(probabilities, right))
                    error.add(regime, "all", calibration_error(probabilities, right))
                    gain.append([f"{case.name}, {name}, {regime}", percent(wins)])
                    if details:
                        off = calibration_error(probabilities, right)
                        print(
                            f"{seed} {case.name:20} {regime:10} {name:10} right {right.mean():.3f} off {off:.3f} {wins}"
                        )
                    if quick:
                        break
    share = np.mean([float(row[1]) for row in gain])
    print(f"\n### Calibration of RepurposedClassifier: expected error, 15 bins\n\n{error.table(decimals)}")
    print(
        "\n### RepurposedClassifier: area by trust below the frozen model's own on rows as they are, % of the cases\n"
    )
    print(markdown(["", "all"], [["trust", f"{share:.1f}"]]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="one seed, few cases: to see that it runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", choices=["missing", "trust", "calibration"], help="one of the three parts")
    parser.add_argument("--sets", nargs="+", default=["digits", "tables", "usps"], choices=["digits", "tables", "usps"])
    parser.add_argument("--details", action="store_true", help="a line for each run")
    args = parser.parse_args()
    seeds = args.seeds[:1] if args.quick else args.seeds
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", category=UserWarning)  # of what is missing, and of flows short of convergence
    if args.only in (None, "missing"):
        report_missing(seeds, args.quick, args.data, args.details)
    if args.only in (None, "trust"):
        report_trust(seeds, args.quick, args.data, args.sets, args.details)
    if args.only in (None, "calibration"):
        report_calibration(seeds, args.quick, args.data, args.sets, args.details)


if __name__ == "__main__":
    main()
