"""How time and memory of a flow's step grow, and what mini-batches do.

Gaussian mixtures in two domains. Each figure is measured in a process of its own, by steps of a flow: the median time
of a step after the first, and the peak of the process's resident memory above the two data sets and the particles, in
the first steps (which find the first potentials and label distances) and later.

1. Time and memory by the number of samples on either side, by dimension and by number of classes, for each solver, with
   the slope of log time, and of log memory, over the log of what grows. Drawn into ``--figures DIR``.
2. A large problem on tiles, beside the dense solver: the label distances between class means, which cost nothing, and
   between Gaussians. Resident memory has what the allocator keeps of what was freed, which differs from run to run by
   tens of MiB; "of it used" is the peak where it is told to give back.
3. A flow of many samples whose classes match: 20 steps.
4. The hierarchical solver: processor seconds and memory by n, with their slopes; what its plans cost over optimal ones
   (POT's, of subsamples) and entropic ones of all pairs; and whole flows to tol = 1e-3.
5. Whole flows to tol = 1e-3 of a million points a side whose classes match, and of 200,000 whose classes are coupled
   softly: steps, seconds, memory, and the objective at the end on a subsample, beside that of plans of all its pairs.
6. Mini-batches: the objective on all samples, against a flow on all samples that has had as much time, for 1, 2 and 5
   steps; and what is left of the difference when both have run their course (the bias).

    python benchmarks/scaling.py [--quick] [--figures DIR] [--threads N] [--only growth|large|many|huge|million|batches]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import LogLocator

from _memory import Watch, status
from _tables import markdown
from skflow.flow import Euler, FeatureDriven, Particles, integrate
from skflow.functionals import OTDDFunctional

STEP_SIZE = 0.1
TRIM = {"MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc's own threshold, which otherwise grows: then it keeps more of what has been freed."""
BASE = {"n": 4000, "d": 64, "K": 10}
GROWTH = {"n": [1000, 2000, 4000, 8000, 16000], "d": [16, 64, 256, 784], "K": [2, 10, 50]}
QUICK = {"n": [500, 1000, 2000], "d": [16, 64], "K": [2, 10]}
WAYS = {
    "dense": {"solver": "dense", "correspondence": "coupling"},
    "tiled": {"solver": "tiled", "correspondence": "coupling"},
    "dense, classes matched": {"solver": "dense", "correspondence": "same"},
    "tiled, classes matched": {"solver": "tiled", "correspondence": "same"},
    "batches of 500": {"batch_size": 500, "correspondence": "coupling"},
}

WHOLE = {"same": 1_000_000, "coupling": 200_000}
FEW = 10_000
"""Rows a side of a subsample that plans of all pairs are made for."""


def mixture(n, d, n_classes, domain):
    """`n` points of Gaussian classes whose means and covariances, of falling spectrum, are the domain's own."""
    means = np.random.default_rng(0).normal(size=(n_classes, d))
    rng = np.random.default_rng(1 + domain)
    means += 0.5 * domain * rng.normal(size=means.shape)
    scales = np.linspace(1, 0.1, d, dtype="float32") * rng.uniform(0.5, 1.5, size=(n_classes, d)).astype("float32")
    y = np.arange(n) % n_classes
    X = rng.standard_normal((n, d), dtype="float32")
    X *= scales[y]
    X += means[y].astype("float32")
    return X, y


def start(n, d, n_classes, **parameters):
    """Particles and the functional bound to them, when both data sets are there."""
    source, target = mixture(n, d, n_classes, 1), mixture(n, d, n_classes, 0)
    particles = Particles.from_arrays(*source)
    return particles, OTDDFunctional(target, **parameters)


