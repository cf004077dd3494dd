"""Figures that show shapes and paths: 1 and 12, 2 and 7, 8 (by the examples, which draw them), 3a to 3d and 9."""

import itertools
import runpy
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from _paper import Finding, images, paper_flow
from _protocol import ROOT, load, train_cnn
from _tables import markdown


def run_example(name, stem, folder):
    """Run an example, save what it draws, and give back its names."""
    numbers = itertools.count(1)

    def save():
        for figure in map(plt.figure, plt.get_fignums()):
            figure.savefig(folder / f"{stem}_{next(numbers)}.png")
        plt.close("all")

    with mock.patch.object(plt, "show", save):
        return runpy.run_path(str(ROOT / "examples" / name))


def shapes(args, work):
    """Synthetic data, by the examples of the gallery."""
    return [*swiss_roll(args), *dynamics(args), tube_and_repulsion(args)]


def swiss_roll(args):
    names = run_example("plot_swiss_roll.py", "figure_1_12", args.figures)
    rows = {}
    for name, flow in names["flows"].items():
        Z, y = flow.particles_, names["y"]
        parted = LogisticRegression(C=100).fit(Z, y).score(Z, y)
        rows[name] = 100 * names["nearest"].score(Z, y), 100 * parted, Z[:, 1].std()
    print("\n### Figures 1 and 12: the swiss roll\n")
    header = ["flow", "in their class's turn, %", "parted by a plane, %", "spread along the axis"]
    print(markdown(header, [[name, *(f"{v:.2f}" for v in row)] for name, row in rows.items()]))
    both = (
        f"parted by a plane: OTDD alone {rows['OTDD'][1]:.0f} %, with the margin {rows['OTDD + separable'][1]:.0f} %; "
        f"spread along the axis {rows['OTDD'][2]:.2f}, with the collapse {rows['OTDD + flat'][2]:.2f}"
    )
    labels = f"rows that end in their class's turn: OTDD {rows['OTDD'][0]:.0f} %, "
    labels += f"feature-only {rows['feature-only OT'][0]:.0f} %"
    return [
        Finding("Figure 1", "flows resemble the reference and obey the constraint", both),
        Finding("Figure 12", "feature-only transport misses the class structure", labels),
    ]


def dynamics(args):
    names = run_example("plot_dynamics.py", "figure_2_7", args.figures)
    rows = {
        (name, optimizer): (100 * flow.objective_[-1] / flow.objective_[0], len(flow.classes_))
        for (name, optimizer), flow in names["flows"].items()
    }
    print("\n### Figures 2 and 7: three classes to five modes\n")
    table = [[", ".join(name), f"{left:.2f}", f"{classes:.0f}"] for name, (left, classes) in rows.items()]
    print(
        markdown(
            ["dynamics, optimizer", "objective left, %", "classes at the end"], [[a, b, f"{c}.0"] for a, b, c in table]
        )
    )
    fixed, free = rows["jd-fl", "sgd"], rows["jd-vl, DBSCAN", "sgd"]
    adam = [f"{name} {rows[name, 'adam'][0]:.1f} %, {rows[name, 'adam'][1]} classes" for name in names["dynamics"]]
    return [
        Finding(
            "Figure 2",
            "variable labels (jd-vl) let classes split, fixed ones (jd-fl) do not",
            f"three classes to five modes, objective left: jd-fl {fixed[0]:.1f} % with {fixed[1]} classes, "
            f"jd-vl {free[0]:.1f} % with {free[1]}",
        ),
        Finding("Figure 7", "the three dynamics, with ADAM", f"objective left: {'; '.join(adam)}"),
    ]


def tube_and_repulsion(args):
    names = run_example("plot_tube_and_repulsion.py", "figure_8", args.figures)

    def inside(Z):
        return 100 * np.mean(np.linalg.norm(Z - names["center"], axis=1) < 1.05 * names["radius"])

    def gap(Z, y):
        return np.linalg.norm(Z[y == 0].mean(axis=0) - Z[y == 1].mean(axis=0))

    ends = {name: flow.particles_ for name, flow in names["flows"].items()}
    rows = {"the start": (inside(names["X"]), gap(names["X"], names["y"]))}
    rows |= {"the target": (inside(names["X_ref"]), gap(names["X_ref"], names["y_ref"]))}
    rows |= {name: (inside(Z), gap(Z, names["y"])) for name, Z in ends.items()}
    print("\n### Figure 8: a tube, a repulsion, and both with a target\n")
    print(
        markdown(
            ["flow", "in the tube, %", "between the classes"],
            [[n, f"{a:.1f}", f"{b:.2f}"] for n, (a, b) in rows.items()],
        )
    )
    return Finding(
        "Figure 8",
        "a tube holds the flow, a repulsion parts the classes, with and without the OTDD",
        f"in the tube: {rows['a. tube'][0]:.0f} % alone, {rows['b. OTDD + tube'][0]:.0f} % with the OTDD (the target: "
        f"{rows['the target'][0]:.0f} %); between the classes with OTDD and repulsion "
        f"{rows['d. OTDD + repulsion'][1]:.1f}, the target's own {rows['the target'][1]:.1f}",
    )


