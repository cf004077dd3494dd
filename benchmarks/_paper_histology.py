"""Figure 5: patches of breast tissue (IDC; the paper has CAMELYON) on a frozen CIFAR-10 network."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from _paper import Finding, paper_flow, train
from _protocol import FrozenCNN, flat, load_images
from _scores import Scores, percent
from skflow import Reference, RepurposedClassifier
from skflow.metrics import label_distances
from skflow.pushforward import TabularPushForward

SIDE = 32
"""Pixels of a side."""
SIZES = (10, 20, 50, 100)
"""Numbers of images of a class that rows may flow to: held-out training rows choose."""


class ColourCNN(torch.nn.Module):
    """A small CNN for 32x32 colour images, flattened with the channels last."""

    def __init__(self, n_classes=10):
        super().__init__()
        stages, width = [], 3
        for wider in (32, 64, 128):
            stages += [
                torch.nn.Conv2d(width, wider, 3, padding=1),
                torch.nn.BatchNorm2d(wider),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
            ]
            width = wider
        self.first = torch.nn.Unflatten(1, (SIDE, SIDE, 3))
        self.stages = torch.nn.Sequential(*stages, torch.nn.Flatten(), torch.nn.Dropout(0.3))
        self.last = torch.nn.Linear(128 * 16, n_classes)

    def forward(self, x):
        return self.last(self.stages(self.first(x).movedim(-1, 1)))


def turned(X, y):
    """Every image in eight views, turned and mirrored: tissue has no upright."""
    views = [np.rot90(X.reshape(-1, SIDE, SIDE, 3), turns, axes=(1, 2)) for turns in range(4)]
    return np.concatenate([*views, *(view[:, :, ::-1] for view in views)]).reshape(-1, X.shape[1]), np.tile(y, 8)


def of_tissue(X):
    """What does not change when tissue is turned: quantiles of colours, and how much they vary at four scales."""
    images = X.reshape(-1, SIDE, SIDE, 3)
    found = [*np.quantile(images, [0.05, 0.25, 0.5, 0.75, 0.95], axis=(1, 2)), images.mean(axis=(1, 2))]
    for _ in range(4):
        steps = [np.abs(np.diff(images, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
        found += [images.std(axis=(1, 2)), sum(steps)]
        half = images.shape[1] // 2
        images = images.reshape(len(images), half, 2, half, 2, 3).mean(axis=(2, 4))
    return np.concatenate(found, axis=1)


def well_told_apart(frozen, X, y, X_test, y_test, reference, least=0.95):
    """The cheapest pair of target classes for the two source classes, of those that the frozen model can tell apart."""
    said, cost = frozen.predict_proba(X_test), label_distances(X, y, *reference)
    pairs = {}
    for i, j in itertools.permutations(range(10), 2):
        rows = (y_test == i) | (y_test == j)
        right = np.where(said[rows, i] > said[rows, j], i, j) == y_test[rows]
        pairs[i, j] = (right.mean() < least, cost[0, i] + cost[1, j])
    return dict(enumerate(min(pairs, key=pairs.get)))


def surest(frozen, X, y, labels, size):
    """Rows of some classes: of each, some that lie close together among those that the model is most sure of."""
    rows = np.concatenate([surest_of(frozen, X, y, label, size) for label in labels])
    return X[rows], y[rows]


def surest_of(frozen, X, y, label, size):
    rows = np.flatnonzero(y == label)
    rows = rows[np.argsort(-frozen.predict_proba(X[rows])[:, label])][: 10 * size]
    apart = ((X[rows, None] - X[rows]) ** 2).sum(axis=-1)
    middle = np.sort(apart, axis=1)[:, :size].mean(axis=1).argmin()
    return rows[np.argsort(apart[middle])[:size]]


def answers_are_right(clf, carried, y):
    return np.mean(clf.classes_[clf.decode([carried]).argmax(axis=1)] == y)


def trained_network(path, X, y, steps, seed):
    """The network, from its file if an earlier run has trained it."""
    torch.manual_seed(seed)
    net = ColourCNN()
    if path.exists():
        net.load_state_dict(torch.load(path))
        return FrozenCNN(net.eval(), np.arange(10))
    frozen = train(X, y, steps=steps, batch=64, net=net, seed=seed)
    torch.save(frozen.net.state_dict(), path)
    return frozen


def histology(args, work):
    """The frozen network on carried patches of unseen patients, beside what was trained on histology."""
    n, steps = (60, 10) if args.quick else (3000, args.cifar_steps)

    def colours(name):
        X, y, X_test, y_test = load_images(name, args.data)
        few = slice(500) if args.quick else slice(None)
        return flat(X[few]), y[few], flat(X_test[few]), y_test[few]

    X_ref, y_ref, X_ref_test, y_ref_test = colours("cifar10")
    X, y, X_test, y_test = colours("idc_histology")
    X, y = X[:n], y[:n]

    def retrained(n, steps, seed):
        torch.manual_seed(seed)
        net = train(*turned(X, y), steps=steps, batch=64, net=ColourCNN(2), seed=seed)
        return {"retrained": net.score(X_test, y_test)}

    def carried(n, steps, seed):
        frozen = trained_network(args.figures / f"cifar10_{len(X_ref)}_{steps}_{seed}.pt", X_ref, y_ref, steps, seed)
        goes_to = well_told_apart(frozen, X, y, X_ref_test, y_ref_test, Reference(X_ref[:n], y_ref[:n]))
        held_out = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)

        def carry(X, y, target, push=None):
            flow = paper_flow(target, correspondence=goes_to, keep_trajectory=5, pushforward=push)
            return RepurposedClassifier(frozen, flow).fit(X, y)

        def right_on_held_out(size):
            X_fit, X_rest, y_fit, y_rest = held_out
            return carry(X_fit, y_fit, surest(frozen, X_ref, y_ref, goes_to.values(), size)).score(X_rest, y_rest)

        size = max(SIZES[: 1 if args.quick else None], key=right_on_held_out)
        gate = make_pipeline(FunctionTransformer(of_tissue), StandardScaler(), SVC(C=5))
        scores = {
            "size": size,
            "frozen, CIFAR-10's test rows": frozen.score(X_ref_test, y_ref_test),
            "SVC": SVC(C=5).fit(X, y).score(X_test, y_test),
            "gate alone": gate.fit(X, y).score(X_test, y_test),
        }
        sure = surest(frozen, X_ref, y_ref, goes_to.values(), size)
        for name, target, push in (
            ("all rows", (X_ref[:n], y_ref[:n]), None),
            ("sure rows", sure, None),
            ("sure rows, gate", sure, TabularPushForward(gate=gate, random_state=0)),
        ):
            clf = carry(X, y, target, push)
            scores[f"frozen, {name}"] = clf.score(X_test, y_test)
            scores[f"frozen, particles, {name}"] = answers_are_right(clf, clf.flows_[0].particles_, y)
        scores["frozen, before"] = answers_are_right(clf, X_test, y_test)
        draw(clf.flows_[0], args.figures / "figure_5.png")
        return scores

    scores = Scores()
    titles = {
        "frozen, CIFAR-10's test rows": "frozen network, on CIFAR-10's test rows",
        "frozen, before": "frozen network, histology as it is",
        "frozen, particles, sure rows, gate": "frozen network, the particles",
        "frozen, all rows": "frozen network, carried, all of CIFAR-10 as target",
        "frozen, sure rows": "**frozen network, carried to rows that it is sure of**",
        "frozen, sure rows, gate": "**the same, with a gate for tissue**",
        "retrained": "the same network, trained on histology",
        "SVC": "SVC on the rows",
        "gate alone": "SVC on what does not change when tissue is turned (the gate)",
    }
    networks = range(1 if args.quick else args.networks)
    units = [(n, steps, seed) for seed in networks]
    of_networks = []
    baselines = dict(work.each("histology, retrained", units, retrained))
    for unit, found in work.each("histology, carried", units, carried):
        measured = found | baselines[unit]
        of_networks.append(int(found["size"]))
        for name, title in titles.items():
            scores.add(title, f"network {unit[-1]}", measured[name])
            scores.add(title, "mean", measured[name])
    print("\n### Figure 5: histology (IDC patches; the paper has CAMELYON) on a frozen CIFAR-10 network, %\n")
    print(scores.table(percent))
    print(
        "\nAll but the first row and the particles are unseen patients. The paper shows particles, no numbers; it finds"
    )
    print("that the model beats one trained on CAMELYON only.")
    sizes = ", ".join(str(size) for size in of_networks)
    print(f"Images of a class to flow to, of {SIZES}, chosen on a third of the training rows: {sizes}.")
    of = {name: percent(scores.mean(title, "mean")) for name, title in titles.items()}
    here = (
        f"unseen patients: {of['frozen, sure rows, gate']} carried with a gate for tissue, {of['frozen, sure rows']} "
        f"with the default's ({of['frozen, before']} before); the same network trained on histology "
        f"{of['retrained']}, SVC {of['SVC']}"
    )
    remark = (
        f"Rows must land where the model reads them surely: with all of CIFAR-10 as target {of['frozen, all rows']}. "
        f"How many images of a class they flow to is chosen on training rows ({sizes} of {SIZES}). "
        f"The gate alone is right on {of['gate alone']}: with all labels, the map is as good as what tells the classes."
    )
    return [Finding("Figure 5", "the frozen model beats one trained on histology alone", here, remark)]


def draw(flow, path):
    figure, axes = plt.subplots(4, 5, figsize=(6, 5), layout="constrained")
    for i, j in np.ndindex(axes.shape):
        axes[i, j].imshow(flow.trajectory_[j, i].reshape(SIDE, SIDE, 3).clip(0, 1))
        axes[i, j].axis("off")
    for j, time in enumerate(np.linspace(0, flow.n_iter_, 5).round().astype(int)):
        axes[0, j].set_title(f"step {time}", fontsize="small")
    figure.savefig(path)
