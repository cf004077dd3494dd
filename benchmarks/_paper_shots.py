"""Figures 3e, 10 and 4: data of another domain, flowed or not, as extra training data for a task of k shots."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.metrics import pairwise_distances_argmin_min

from _paper import DATASETS, Finding, few_shots, images, interval, paper_flow, train
from _tables import markdown
from skflow.metrics import otdd
from skflow.trajectories import as_training_data

EPOCHS, EPOCHS_BATCH = 30, 64  # appendix C: 20 epochs and 10 of fine-tuning
AROUND = [("M", "U"), ("U", "F"), ("F", "K"), ("K", "M")]  # where all pairs take too long
CLAIM = "all extra data help in most pairs, trajectories most"
EXTRA = {
    "initial": "source as it is",
    "final": "final particles",
    "trajectory": "trajectories",
    "mapped": "mapped rows",
    "tuned": "fine-tuned model",
}


def train_and_tune(extra, few, steps, seed):
    """Two thirds of the steps on `extra` (X, y, weight), the last third on the target's few rows alone."""
    net = train(*extra, steps=steps - steps // 3, seed=seed).net
    return train(*few, steps=steps // 3, net=net, seed=seed)


def with_shots(extra, few):
    """Weighted rows of both; the shots, which are certain, count as much as all that is added."""
    weight = np.r_[np.full(len(few[1]), extra[2].sum() / len(few[1])), extra[2]]
    return np.r_[few[0], extra[0]], np.r_[few[1], extra[1]], weight


def accuracies(data, n, steps, source, target, k, draw):
    """Accuracy on the target's test rows of one LeNet for each kind of extra data, of one draw of the shots."""
    X, y, _, _ = images(source, data)
    few, test = few_shots(target, k, data, draw)
    steps = steps if k < 100 else 2 * steps
    # Classes have nothing in common but their number, so which goes to which is up to transport.
    flow = paper_flow(few, correspondence="assignment", keep_trajectory=6).fit(X[:n], y[:n])
    names = np.array([flow.label_map_[label] for label in range(10)])
    epochs = EPOCHS * max(1, round(len(few[1]) / EPOCHS_BATCH))
    scores = {
        "epochs": train(*few, steps=epochs, batch=EPOCHS_BATCH, seed=draw).score(*test),
        "steps": train(*few, steps=steps, seed=draw).score(*test),
        "tuned": train_and_tune((X[:n], names[y[:n]]), few, steps, draw).score(*test),
        "distance": otdd(X[:200], y[:200], *few, reg=0.05, class_weight="balanced"),
    }
    for samples in ("initial", "final", "trajectory", "mapped"):
        rows = (X[n : 2 * n], y[n : 2 * n]) if samples == "mapped" else ()  # rows that the flow has not seen
        extra = with_shots(as_training_data(flow, samples, *rows), few)
        scores[samples] = train_and_tune(extra, few, steps, draw).score(*test)
    return scores


def nearness(data, n, source, target, k):
    """How far the final particles are from the nearest shot, in parts of the variance within the target's classes."""
    X, y, _, _ = images(source, data)
    few, (X_test, y_test) = few_shots(target, k, data)
    flow = paper_flow(few, correspondence="assignment", pushforward=DummyRegressor()).fit(X[:n], y[:n])
    within = np.mean([X_test[y_test == label].var(axis=0).sum() for label in range(10)])
    return {"distance": np.mean(pairwise_distances_argmin_min(flow.particles_, few[0])[1] ** 2) / within}


def shots(args, work):
    """Accuracy by k, and what extra data add: over as many steps without them, and over as many epochs."""
    n, steps = (100, 20) if args.quick else (args.particles, args.steps)
    pairs = list(itertools.permutations(DATASETS, 2))[: 1 if args.quick else None]
    measured, findings = {}, []
    for k in (5,) if args.quick else args.shots:
        draws = range(args.draws if k < 100 and not args.quick else 1)
        few_pairs = pairs if k < 100 else [pair for pair in pairs if pair in AROUND]
        units = [(n, steps, *pair, k, draw) for draw in draws for pair in few_pairs]
        for unit, scores in work.each("shots", units, lambda *of: accuracies(args.data, *of)):
            by_pair = measured.setdefault(k, {}).setdefault(unit[2:4], [])
            by_pair.append(scores)
    means = {k: [mean_of(draws) for draws in pairs.values()] for k, pairs in measured.items()}
    counted = ", ".join(f"{len(of)} pairs at {k} a class" for k, of in means.items())
    print(f"\n### Figures 3e and 10: accuracy on the target, %, {n} source rows, {counted}\n")
    rows = {"epochs": "the shots alone, 30 epochs", "steps": "the shots alone, as many steps"} | EXTRA
    table = [
        [name, *(f"{100 * np.mean([m[row] for m in of]):.1f}" for of in means.values())] for row, name in rows.items()
    ]
    print(markdown(["", *(f"{k} a class" for k in means)], table))
    for baseline, title in (("steps", "the shots alone, as many steps"), ("epochs", "the shots alone, 30 epochs")):
        print(f"\n### Points above {title}: mean over pairs, and its 95 % interval\n")
        print(gains_table(means, baseline))
    print("\nThe paper shows no numbers; it finds that all extra data help in most pairs, trajectories most.")
    draw_gains(means, args.figures / "figure_3e_10.png")
    draw_adaptation(means[next(iter(means)) if 10 not in means else 10], args.figures / "figure_4.png")
    units = [(n, *pair, k) for k in measured for pair in measured[k] if pair in AROUND]
    near = {k: [] for k in means}
    for (*_, k), found in work.each("nearness", units, lambda *of: nearness(args.data, *of)):
        near[k].append(100 * found["distance"])
    print("\n### How far final particles are from the nearest shot, % of the variance within the target's classes\n")
    print(markdown(["", *(f"{k} a class" for k in near)], [["mean", *(f"{np.mean(v):.1f}" for v in near.values())]]))
    for k, of in means.items():
        findings.append(extra_data("Figure 3e" if k >= 100 else "Figure 10", k, of, np.mean(near[k])))
    if not any(k >= 100 for k in means):
        findings.append(Finding("Figure 3e", CLAIM, "not run at 100 a class (--shots 100)", "See figure 10 for fewer."))
    return [*findings, adaptation(means)]


def mean_of(draws):
    return {name: float(np.mean([scores[name] for scores in draws])) for name in draws[0]}


def gain(means, row, baseline):
    return interval([100 * (m[row] - m[baseline]) for m in means])


def in_words(gain):
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*gain)


def gains_table(means, baseline):
    header = ["", *(f"{k}: {what}" for k in means for what in ("gain", "from", "to"))]
    rows = [
        [name, *(f"{v:.1f}" for of in means.values() for v in gain(of, row, baseline))] for row, name in EXTRA.items()
    ]
    return markdown(header, rows)


def extra_data(figure, k, means, near):
    """What the summary says of one k."""
    over_steps, over_epochs = gain(means, "trajectory", "steps"), gain(means, "trajectory", "epochs")
    final, mapped = (in_words(gain(means, row, "epochs")) for row in ("final", "mapped"))
    here = (
        f"{k} a class, {len(means)} pairs, points over the shots alone for 30 epochs (appendix C): "
        f"trajectories {in_words(over_epochs)}, "
        f"final particles {final}, mapped rows {mapped}"
    )
    verdict = "a gain" if over_steps[1] > 0 else "a loss" if over_steps[2] < 0 else "no clear gain"
    much = "Some" if over_steps[0] > over_epochs[0] / 2 else "Most"
    longer = f"{much} of it is longer training: 30 epochs of so few rows are few steps."
    enough = "So many shots say by themselves what rows can say that were flowed to them."
    remark = (
        f"{longer if over_epochs[1] > 0 else enough} Over the shots alone trained for as many steps trajectories bring "
        f"{in_words(over_steps)}, {verdict}. From a final particle to the nearest shot it is {near:.1f} % "
        "of a class's variance away."
    )
    return Finding(figure, CLAIM, here, remark)


def adaptation(means):
    """Figure 4 for all that were measured."""
    here = []
    for k, of in means.items():
        here.append(f"{k} a class {in_words(interval([100 * (m['trajectory'] - m['tuned']) for m in of]))}")
    return Finding(
        "Figure 4",
        "adapting the data gains more overall than fine-tuning the model",
        f"trajectories above the fine-tuned model, points: {'; '.join(here)}",
    )


def draw_gains(means, path):
    figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
    for i, (row, name) in enumerate(EXTRA.items()):
        middle, low, high = np.transpose([gain(of, row, "steps") for of in means.values()])
        at = np.arange(len(means)) + 0.17 * (i - 2)
        ax.bar(at, middle, width=0.15, label=name, yerr=[middle - low, high - middle], ecolor="0.4")
    ax.axhline(0, color="grey", linewidth=1)
    ax.set_xticks(range(len(means)), [f"{k} a class" for k in means])
    ax.set_ylabel("gain over the shots alone, points")
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)


def draw_adaptation(means, path):
    figure, ax = plt.subplots(layout="constrained")
    tuned, data = (np.array([100 * (m[row] - m["steps"]) for m in means]) for row in ("tuned", "trajectory"))
    figure.colorbar(ax.scatter(tuned, data, c=[m["distance"] for m in means]), label="OTDD")
    ax.axline((0, 0), slope=1, color="grey")
    ax.set(xlabel="gain by model adaptation, points", ylabel="gain by data adaptation, points")
    figure.savefig(path)