def paths(args, work):
    """Figures 3a to 3d, paths between the data sets, and 9, particles beside the learnt map."""
    n, epochs = (100, 1) if args.quick else (1000, 12)
    X_mnist, y_mnist, _, _ = load("mnist", args.data)
    few = slice(300) if args.quick else slice(None)
    frozen = train_cnn(X_mnist[few], y_mnist[few], epochs=epochs)
    four = [("M", "U"), ("F", "M"), ("K", "F"), ("U", "K")][: 1 if args.quick else None]
    rows, frames = [], {}
    for source, target in four:
        X, y, _, _ = images(source, args.data)
        X_ref, y_ref, _, _ = images(target, args.data)
        flow = paper_flow((X_ref[:n], y_ref[:n]), correspondence="assignment", keep_trajectory=6).fit(X[:n], y[:n])
        frames[f"{source} to {target}"] = flow.trajectory_[:, :4]
        rows.append([f"{source} to {target}", f"{100 * flow.objective_[-1] / flow.objective_[0]:.1f}"])
    print("\n### Figures 3a to 3d: flows between the data sets, objective left, %\n")
    print(markdown(["flow", "left"], rows))
    left = ", ".join(f"{name} {value} %" for name, value in rows)
    draw_frames(frames, args.figures / "figure_3a_d.png")
    X, y, X_test, y_test = images("U", args.data)
    X, y = X[:n], y[:n]
    flow = paper_flow((X_mnist[:n], y_mnist[:n])).fit(X, y)
    Z, mapped = flow.particles_, flow.pushforward_.oof_
    explained = 1 - ((Z - mapped) ** 2).sum() / ((Z - X) ** 2).sum()
    right = (
        frozen.score(Z, y),
        frozen.score(mapped, y),
        frozen.score(flow.transform(X_test), y_test),
        frozen.score(X_test, y_test),
    )
    print("\n### Figure 9: USPS flowed to MNIST, and the same rows by the learnt map\n")
    titles = [
        "movement that the map explains, rows left out",
        "frozen network right on particles",
        "on left-out rows, mapped",
        "on unseen rows, mapped",
        "on unseen rows as they are",
    ]
    print(
        markdown(["", "%"], [[title, f"{100 * v:.1f}"] for title, v in zip(titles, (explained, *right), strict=True)])
    )
    draw_mapped(X, Z, mapped, args.figures / "figure_9.png")
    return [
        Finding("Figure 3a-d", "particles of one data set become those of another", f"objective left: {left}"),
        Finding(
            "Figure 9",
            "a learnt map approximates the flow reasonably",
            f"the map explains {100 * explained:.0f} % of the movement of left-out rows; a frozen network is right on "
            f"{100 * right[0]:.1f} % of the particles, {100 * right[1]:.1f} % of left-out rows when mapped",
        ),
    ]


def draw_frames(flows, path):
    figure, axes = plt.subplots(len(flows) * 4, 6, figsize=(5, 3.4 * len(flows)), layout="constrained")
    for block, (name, frames) in enumerate(flows.items()):
        for i, j in itertools.product(range(4), range(6)):
            axes[4 * block + i, j].imshow(frames[min(j, len(frames) - 1), i].reshape(28, 28), cmap="gray")
            axes[4 * block + i, j].axis("off")
        axes[4 * block, 0].set_title(name, fontsize="small", loc="left")
    figure.savefig(path)


def draw_mapped(X, Z, mapped, path):
    figure, axes = plt.subplots(3, 10, figsize=(8, 2.8), layout="constrained")
    for row, (name, rows) in enumerate((("USPS", X), ("particles", Z), ("mapped", mapped))):
        for j in range(10):
            axes[row, j].imshow(rows[j].reshape(28, 28), cmap="gray")
            axes[row, j].axis("off")
        axes[row, 0].set_title(name, fontsize="small", loc="left")
    figure.savefig(path)