def flow(particles, bound, n_steps=None, seconds=np.inf, clock=time.perf_counter):
    """Steps until there were enough, or time is over; yields the seconds of each. The particles move in place."""
    dynamics = FeatureDriven().bind(particles, optimizer=Euler(), step_size=STEP_SIZE)
    begin, step = clock(), 0
    while (n_steps is None or step < n_steps) and clock() - begin < seconds:
        before = clock()
        derivative = bound.evaluate(particles)
        particles.x.copy_(dynamics.step(particles, derivative).x)
        del derivative
        step += 1
        yield clock() - before


def measure(n, d, n_classes, n_steps, trimmed=False, cpu=False, **parameters):
    """Seconds of a warm step, of the first with all that comes before it, MiB at first and later, in a new process.

    `cpu` asks for the processor's seconds, those of all threads.
    """
    command = [sys.executable, __file__, "--threads", str(torch.get_num_threads()), "--child"]
    command.append(json.dumps([n, d, n_classes, n_steps, parameters, cpu]))
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | (TRIM if trimmed else {})
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return [float(number) for number in done.stdout.split()[-4:]]


def child(n, d, n_classes, n_steps, parameters, cpu):
    clock = time.process_time if cpu else time.perf_counter
    small, functional = start(200, d, n_classes, **parameters)
    list(flow(small, functional.bind(small), 2))  # libraries are loaded, threads are started
    particles, functional = start(n, d, n_classes, **parameters)
    with Watch() as first:
        begin = clock()
        bound = functional.bind(particles)
        list(flow(particles, bound, 1))
        cold = clock() - begin
    grown = status() - first.before[0]
    with Watch() as later:
        warm = list(flow(particles, bound, n_steps, clock=clock))
    print(np.median(warm), cold, first.peak[0], later.peak[0] + grown)


