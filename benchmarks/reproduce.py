"""The paper's transfer experiments: figures 3e and 10 (k shots), 4, 5, and 6 with 11; the paper's value beside ours.

Table 1 is in ``pseudo_labels.py``. Each part prints its table and draws its figure into ``--figures DIR``.

    python benchmarks/reproduce.py [--data DIR] [--figures DIR] [--quick] [--only shots|adaptation|oracle|histology]
"""

import argparse
import itertools
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.svm import SVC

from _protocol import FrozenCNN, SmallCNN, add_data_argument, few_labels, load, load_images, load_usps, train_cnn
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier
from skflow.metrics import label_distances, otdd
from skflow.pushforward import ImagePushForward
from skflow.trajectories import as_training_data

warnings.simplefilter("ignore")
DATASETS = {"M": "mnist", "U": "usps", "F": "fashion_mnist", "K": "kmnist"}
SOURCES = ("initial", "final", "trajectory", "mapped")


def images(letter, data):
    return load_usps(data) if letter == "U" else load(DATASETS[letter], data)


def train(X, y, weight=None, steps=300, batch=32, net=None, seed=0):
    """A LeNet, or `net`, on weighted rows for a number of steps (appendix C: epochs, which grow with the data)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = (SmallCNN() if net is None else net).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(net.train().parameters(), 1e-3, weight_decay=1e-6, fused=True)
        weight = torch.ones(len(X)) if weight is None else torch.tensor(weight, dtype=torch.float32)
        X, y = torch.tensor(X), torch.tensor(y)
        for rows in torch.multinomial(weight, steps * batch, replacement=True).split(batch):
            loss = F.cross_entropy(net(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return FrozenCNN(net.eval(), np.arange(10))


def train_and_tune(extra, few, steps):
    """Two thirds of the steps on `extra` (X, y, weight), the last third on the target's few rows alone (appendix C)."""
    return train(*few, steps=steps // 3, net=train(*extra, steps=steps - steps // 3).net)


def with_shots(extra, few):
    """Weighted rows of both; the shots, which are certain, count as much as all that is added."""
    weight = np.r_[np.full(len(few[1]), extra[2].sum() / len(few[1])), extra[2]]
    return np.r_[few[0], extra[0]], np.r_[few[1], extra[1]], weight


def few_shots(letter, k, data, seed=0):
    """k rows a class of a target, and its test rows."""
    X, y, X_test, y_test = images(letter, data)
    chosen = few_labels(y, k, seed) >= 0
    return X[chosen], y[chosen], X_test[:1000], y_test[:1000]


def flow_to(X, y, target, epochs, frames):
    """Classes have nothing in common but their number, so which goes to which is up to transport."""
    pushforward = ImagePushForward(image_shape=(28, 28), max_epochs=epochs)
    return OTDDFlowTransformer(
        Reference(*target), correspondence="assignment", keep_trajectory=frames, pushforward=pushforward, random_state=0
    ).fit(X, y)


def shots(args):
    """Figures 3e and 10: extra data from another domain for a k-shot task."""
    n, steps, epochs, pairs = (100, 20, 1, 1) if args.quick else (args.particles, args.steps, 8, 12)
    scores, names = Scores(), {"initial": "source", "final": "final particles", "mapped": "mapped"}
    for k in (5,) if args.quick else args.shots:
        n_steps = steps if k < 100 else 3 * steps  # appendix C counts epochs: more shots, more steps
        for source, target in list(itertools.permutations(DATASETS, 2))[:pairs]:
            X, y, _, _ = images(source, args.data)
            X_few, y_few, X_test, y_test = few_shots(target, k, args.data)
            flow = flow_to(X[:n], y[:n], (X_few, y_few), epochs, frames=6)
            column = f"{k} shots"
            few = X_few, y_few
            baseline = train(*few, steps=n_steps).score(X_test, y_test)
            scores.add("target only", column, baseline)
            for samples in SOURCES:
                rows = (X[:n], y[:n]) if samples == "mapped" else ()
                extra = with_shots(as_training_data(flow, samples, *rows), few)
                accuracy = train_and_tune(extra, few, n_steps).score(X_test, y_test)
                name = f"+ {names.get(samples, 'trajectories')}"
                scores.add(name, column, accuracy)
                scores.add(f"{name}: pairs it helps", column, accuracy > baseline)
            print(f"{k} shots, {source} -> {target}", flush=True)
    print(f"\n### Figures 3e and 10: accuracy on the target, %, mean over {pairs} pairs, {n} source rows\n")
    print(scores.table(percent))
    print("\nThe paper shows no numbers; it finds that all extra data help in most pairs, trajectories most.")
    draw_gains(scores, args.figures / "figure_3e_10.png")


def adaptation(args):
    """Figure 4: the same labelled rows used to adapt the data or to adapt (fine-tune) the model."""
    n, steps, pairs = (100, 20, 1) if args.quick else (args.particles, args.steps, 12)
    scores, points = Scores(), []
    for source, target in list(itertools.permutations(DATASETS, 2))[:pairs]:
        X, y, _, _ = images(source, args.data)
        X_few, y_few, X_test, y_test = few_shots(target, 10, args.data)
        flow = flow_to(X[:n], y[:n], (X_few, y_few), 1, frames=6)
        few, names = (X_few, y_few), np.array([flow.label_map_[label] for label in range(10)])
        tuned = train_and_tune((X[:n], names[y[:n]]), few, steps).score(X_test, y_test)
        data = train_and_tune(with_shots(as_training_data(flow), few), few, steps).score(X_test, y_test)
        alone = train(*few, steps=steps).score(X_test, y_test)
        distance = otdd(X[:200], y[:200], X_few, y_few, reg=0.05, class_weight="balanced")
        points.append((tuned - alone, data - alone, distance))
        for name, value in (("no adaptation", alone), ("model: fine-tuned", tuned), ("data: trajectories", data)):
            scores.add(name, "10 shots", value)
        print(f"{source} -> {target}", flush=True)
    print(f"\n### Figure 4: data against model adaptation, accuracy, %, mean over {pairs} pairs\n")
    print(scores.table(percent))
    print("\nThe paper shows no numbers; it finds that adapting the data gains more overall.")
    figure, ax = plt.subplots(layout="constrained")
    tuned, data, distance = np.array(points).T
    figure.colorbar(ax.scatter(100 * tuned, 100 * data, c=distance), label="OTDD")
    ax.axline((0, 0), slope=1, color="grey")
    ax.set(xlabel="gain by model adaptation, points", ylabel="gain by data adaptation, points")
    figure.savefig(args.figures / "figure_4.png")


def oracle(args):
    """Figures 6 and 11: objective and accuracy of a frozen model along the flow, over lambda and step size."""
    n, n_iter = (100, 4) if args.quick else (1000, 30)
    X_ref, y_ref, _, _ = load("mnist", args.data)
    frozen = train_cnn(X_ref[:1000], y_ref[:1000], epochs=1) if args.quick else train_cnn(X_ref, y_ref, epochs=12)
    X, y, _, _ = images("K", args.data)
    X, y = X[:n], y[:n]
    figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    scores, ranks, last = Scores(), [], {}
    regs, others = ((0.05,), (0.2,)) if args.quick else ((0.01, 0.05, 0.2, 1.0), (0.05, 0.2))
    for reg, step in [(reg, 0.1) for reg in regs] + [(0.05, step) for step in others]:
        flow = OTDDFlowTransformer(
            Reference(X_ref[:n], y_ref[:n]),
            reg=reg,
            step_size=step,
            max_iter=n_iter,
            tol=0,
            keep_trajectory=n_iter + 1,
            pushforward=DummyRegressor(),
        ).fit(X, y)
        accuracy, name = [frozen.score(frame, y) for frame in flow.trajectory_], f"reg={reg:g}, step={step:g}"
        for time in (0, 1, 2, 3, 5, 10, 20, 30):
            if time <= n_iter:
                scores.add(name, f"step {time}", accuracy[time])
        for ax, line in zip(axes, ((flow.objective_,), (accuracy,), (flow.objective_, accuracy)), strict=True):
            ax.plot(*line, marker=".", label=name)
        ranks.append(spearmanr(flow.objective_, accuracy).statistic)
        last[reg, step] = accuracy[-1]
    axes[0].set(xlabel="step", ylabel="objective", yscale="log")
    axes[1].set(xlabel="step", ylabel="accuracy of the frozen model")
    axes[2].set(xlabel="objective", ylabel="accuracy of the frozen model")
    axes[0].legend(fontsize="small")
    figure.savefig(args.figures / "figure_6_11.png")
    print("\n### Figures 6 and 11: KMNIST to MNIST, accuracy of a frozen network on the particles along the flow, %\n")
    print(scores.table(percent))
    for what, chosen in (
        ("lambda", [k for k in last if k[1] == 0.1]),
        ("step size", [k for k in last if k[0] == 0.05]),
    ):
        print(f"Last accuracies over {what}: {', '.join(percent(last[setting]) for setting in chosen)}")
    print(f"Rank correlation of objective and accuracy along each flow: {np.round(ranks, 2).tolist()}")
    print("The paper shows curves: lambda matters more than the step size, and the objective foretells the accuracy.")


class ColourCNN(torch.nn.Module):
    """A small CNN for 32x32 colour images, flattened with the channels last."""

    def __init__(self, n_classes=10):
        super().__init__()
        layers, width = [torch.nn.Unflatten(1, (32, 32, 3))], 3
        self.first = layers[0]
        stages = []
        for wider in (32, 64, 128):
            stages += [
                torch.nn.Conv2d(width, wider, 3, padding=1),
                torch.nn.BatchNorm2d(wider),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2),
            ]
            width = wider
        self.stages = torch.nn.Sequential(*stages, torch.nn.Flatten(), torch.nn.Dropout(0.3))
        self.last = torch.nn.Linear(128 * 16, n_classes)

    def forward(self, x):
        return self.last(self.stages(self.first(x).movedim(-1, 1)))


