"""Table 1: one frozen MNIST network for four data sets, with labels and without (sections 6.3 and 7.3).

The network sees the particles after they flowed to MNIST: with their labels (supervised), and with pseudo-labels from
clusters. The paper's accuracy without labels is after permuting the pseudo-labels to match the target's, which takes
the truth (appendix C); beside it stands the truly label-free one, where clusters are matched by optimal transport.

    python benchmarks/pseudo_labels.py [--data DIR] [--quick] [--only NAME]
"""

import argparse
import time
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.dummy import DummyRegressor
from sklearn.metrics import confusion_matrix

from _protocol import add_data_argument, load, load_usps, train_cnn
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.labelling import SpectralMixture

# Accuracy in table 1; "letters" are EMNIST letters there, and NIST capital letters here.
PAPER = {
    "usps": (77.1, 99.1, 66.4),
    "kmnist": (5.05, 99.2, 59.2),
    "fashion_mnist": (8.22, 99.1, 54.9),
    "nist_letters": (3.62, 36.7, 20.7),
}
CLUSTERS = "the default clusters (permuted)"
SUPERVISED, UNSUPERVISED = "**supervised, skflow**", "**unsupervised, skflow (permuted)**"
AS_LABELS = "**unsupervised, skflow, clusters as labels (permuted)**"


def matched(clusters, y):
    """Share of rows that are right once clusters are permuted to match the classes (appendix C)."""
    counts = confusion_matrix(y, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return counts[rows, columns].sum() / len(y)


def table(measured, n):
    """Print figures by data set."""
    scores = Scores()
    for name, figures in measured.items():
        for row, value in figures.items():
            scores.add(row, name, value)
    print(f"\n### Table 1: a frozen MNIST network on particles of up to {n} rows, %\n")
    print(scores.table(percent))


def accuracies(name, frozen, target, data, n):
    """All figures of one data set."""
    X, y, _, _ = load_usps(data) if name == "usps" else load(name, data)
    X, y = X[:n], y[:n]
    before, supervised, unsupervised = PAPER[name]
    figures = {"before the flow, paper": before / 100}
    if y.max() < 10:
        figures["before the flow"] = frozen.score(X, y)
    map_ = DummyRegressor()  # particles need no map
    flow = OTDDFlowTransformer(target, pushforward=map_, mass=1.0, random_state=0)
    clf = RepurposedClassifier(frozen, flow).fit(X, y)
    answers = clf.classes_[clf.decode([f.particles_ for f in clf.flows_]).argmax(axis=1)]
    figures |= {
        "supervised, paper": supervised / 100,
        SUPERVISED: np.mean(answers == y),
        "steps (most)": max(f.n_iter_ for f in clf.flows_) / 100,
        "flows": len(clf.flows_) / 100,
        "unsupervised, paper (permuted)": unsupervised / 100,
    }
    return figures | without_labels(frozen, target, map_, X, y)


def without_labels(frozen, target, map_, X, y):
    """Clusters by the default and by k-means; the network's answers are decoded to clusters, then both are matched."""
    n_classes = len(np.unique(y))
    by_kmeans = KMeans(n_classes, n_init=5, random_state=0).fit_predict(X)
    clusters = SpectralMixture(n_classes, random_state=0).fit_predict(X)
    figures = {
        "k-means on pixels (permuted)": matched(by_kmeans, y),
        CLUSTERS: matched(clusters, y),
    }
    flow = OTDDFlowTransformer(target, pushforward=map_, mass=1.0, random_state=0)
    clf = RepurposedClassifier(frozen, flow).fit(X, clusters)
    answers = clf.classes_[clf.decode([f.particles_ for f in clf.flows_]).argmax(axis=1)]
    figures |= {AS_LABELS: matched(answers, y)}
    if n_classes > len(np.unique(target.y)):
        return figures
    flow = PseudoLabelFlow(target, flow=OTDDFlowTransformer(pushforward=map_, mass=1.0), random_state=0).fit(X)
    answers = frozen.predict(flow.particles_)
    by_transport = {"unsupervised, skflow, matched by transport": np.mean(answers == y)}
    return figures | {UNSUPERVISED: matched(answers, y)} | by_transport


def measure(names, data, quick):
    """Train the network, and print a line for each data set and the table."""
    n, few = (100, slice(1000)) if quick else (5000, slice(None))
    X_ref, y_ref, _, _ = load("mnist", data)
    frozen = train_cnn(X_ref[few], y_ref[few], epochs=1 if quick else 20)  # as many as in appendix C
    target, measured = Reference(X_ref[:n], y_ref[:n]), {}
    for name in names:
        start = time.perf_counter()
        measured[name] = accuracies(name, frozen, target, data, n)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    table(measured, n)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="100 rows of one data set: to see that it runs")
    parser.add_argument("--only", choices=list(PAPER), help="one of the data sets")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ["usps"] if args.quick else list(PAPER)
    measure([args.only] if args.only else names, args.data, args.quick)


if __name__ == "__main__":
    main()
