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
from sklearn.dummy import DummyRegressor
from sklearn.svm import SVC

from _protocol import FrozenCNN, SmallCNN, add_data_argument, few_labels, load, load_images, load_usps, train_cnn
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier
from skflow.metrics import otdd
from skflow.pushforward import ImagePushForward
from skflow.trajectories import as_training_data

warnings.simplefilter("ignore")
DATASETS = {"M": "mnist", "U": "usps", "F": "fashion_mnist", "K": "kmnist"}
SOURCES = ("initial", "final", "trajectory", "mapped")


def images(letter, data):
    return load_usps(data) if letter == "U" else load(DATASETS[letter], data)


def train(X, y, weight=None, steps=300, batch=64, net=None, seed=0, learning_rate=1e-3):
    """A LeNet on weighted rows for a number of steps (appendix C counts epochs, which grow with the data)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SmallCNN() if net is None else net
        optimizer = torch.optim.Adam(net.train().parameters(), learning_rate, weight_decay=1e-6)
        weight = torch.ones(len(X)) if weight is None else torch.tensor(weight, dtype=torch.float32)
        X, y = torch.tensor(X), torch.tensor(y)
        for rows in torch.multinomial(weight, steps * batch, replacement=True).split(batch):
            loss = F.cross_entropy(net(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return FrozenCNN(net.eval(), np.arange(10))


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
    n, steps, epochs, pairs = (200, 20, 1, 1) if args.quick else (args.particles, args.steps, 8, 12)
    scores, names = Scores(), {"initial": "source", "final": "final particles", "mapped": "mapped"}
    for k in (5,) if args.quick else args.shots:
        for source, target in list(itertools.permutations(DATASETS, 2))[:pairs]:
            X, y, _, _ = images(source, args.data)
            X_few, y_few, X_test, y_test = few_shots(target, k, args.data)
            flow = flow_to(X[:n], y[:n], (X_few, y_few), epochs, frames=6)
            column = f"{k} shots"
            baseline = train(X_few, y_few, steps=steps).score(X_test, y_test)
            scores.add("target only", column, baseline)
            for samples in SOURCES:
                rows = (X[:n], y[:n]) if samples == "mapped" else ()
                X_more, y_more, weight = as_training_data(flow, samples, *rows)
                # The shots, which are certain, count as much as all that is added.
                weight = np.r_[np.full(len(y_few), weight.sum() / len(y_few)), weight]
                both = np.r_[X_few, X_more], np.r_[y_few, y_more]
                accuracy = train(*both, weight, steps=steps).score(X_test, y_test)
                scores.add(f"+ {names.get(samples, 'trajectories')}", column, accuracy)
                scores.add(f"+ {names.get(samples, 'trajectories')}: pairs it helps", column, accuracy > baseline)
            print(f"{k} shots, {source} -> {target}", flush=True)
    print(f"\n### Figures 3e and 10: accuracy on the target, %, mean over {pairs} pairs, {n} source rows\n")
    print(scores.table(percent))
    print("\nThe paper shows no numbers; it finds that all extra data help in most pairs, and trajectories most.")
    draw_bars(scores, args.figures / "figure_3e_10.png")


def adaptation(args):
    """Figure 4: the same labelled rows used to adapt the data or to adapt (fine-tune) the model."""
    n, steps, pairs = (200, 20, 1) if args.quick else (args.particles, args.steps, 12)
    scores, points = Scores(), []
    for source, target in list(itertools.permutations(DATASETS, 2))[:pairs]:
        X, y, _, _ = images(source, args.data)
        X_few, y_few, X_test, y_test = few_shots(target, 10, args.data)
        flow = flow_to(X[:n], y[:n], (X_few, y_few), 1, frames=6)
        names = np.array([flow.label_map_[label] for label in range(10)])
        pretrained = train(X[:n], names[y[:n]], steps=steps)
        tuned = train(X_few, y_few, steps=steps // 2, net=pretrained.net).score(X_test, y_test)
        X_more, y_more, weight = as_training_data(flow)
        weight = np.r_[np.full(len(y_few), weight.sum() / len(y_few)), weight]
        data = train(np.r_[X_few, X_more], np.r_[y_few, y_more], weight, steps=steps).score(X_test, y_test)
        alone = train(X_few, y_few, steps=steps).score(X_test, y_test)
        distance = otdd(X[:200], y[:200], X_few, y_few, reg=0.05, class_weight="balanced")
        points.append((tuned - alone, data - alone, distance))
        for name, value in (("no adaptation", alone), ("model: fine-tuned", tuned), ("data: trajectories", data)):
            scores.add(name, "10 shots", value)
        print(f"{source} -> {target}", flush=True)
    print(f"\n### Figure 4: data against model adaptation, accuracy, %, mean over {pairs} pairs\n")
    print(scores.table(percent))
    print("\nThe paper shows no numbers; it finds that adapting the data gains more overall.")
    figure, ax = plt.subplots()
    tuned, data, distance = np.array(points).T
    figure.colorbar(ax.scatter(100 * tuned, 100 * data, c=distance), label="OTDD")
    ax.axline((0, 0), slope=1, color="grey")
    ax.set(xlabel="gain by model adaptation, points", ylabel="gain by data adaptation, points")
    figure.savefig(args.figures / "figure_4.png")


def oracle(args):
    """Figures 6 and 11: objective and accuracy of a frozen model along the flow, over lambda and step size."""
    n, n_iter, frames = (200, 6, 3) if args.quick else (1000, 30, 7)
    X_ref, y_ref, _, _ = load("mnist", args.data)
    frozen = train_cnn(X_ref, y_ref, epochs=1 if args.quick else 12)
    X, y, _, _ = images("K", args.data)
    X, y = X[:n], y[:n]
    figure, axes = plt.subplots(1, 3, figsize=(14, 4))
    scores, pairs = Scores(), []
    settings = [(reg, 0.1) for reg in (0.01, 0.05, 0.2, 1.0)] + [(0.05, step) for step in (0.05, 0.2)]
    for reg, step in settings:
        flow = OTDDFlowTransformer(
            Reference(X_ref[:n], y_ref[:n]),
            reg=reg,
            step_size=step,
            max_iter=n_iter,
            tol=0,
            n_iter_no_change=n_iter,
            keep_trajectory=frames,
            pushforward=DummyRegressor(),
        ).fit(X, y)
        at = np.linspace(0, flow.n_iter_, frames).round().astype(int)
        accuracy = [frozen.score(frame, y) for frame in flow.trajectory_]
        name = f"reg={reg:g}, step={step:g}"
        for time, value in zip(at, accuracy, strict=True):
            scores.add(name, f"step {time}", value)
        axes[0].plot(flow.objective_, label=name)
        axes[1].plot(at, accuracy, label=name)
        axes[2].plot(flow.objective_[at], accuracy, marker="o", label=name)
        pairs.append(np.corrcoef(flow.objective_[at], accuracy)[0, 1])
    axes[0].set(xlabel="step", ylabel="objective", yscale="log")
    axes[1].set(xlabel="step", ylabel="accuracy of the frozen model")
    axes[2].set(xlabel="objective", ylabel="accuracy of the frozen model", xscale="log")
    axes[0].legend(fontsize="small")
    figure.savefig(args.figures / "figure_6_11.png")
    print("\n### Figures 6 and 11: KMNIST to MNIST, accuracy of a frozen network on the particles along the flow, %\n")
    print(scores.table(percent))
    print(f"\nCorrelation of objective and accuracy along each flow: {np.round(pairs, 2).tolist()}")
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


def histology(args):
    """Figure 5: patches of another tissue and task (IDC for CAMELYON) on a frozen CIFAR-10 model."""
    n, steps, epochs = (200, 10, 1) if args.quick else (3000, args.cifar_steps, 15)

    def colours(name):
        X, y, X_test, y_test = load_images(name, args.data)
        return [a.reshape(len(a), -1).astype("float32") if a.ndim > 1 else a for a in (X, y, X_test, y_test)]

    X_ref, y_ref, X_ref_test, y_ref_test = colours("cifar10")
    X, y, X_test, y_test = colours("idc_histology")
    X, y = X[:n], y[:n]
    torch.manual_seed(0)
    frozen = train(X_ref, y_ref, steps=steps, net=ColourCNN())
    pushforward = ImagePushForward(image_shape=(32, 32, 3), max_epochs=epochs)
    flow = OTDDFlowTransformer(
        Reference(X_ref[:n], y_ref[:n]),
        correspondence="assignment",
        pushforward=pushforward,
        keep_trajectory=5,
        random_state=0,
    )
    clf = RepurposedClassifier(frozen, flow).fit(X, y)
    scores = Scores()
    scores.add("frozen CIFAR-10 network on CIFAR-10's test rows", "accuracy", frozen.score(X_ref_test, y_ref_test))
    names = np.array([clf.flows_[0].label_map_[label] for label in (0, 1)])
    before = clf.classes_[clf.decode([X_test]).argmax(axis=1)]
    scores.add("it, on histology as it is", "accuracy", np.mean(before == y_test))
    particles = clf.classes_[clf.decode([clf.flows_[0].particles_]).argmax(axis=1)]
    scores.add("it, on the particles", "accuracy", np.mean(particles == y))
    scores.add("**it, on unseen patients, carried**", "accuracy", clf.score(X_test, y_test))
    scores.add("SVC trained on histology", "accuracy", SVC(C=5).fit(X, y).score(X_test, y_test))
    print("\n### Figure 5: histology (IDC patches; the paper has CAMELYON) on a frozen CIFAR-10 network, %\n")
    print(scores.table(percent))
    print(f"\nClasses went to {names.tolist()}. The paper shows a curve that ends above a model trained on CAMELYON.")
    figure, axes = plt.subplots(4, 5, figsize=(6, 5))
    for i, j in np.ndindex(axes.shape):
        axes[i, j].imshow(clf.flows_[0].trajectory_[j, i].reshape(32, 32, 3).clip(0, 1))
        axes[i, j].axis("off")
    figure.savefig(args.figures / "figure_5.png")


def draw_bars(scores, path):
    rows = [row for row in scores.values if "pairs" not in row]
    columns = list(scores.values[rows[0]])
    figure, ax = plt.subplots(figsize=(8, 4))
    for i, row in enumerate(rows):
        heights = [scores.mean(row, column) for column in columns]
        ax.bar(np.arange(len(columns)) + 0.15 * (i - 2), heights, width=0.14, label=row)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_ylabel("accuracy on the target")
    ax.legend(fontsize="small")
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where to draw (default: figures)")
    parser.add_argument("--quick", action="store_true", help="few rows, few steps: to see that it runs")
    parser.add_argument("--particles", type=int, default=2000, help="source rows of the k-shot tasks (default: 2000)")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 100], help="rows a class (default: 5 10 100)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of each classifier (default: 600)")
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