class Turned(RegressorMixin, BaseEstimator):
    """A push-forward that is also shown its images turned and mirrored: tissue has no upright."""

    def __init__(self, pushforward):
        self.pushforward = pushforward

    def fit(self, X, Z, labels):
        images = X.reshape(-1, 32, 32, 3)
        turned = [np.rot90(images, turns, axes=(1, 2)) for turns in range(4)]
        views = np.concatenate([*turned, *(view[:, :, ::-1] for view in turned)]).reshape(-1, X.shape[1])
        self.map_ = clone(self.pushforward).fit(views, np.tile(Z, (8, 1)), labels=np.tile(labels, 8))
        return self

    def predict(self, X):
        return self.map_.predict(X)


def well_told_apart(frozen, X, y, X_ref_test, y_ref_test, reference, least=0.95):
    """The cheapest pair of target classes for the two source classes, of those that the frozen model can tell apart."""
    said, cost = frozen.predict_proba(X_ref_test), label_distances(X, y, *reference)
    pairs = {}
    for i, j in itertools.permutations(range(10), 2):
        rows = (y_ref_test == i) | (y_ref_test == j)
        right = np.where(said[rows, i] > said[rows, j], i, j) == y_ref_test[rows]
        pairs[i, j] = (right.mean() < least, cost[0, i] + cost[1, j])
    return dict(enumerate(min(pairs, key=pairs.get)))