def slope(sizes, values):
    """Of log value over log size, in the upper half of the sizes."""
    upper = slice(min(len(sizes) // 2, len(sizes) - 2), None)
    return np.polyfit(np.log(sizes[upper]), np.log(np.maximum(values[upper], 1e-9)), 1)[0]


def growth(quick, figures):
    figure, axes = plt.subplots(2, len(GROWTH), figsize=(13, 7), layout="constrained")
    n_steps, base = (2, BASE | {"n": 1000}) if quick else (5, BASE)
    for column, (name, sizes) in enumerate((QUICK if quick else GROWTH).items()):
        rows = []
        for way, parameters in list(WAYS.items())[: 2 if quick else None]:
            measured = []
            for size in sizes:
                n, d, n_classes = (base | {name: size}).values()
                measured.append(measure(n, d, n_classes, n_steps, **parameters))
            seconds, _, _, peak = np.transpose(measured)
            rows.append([way, *(f"{1000 * s:.0f} / {p:.0f}" for s, p in zip(seconds, peak, strict=True))])
            rows[-1] += [f"{slope(sizes, seconds):.1f}", f"{slope(sizes, peak):.1f}"]
            axes[0, column].loglog(sizes, seconds, marker="o", label=way)
            axes[1, column].loglog(sizes, peak, marker="o", label=way)
        others = ", ".join(f"{key} = {value}" for key, value in base.items() if key != name)
        print(f"\n### A warm step by {name}: milliseconds / peak MiB above the data ({others}; n on either side)\n")
        print(markdown(["", *(f"{name} = {size}" for size in sizes), "slope of time", "of memory"], rows), flush=True)
        axes[0, column].set_ylabel("seconds a step")
        axes[1, column].set(xlabel=f"{name}  ({others})", ylabel="peak MiB above the data")
        for axis in axes[:, column]:
            axis.set_xticks(sizes, sizes)
            axis.minorticks_off()
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
    axes[0, 0].legend(fontsize="small")
    figure.savefig(figures / "scaling.png", dpi=120)


def large(quick, figures):
    n, n_steps, rows = 1500 if quick else 20_000, 2 if quick else 3, []
    for kind in ("means", "gaussian"):
        for correspondence in ("coupling", "same")[: 1 if quick else None]:
            settings = {"label_distance": kind, "correspondence": correspondence}
            dense, tiled = (measure(n, 784, 10, n_steps, solver=name, **settings) for name in ("dense", "tiled"))
            times = (
                f"{dense[0]:.1f}",
                f"{tiled[0]:.1f}",
                f"{tiled[0] / dense[0]:.2f}",
                f"{dense[1]:.0f} / {tiled[1]:.0f}",
            )
            held = measure(n, 784, 10, n_steps, trimmed=True, solver="tiled", **settings)
            peaks = (f"{max(measured[2:]):.0f}" for measured in (dense, tiled, held))
            rows.append([f"{kind}, {correspondence}", *times, *peaks])
            print(*rows[-1], sep=" | ", flush=True)
    print(f"\n### n = m = {n:,}, 784-d, 10 classes: a warm step, the first one, and peak memory above the data\n")
    header = [
        "label distances",
        "dense, s",
        "tiled, s",
        "ratio",
        "first, s",
        "dense, MiB",
        "tiled, MiB",
        "of it used, MiB",
    ]
    print(markdown(header, rows), flush=True)


def many(quick, figures):
    n, n_steps = (4000, 4) if quick else (50_000, 20)
    warm, cold, first, later = measure(n, 64, 10, n_steps - 1, correspondence="same")
    print(f"\n### n = m = {n:,}, 64-d, 10 classes that match, {n_steps} steps\n")
    row = [f"{cold + warm * (n_steps - 1):.0f}", f"{cold:.1f}", f"{warm:.2f}", f"{first:.0f}", f"{later:.0f}"]
    header = ["all, s", "first step, s", "median step, s", "peak at first, MiB", "peak later, MiB"]
    print(markdown(["solver='auto'", *header], [["", *row]]), flush=True)


def huge(quick, figures):
    sizes = [500, 1000, 2000] if quick else [10_000, 30_000, 100_000, 300_000]
    rows = []
    for correspondence in ("same", "coupling"):
        settings = {"solver": "hierarchical", "correspondence": correspondence}
        measured = [measure(n, 64, 10, 3, cpu=True, trimmed=True, **settings) for n in sizes]
        for name, column in {"a warm step, s": 0, "the first, s": 1, "peak, MiB": 3}.items():
            values = [max(m[2:]) if column == 3 else m[column] for m in measured]
            shown = [f"{value:.0f}" if column == 3 else f"{value:.2f}" for value in values]
            rows.append([correspondence, name, *shown, f"{slope(sizes, values):.2f}"])
    print("\n### solver='hierarchical', 64-d, 10 classes: processor seconds, and memory above the data\n")
    print(markdown(["correspondence", "", *(f"n = {n:,}" for n in sizes), "slope"], rows), flush=True)
    bias(400 if quick else 4000)
    rows = []
    for n, correspondence in ((sizes[0], "same"), (sizes[1], "same"), (sizes[0], "coupling")):
        for solver in ("dense", "hierarchical"):
            particles, functional = start(n, 64, 10, solver=solver, correspondence=correspondence)
            begin = time.process_time()
            bound = functional.bind(particles)
            dynamics = FeatureDriven().bind(particles, optimizer=Euler(), step_size=STEP_SIZE)
            ran = integrate(bound, dynamics, max_iter=200, tol=1e-3)
            seconds = time.process_time() - begin
            reached = value(n, 64, 10, ran.particles, bound.reg, correspondence=correspondence, solver="dense")
            rows.append([f"{n:,}, {correspondence}", solver, ran.n_iter, f"{seconds:.0f}", f"{reached:.3f}"])
            print(*rows[-1], sep=" | ", flush=True)
    print("\n### Whole flows, 64-d, 10 classes, tol = 1e-3: the objective at the end, by the dense solver\n")
    print(markdown(["n", "solver", "steps", "processor seconds", "objective"], rows), flush=True)


def million(quick, figures):
    rows = []
    for correspondence, n in {"same": 5000, "coupling": 2000}.items() if quick else WHOLE.items():
        command = [sys.executable, __file__, "--threads", str(torch.get_num_threads())]
        command += ["--whole", json.dumps([n, 64, 10, correspondence])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | TRIM)
        if done.returncode:
            raise SystemExit(done.stderr)
        rows.append([f"{n:,}, {correspondence}", *done.stdout.splitlines()[-1].split()])
        print(*rows[-1], sep=" | ", flush=True)
    print("\n### Whole flows, 64-d, 10 classes, tol = 1e-3, solver='hierarchical'\n")
    header = [
        "n = m",
        "steps",
        "processor seconds",
        "seconds",
        "peak MiB above the data",
        "own objective",
        "by all pairs",
    ]
    print(markdown([*header, "a dense flow's", "above it by"], rows), flush=True)


def whole(n, d, n_classes, correspondence):
    """A flow, and what plans of all pairs of a subsample would say at its end."""
    settings = {"correspondence": correspondence}
    small, functional = start(200, d, n_classes, solver="hierarchical", **settings)
    list(flow(small, functional.bind(small), 2))
    particles, functional = start(n, d, n_classes, solver="hierarchical", **settings)
    with Watch() as watch:
        begin, used = time.perf_counter(), time.process_time()
        bound = functional.bind(particles)
        dynamics = FeatureDriven().bind(particles, optimizer=Euler(), step_size=STEP_SIZE)
        ran = integrate(bound, dynamics, max_iter=200, tol=1e-3)
        seconds, used = time.perf_counter() - begin, time.process_time() - used
    reg, moved, n_few = bound.reg, ran.particles, min(n // 2, FEW)
    del bound, dynamics
    source, target = mixture(n, d, n_classes, 1), mixture(n, d, n_classes, 0)
    some, goals = (np.random.default_rng(seed).permutation(n) for seed in (0, 1))
    some, goals, others = some[:n_few], goals[:n_few], goals[n_few : 2 * n_few]

    def to(rows):
        X, y = target
        return OTDDFunctional((X[rows], y[rows]), reg=reg, reg_scale="absolute", solver="dense", **settings)

    alone = Particles.from_arrays(*(part[some] for part in source))
    dynamics = FeatureDriven().bind(alone, optimizer=Euler(), step_size=STEP_SIZE)
    alone = integrate(to(goals).bind(alone), dynamics, max_iter=200, tol=1e-3).particles
    together = Particles.from_arrays(moved.x[some].numpy(), moved.classes[moved.y[some]])
    by_all = [to(others).bind(few).evaluate(few).value.item() for few in (together, alone)]
    told = f"{ran.objective[0]:.3f}->{ran.objective[-1]:.3f}", *(f"{objective:.3f}" for objective in by_all)
    print(
        ran.n_iter, f"{used:.0f}", f"{seconds:.0f}", f"{watch.peak[0]:.0f}", *told, f"{by_all[0] / by_all[1] - 1:+.1%}"
    )


def bias(n):
    """What plans cost over those of all pairs: optimal ones, and entropic ones in cost alone."""
    rows = []
    for n_classes in (1, 10):
        # The classes are a part of the features here, and of nothing else.
        (X, _), (X_target, _) = mixture(n, 64, n_classes, 1), mixture(n, 64, n_classes, 0)
        particles = Particles.from_arrays(X, np.zeros(n, dtype=int))
        for reg in (0.0, 0.01, 0.05):
            costs = {}
            for solver in ("exact" if reg == 0 else "dense", "hierarchical"):
                functional = OTDDFunctional((X_target, np.zeros(n, dtype=int)), reg=reg, label_weight=0, solver=solver)
                bound = functional.bind(particles)
                n_solves = 10 if reg == 0 and solver == "hierarchical" else 1  # which then improves its plan
                costs[solver] = [transport_cost(bound, particles, X_target) for _ in range(n_solves)]
            best, found = costs.values()
            rows.append([n_classes, reg, *(f"{cost / best[0] - 1:+.1%}" for cost in (found[0], found[-1]))])
    print(f"\n### Cost of hierarchical plans over that of plans of all pairs, n = m = {n:,}, 64-d\n")
    print(markdown(["clusters", "reg", "first solve", "tenth"], rows), flush=True)


def transport_cost(bound, particles, X_target):
    """``<P, C>`` of the plan, by its image, which the gradient tells."""
    gradient = bound.evaluate(particles).features.double()
    x, target = particles.x.double(), torch.as_tensor(X_target).double()
    image = particles.a[:, None] * x - gradient / 2
    return ((particles.a[:, None] * x - 2 * image) * x).sum().item() + target.square().sum(1).mean().item()


def batches(quick, figures):
    """Every flow is looked at with its objective on all samples, at its own regularisation, by an unused functional."""
    n, d, n_classes = (2000, 64, 10) if quick else (20_000, 64, 10)
    n_steps_full, sizes, small = ([2], [200], 1000) if quick else ([1, 2, 5], [200, 1000, 5000], 2000)
    for correspondence in ("same", "coupling"):
        judge = {"correspondence": correspondence, "refresh_tol": 0, "solver": "tiled"}
        rows = []
        for n_full in n_steps_full:
            budget = None
            for size in (None, *sizes):
                particles, functional = start(n, d, n_classes, correspondence=correspondence, **batched(size))
                bound = functional.bind(particles)
                seconds = list(flow(particles, bound, n_full if budget is None else None, budget or np.inf))
                if budget is None:
                    budget = sum(seconds)
                reg = bound.reg
                del bound
                reached = value(n, d, n_classes, particles, reg, **judge)
                rows.append([str(size or "all"), len(seconds), f"{sum(seconds):.1f}", f"{reached:.3f}"])
        begun = value(n, d, n_classes, start(n, d, n_classes)[0], reg, **judge)
        print(f"\n### Mini-batches, {correspondence}, n = m = {n:,}, {d}-d: equal time (at the start {begun:.3f})\n")
        print(markdown(["batch", "steps", "seconds", "objective on all"], rows), flush=True)
        rows, n_steps = [], 5 if quick else 60
        for size in (None, *(size for size in sizes if size < small)):
            particles, functional = start(small, d, n_classes, correspondence=correspondence, **batched(size))
            bound = functional.bind(particles)
            list(flow(particles, bound, n_steps))
            told = bound.evaluate(particles).value.item()
            reached = value(small, d, n_classes, particles, bound.reg, **judge)
            rows.append([str(size or "all"), f"{reached:.3f}", f"{told:.3f}"])
        best = float(rows[0][1])
        rows = [[*row[:2], f"{float(row[1]) / best - 1:+.1%}", row[2]] for row in rows]
        print(f"\n### Their bias, {correspondence}, n = m = {small:,}, {d}-d: after {n_steps} steps\n")
        print(markdown(["batch", "objective on all", "relative", "objective on batches"], rows), flush=True)


def batched(size):
    """Parameters of a flow by batches of that size, or of all."""
    return {"solver": "tiled"} if size is None else {"batch_size": size}


def value(n, d, n_classes, particles, reg, **parameters):
    functional = OTDDFunctional(mixture(n, d, n_classes, 0), reg_scale="absolute", reg=reg, **parameters)
    return functional.bind(particles).evaluate(particles).value.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where to draw (default: figures)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parts = {"growth": growth, "large": large, "many": many, "huge": huge, "million": million, "batches": batches}
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--whole", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.child:
        child(*json.loads(args.child))
        return
    if args.whole:
        whole(*json.loads(args.whole))
        return
    args.figures.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        parts[name](args.quick, args.figures)


if __name__ == "__main__":
    main()
