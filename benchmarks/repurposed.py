"""A frozen classifier on another domain with few labels or none: skflow beside what else one might do.

Tables, each with one default setting throughout, k labels a class and the rest unlabelled:

- USPS, centred or as in the paper, on a small CNN trained on MNIST;
- scikit-learn's digits, inverted, on an SVC;
- heart disease, a model of one hospital on the rows of another;
- handwritten letters, 26 classes, on the CNN of ten digits.

    python benchmarks/repurposed.py [--data DIR] [--quick] [--only usps|digits|heart|letters]
"""

import argparse
import itertools
import warnings

import numpy as np
import ot.da
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from _protocol import add_data_argument, digit_shifts, few_labels, hospitals, load, load_usps, train_cnn
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.pushforward import ImagePushForward

FORMS = ("centred", "as in the paper")


def label_spreading(components=None):
    """scikit-learn's own, at the neighbours and clamping that suit it best on MNIST."""
    spreading = LabelSpreading(kernel="knn", n_neighbors=5, alpha=0.99, max_iter=1000)
    return spreading if components is None else make_pipeline(PCA(components, random_state=0), spreading)


def few_label_flow(target, pushforward):
    return PseudoLabelFlow(target, flow=OTDDFlowTransformer(pushforward=pushforward), random_state=0)


class Row:
    """One draw of labels: fills the table's rows with accuracies on unlabelled rows and on unseen ones."""

    def __init__(self, scores, column, y, known, y_test):
        self.scores, self.column, self.y, self.y_test = scores, column, y, y_test
        self.open = known < 0

    def add(self, name, on_source, on_unseen):
        self.scores.add(name, f"{self.column}, unlabelled", np.mean((on_source == self.y)[self.open]))
        if self.y_test is not None:
            self.scores.add(name, f"{self.column}, unseen", np.mean(on_unseen == self.y_test))


def compare(scores, column, frozen, flow, data, k, seed, alone):
    """Ours and the peers on one draw of k labels a class."""
    X, y, X_test, y_test = data
    unseen = X[:0] if X_test is None else X_test
    known = few_labels(y, k, seed)
    row = Row(scores, column, y, known, y_test)

    def predict(model, rows):
        return model.predict(rows) if len(rows) else np.empty(0)

    ours = RepurposedClassifier(frozen, flow).fit(X, known)
    row.add("**skflow, RepurposedClassifier**", ours.transduction_, predict(ours, unseen))
    row.add("the frozen model alone", frozen.predict(X), predict(frozen, unseen))
    scores.add("queries per row, in fit and in predict", f"{column}, unlabelled", ours.n_queries_ / len(X) / 100)
    if y_test is not None:
        scores.add("queries per row, in fit and in predict", f"{column}, unseen", ours.n_queries_per_row_ / 100)
    if alone:
        fitted = clone(flow).fit(X, known)
        row.add("skflow, on the draws of the flow alone", ours.transduction_, predict(ours, unseen))
        row.add("skflow, the flow alone", frozen.predict(fitted.transform(X)), predict_carried(frozen, fitted, unseen))
    if k:
        for name, components in (("LabelSpreading, raw", None), ("LabelSpreading, PCA-50", 50)):
            spreading = label_spreading(components and min(components, X.shape[1])).fit(X, known)
            last = spreading if components is None else spreading[-1]
            row.add(name, last.transduction_, predict(spreading, unseen))
        row.add("POT, Sinkhorn, the known labels", *pot_partial(frozen, X, known, unseen, *flow.target))
        svc = SVC(C=5).fit(X[known >= 0], known[known >= 0])
        row.add("SVC on the known labels", svc.predict(X), predict(svc, unseen))
    return ours


def predict_carried(frozen, flow, rows):
    return frozen.predict(flow.transform(rows)) if len(rows) else np.empty(0)


def pot_partial(frozen, X, known, unseen, X_target, y_target):
    transport = ot.da.SinkhornTransport(
        reg_e=0.05, norm="median", tol=1e-4, max_iter=200, method="sinkhorn", out_of_sample_map="ferradans"
    )
    transport.fit(Xs=X.astype(float), ys=known, Xt=X_target.astype(float), yt=y_target)
    carried = [transport.transform(Xs=rows.astype(float)) if len(rows) else rows for rows in (X, unseen)]
    return [frozen.predict(np.nan_to_num(rows).astype(X.dtype)) if len(rows) else np.empty(0) for rows in carried]


def usps(quick, data, mapped, alone, forms, shots):
    n, seeds = (120, 1) if quick else (2000, 5)
    few = slice(500) if quick else slice(None)
    X_ref, y_ref, _, _ = load("mnist", data)
    frozen = train_cnn(X_ref[few], y_ref[few], epochs=2 if quick else 12)
    pushforward = ImagePushForward(image_shape=(28, 28), max_epochs=1 if quick else 20)
    flow = few_label_flow(Reference(X_ref[:n], y_ref[:n]), pushforward)
    for form in forms[:1] if quick else forms:
        X, y, X_test, y_test = load_usps(data, form == "centred")
        scores = Scores()
        for k in (1,) if quick else shots:
            for seed in range(seeds if k else 1):
                unseen = (X_test[few], y_test[few]) if seed < mapped else (None, None)
                compare(scores, f"k={k}", frozen, flow, (X[:n], y[:n], *unseen), k, seed, alone=seed < alone)
                print(f"{form}, k={k}, seed {seed}", flush=True)
        print(f"\n### USPS, {form}; frozen CNN; seeds: {seeds}, on unseen rows {mapped}, for the flow alone {alone}\n")
        print(scores.table(percent), flush=True)