def histology(args):
    """Figure 5: patches of another tissue and task (IDC for CAMELYON) on a frozen CIFAR-10 model."""
    n, steps, epochs = (60, 10, 1) if args.quick else (3000, args.cifar_steps, 3)

    def colours(name):
        X, y, X_test, y_test = load_images(name, args.data)
        few = slice(500) if args.quick else slice(None)
        return [
            a[few].reshape(len(a[few]), -1).astype("float32") if a.ndim > 1 else a[few] for a in (X, y, X_test, y_test)
        ]

    X_ref, y_ref, X_ref_test, y_ref_test = colours("cifar10")
    X, y, X_test, y_test = colours("idc_histology")
    X, y, reference = X[:n], y[:n], Reference(X_ref[:n], y_ref[:n])
    torch.manual_seed(0)
    frozen = train(X_ref, y_ref, steps=steps, batch=64, net=ColourCNN())
    goes_to = well_told_apart(frozen, X, y, X_ref_test, y_ref_test, reference)
    pushforward = Turned(ImagePushForward(image_shape=(32, 32, 3), max_epochs=epochs, rank=1))
    flow = OTDDFlowTransformer(
        reference, correspondence=goes_to, pushforward=pushforward, keep_trajectory=5, random_state=0
    )
    clf = RepurposedClassifier(frozen, flow).fit(X, y)
    scores = Scores()
    scores.add("frozen CIFAR-10 network on CIFAR-10's test rows", "accuracy", frozen.score(X_ref_test, y_ref_test))
    before = clf.classes_[clf.decode([X_test]).argmax(axis=1)]
    scores.add("it, on histology as it is", "accuracy", np.mean(before == y_test))
    particles = clf.classes_[clf.decode([clf.flows_[0].particles_]).argmax(axis=1)]
    scores.add("it, on the particles", "accuracy", np.mean(particles == y))
    scores.add("**it, on unseen patients, carried**", "accuracy", clf.score(X_test, y_test))
    scores.add("SVC trained on histology", "accuracy", SVC(C=5).fit(X, y).score(X_test, y_test))
    print("\n### Figure 5: histology (IDC patches; the paper has CAMELYON) on a frozen CIFAR-10 network, %\n")
    print(scores.table(percent))
    print(f"\nClasses went to {goes_to}.")
    print("The paper shows particles, no numbers; it finds that the model beats one trained on CAMELYON only.")
    figure, axes = plt.subplots(4, 5, figsize=(6, 5), layout="constrained")
    for i, j in np.ndindex(axes.shape):
        axes[i, j].imshow(clf.flows_[0].trajectory_[j, i].reshape(32, 32, 3).clip(0, 1))
        axes[i, j].axis("off")
    for j, time in enumerate(np.linspace(0, clf.flows_[0].n_iter_, 5).round().astype(int)):
        axes[0, j].set_title(f"step {time}", fontsize="small")
    figure.savefig(args.figures / "figure_5.png")


