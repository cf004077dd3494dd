"""Accuracy of frozen classifiers on data from another domain: the flow beside POT's transports and retrained models.

Two tables, each with one default setting throughout:

- scikit-learn's digits under five shifts, a frozen SVC, the mean over seeds;
- USPS, Kuzushiji-MNIST and Fashion-MNIST, a frozen small CNN trained on MNIST.

    python benchmarks/frozen_accuracy.py [--data DIR] [--quick] [--only digits|images]
"""

import argparse
import time
import warnings

import numpy as np
import ot.da
import torch
from sklearn.dummy import DummyRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from _protocol import add_data_argument, digit_shifts, load, load_usps, train_cnn
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, Reference
from skflow.pushforward import ImagePushForward

# POT's transports take the same strength of regularisation as the flow: a twentieth of the typical cost.
SINKHORN = {"reg_e": 0.05, "norm": "median", "tol": 1e-4}

# name: (transport, whether it is given the source's and the target's labels)
POT_TRANSPORTS = {
    "POT, Gaussian": (ot.da.LinearTransport(reg=1e-3), False),
    "POT, Sinkhorn, no labels": (ot.da.SinkhornTransport(**SINKHORN, max_iter=200), False),
    "POT, EMD, both labels": (ot.da.EMDTransport(max_iter=1_000_000), True),
    "POT, Sinkhorn, both labels": (
        # The continuous map of POT's default knows no labels; "ferradans" moves a row as its nearest neighbour moved.
        ot.da.SinkhornTransport(**SINKHORN, max_iter=200, method="sinkhorn", out_of_sample_map="ferradans"),
        True,
    ),
    "POT, Sinkhorn-Lpl1, both labels": (ot.da.SinkhornLpl1Transport(**SINKHORN), True),
}


def seconds(value):
    return f"{value:.1f}"


def thousands(value):
    return f"{value:,.0f}"


def add_pot(accuracy, timing, column, frozen, X, y, X_test, y_test, X_target, y_target):
    for name, (transport, labelled) in POT_TRANSPORTS.items():
        labels = {"ys": y, "yt": y_target} if labelled else {}
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of plans that are short of convergence; the table shows what comes of it
            try:
                # In float64, in which POT's exponentials of large costs do not vanish as soon.
                transport.fit(Xs=X.astype(float), Xt=X_target.astype(float), **labels)
                moved = transport.transform(Xs=X_test.astype(float))
                score = frozen.score(moved.astype("float32"), y_test)
            except ValueError:  # NaN in the plan or in what it moves
                score = np.nan
        accuracy.add(name, column, score)
        timing.add(name, column, time.perf_counter() - start)


def add_flow(accuracy, timing, speed, column, frozen, pushforwards, X, y, X_test, y_test, X_target, y_target):
    """The flow alone (a push-forward that costs nothing), then whole fits with each push-forward."""
    target = Reference(X_target, y_target)
    start = time.perf_counter()
    flow = OTDDFlowTransformer(target=target, pushforward=DummyRegressor(), random_state=0).fit(X, y)
    timing.add("skflow, the flow alone", column, time.perf_counter() - start)
    accuracy.add("skflow, the particles", column, frozen.score(flow.particles_, flow.particle_labels_))
    for name, pushforward in pushforwards.items():
        start = time.perf_counter()
        flow = OTDDFlowTransformer(target=target, pushforward=pushforward, random_state=0).fit(X, y)
        timing.add(f"skflow, whole fit, {name}", column, time.perf_counter() - start)
        accuracy.add(f"**skflow, unseen rows, {name}**", column, frozen.score(flow.transform(X_test), y_test))
        rows = np.resize(X_test, (20_000, X_test.shape[1]))
        for _ in range(3):
            start = time.perf_counter()
            flow.transform(rows)
            speed.add(f"skflow, {name}", column, len(rows) / (time.perf_counter() - start))


def digits(quick):
    accuracy, timing, speed = Scores(), Scores(), Scores()
    seeds = range(1 if quick else 3)
    for seed in seeds:
        for name, X, y, X_test, y_test, X_target, y_target in digit_shifts(seed):
            data = X, y, X_test, y_test, X_target, y_target
            frozen = SVC(C=5).fit(X_target, y_target)
            accuracy.add("nothing", name, frozen.score(X_test, y_test))
            add_pot(accuracy, timing, name, frozen, *data)
            add_flow(accuracy, timing, speed, name, frozen, {"default": None}, *data)
            for model in (KNeighborsClassifier(1), SVC(C=5)):
                accuracy.add(f"retrained {label_of(model)}", name, model.fit(X, y).score(X_test, y_test))
    print(f"\n### Digits, frozen SVC: accuracy on unseen rows, % (seeds: {len(seeds)})\n")
    print(accuracy.table(percent))
    print("\nSeconds, mean:\n")
    print(timing.table(seconds))
    print("\nTransform, rows a second:\n")
    print(speed.table(thousands))


def images(quick, data, centred):
    n, epochs = (500, 3) if quick else (2000, 12)
    X_mnist, y_mnist, X_mnist_test, y_mnist_test = load("mnist", data)
    frozen = train_cnn(X_mnist, y_mnist, epochs=epochs)
    on_mnist = percent(frozen.score(X_mnist_test, y_mnist_test))
    accuracy, timing, speed = Scores(), Scores(), Scores()
    for name in ("usps",) if quick else ("usps", "kmnist", "fashion_mnist"):
        X, y, X_test, y_test = load_usps(data, centred) if name == "usps" else load(name, data)
        X, y = X[:n], y[:n]
        rows = X, y, X_test, y_test, X_mnist[:n], y_mnist[:n]
        accuracy.add("nothing", name, frozen.score(X_test, y_test))
        add_pot(accuracy, timing, name, frozen, *rows)
        pushforwards = {"default": None, "images": ImagePushForward(image_shape=(28, 28))}
        add_flow(accuracy, timing, speed, name, frozen, pushforwards, *rows)
        for model in (KNeighborsClassifier(1), SVC(C=5)):
            accuracy.add(f"retrained {label_of(model)}", name, model.fit(X, y).score(X_test, y_test))
        start = time.perf_counter()
        retrained = train_cnn(X, y, epochs=epochs if quick else 20)
        timing.add("retraining the CNN", name, time.perf_counter() - start)
        accuracy.add("retrained CNN", name, retrained.score(X_test, y_test))
    print(f"\n### {n} images each, frozen CNN ({on_mnist} % on MNIST): accuracy on unseen rows, %\n")
    print(accuracy.table(percent))
    print(f"\nSeconds, {torch.get_num_threads()} threads:\n")
    print(timing.table(seconds))
    print("\nTransform, rows a second:\n")
    print(speed.table(thousands))


def label_of(model):
    return "1-NN" if isinstance(model, KNeighborsClassifier) else type(model).__name__


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="one seed, few rows: to see that it runs")
    parser.add_argument("--only", choices=["digits", "images"], help="one of the two tables")
    parser.add_argument("--usps", choices=["full", "centred"], default="full", help="how USPS is brought to 28x28")
    args = parser.parse_args()
    if args.only != "images":
        digits(args.quick)
    if args.only != "digits":
        images(args.quick, args.data, args.usps == "centred")


if __name__ == "__main__":
    main()