def digits(quick):
    scores, seeds = Scores(), 1 if quick else 5
    for name, X, y, X_test, y_test, *target in digit_shifts(0):
        if name not in (("invert",) if quick else ("invert", "contrast+noise")):
            continue
        if quick:
            X, y, X_test, y_test = X[:150], y[:150], X_test[:100], y_test[:100]
        frozen, flow = SVC(C=5).fit(*target), few_label_flow(Reference(*target), LinearRegression() if quick else None)
        for k, seed in itertools.product((5,) if quick else (1, 5), range(seeds)):
            unseen = (X_test, y_test) if seed < 1 else (None, None)
            compare(scores, f"{name}, k={k}", frozen, flow, (X, y, *unseen), k, seed, alone=seed < 1)
            print(f"{name}, k={k}, seed {seed}", flush=True)
    print(f"\n### Digits, frozen SVC; seeds: {seeds}, on unseen rows and for the flow alone 1\n")
    print(scores.table(percent), flush=True)


def heart(quick, data):
    X, y, domain, names = hospitals(data)
    scores = Scores()
    for s in range(len(names)):
        home = domain == s
        prepare = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(X[home])
        frozen = LogisticRegression(max_iter=1000).fit(prepare.transform(X[home]), y[home])
        for t in range(len(names)):
            if s == t or (quick and (s, t) != (0, 1)):
                continue
            rows = prepare.transform(X[domain == t])
            target = Reference(prepare.transform(X[home]), y[home])
            for seed in range(1 if quick else 5):
                # There are no unseen rows here, and beliefs need no map: any will do.
                flow = few_label_flow(target, LinearRegression())
                data_ = rows, y[domain == t], None, None
                compare(scores, "12 pairs", frozen, flow, data_, 5, seed, alone=True)
                known = few_labels(data_[1], 5, seed)
                again = LogisticRegression(max_iter=1000).fit(rows[known >= 0], known[known >= 0])
                row = Row(scores, "12 pairs", data_[1], known, None)
                row.add("logistic regression on the known labels", again.predict(rows), None)
    print("\n### Heart disease, 5 labels a class, mean over pairs of hospitals\n")
    print(scores.table(percent), flush=True)


def letters(quick, data):
    few = slice(300) if quick else slice(None)
    X_ref, y_ref = (part[few] for part in load("mnist", data)[:2])
    frozen = train_cnn(X_ref, y_ref, epochs=2 if quick else 12)
    X, y, X_test, y_test = (part[few] for part in load("nist_letters", data))
    pushforward = ImagePushForward(image_shape=(28, 28), max_epochs=1 if quick else 20)
    target, scores = Reference(X_ref[:2000], y_ref[:2000]), Scores()
    for n_flows in (2,) if quick else (1, 2, "auto"):
        flow = OTDDFlowTransformer(target, pushforward=pushforward, random_state=0)
        ours = RepurposedClassifier(frozen, flow, n_flows=n_flows)
        ours.fit(X, y)
        name = f"skflow, {len(ours.flows_)} flow(s)"
        on_particles = ours.classes_[ours.decode([f.particles_ for f in ours.flows_]).argmax(axis=1)]
        scores.add(name, "particles", np.mean(on_particles == y))
        scores.add(name, "unseen", ours.score(X_test, y_test))
        print(name, flush=True)
    scores.add("SVC retrained", "unseen", SVC(C=5).fit(X, y).score(X_test, y_test))
    print("\n### 26 letters on the CNN of ten digits, all labels known (paper: 36.7 on particles of EMNIST letters)\n")
    print(scores.table(percent), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="few rows, one seed: to see that it runs")
    parser.add_argument("--only", choices=["usps", "digits", "heart", "letters"], help="one of the tables")
    parser.add_argument("--form", choices=FORMS, help="USPS: one of its forms")
    parser.add_argument("--shots", type=int, nargs="*", default=[0, 1, 5], help="USPS: labels a class (default: 0 1 5)")
    parser.add_argument("--mapped", type=int, default=5, help="USPS: draws with figures on unseen rows (default: 5)")
    parser.add_argument("--alone", type=int, default=1, help="USPS: draws for the flow alone (default: 1)")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, run in {
        "usps": lambda: usps(
            args.quick, args.data, args.mapped, args.alone, [args.form] if args.form else FORMS, args.shots
        ),
        "digits": lambda: digits(args.quick),
        "heart": lambda: heart(args.quick, args.data),
        "letters": lambda: letters(args.quick, args.data),
    }.items():
        if args.only in (None, name):
            run()


if __name__ == "__main__":
    main()