def draw_gains(scores, path):
    baseline, *rows = (row for row in scores.values if "pairs" not in row)
    columns = list(scores.values[baseline])
    figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
    for i, row in enumerate(rows):
        gains = [100 * (scores.mean(row, column) - scores.mean(baseline, column)) for column in columns]
        ax.bar(np.arange(len(columns)) + 0.2 * (i - 1.5), gains, width=0.18, label=row)
    ax.axhline(0, color="grey", linewidth=1)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_ylabel(f"gain over {baseline}, points")
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where to draw (default: figures)")
    parser.add_argument("--quick", action="store_true", help="few rows, few steps: to see that it runs")
    parser.add_argument("--particles", type=int, default=2000, help="source rows of the k-shot tasks (default: 2000)")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 100], help="rows a class (default: 5 10 100)")
    parser.add_argument(
        "--steps",
        type=int,
        default=300,
        help="training steps of each classifier, three times that from 100 shots on (default: 300)",
    )
    parser.add_argument("--cifar-steps", type=int, default=2000, help="of the CIFAR-10 network (default: 2000)")
    parts = {"shots": shots, "adaptation": adaptation, "oracle": oracle, "histology": histology}
    parser.add_argument("--only", choices=list(parts), help="one of the parts")
    args = parser.parse_args()
    args.figures.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        if args.only in (None, name):
            part(args)


if __name__ == "__main__":
    main()
