"""Whole fits beside the peers': seconds to an equal or better objective, what was reached, and what it is good for.

Labelled source and target, a classifier that was trained on the target and stays frozen. Everybody is fitted to the
same rows and then carries the same unseen, unlabelled rows; the runs take turns, and times are medians.

- skflow: `OTDDFlowTransformer` as it comes, and with ``optimizer="auto"``.
- geomloss: gradient descent on the same OTDD² with the same step size and weights, class by class (which spares it the
  plan between classes, as it spares skflow): `geomloss.ot.solve_batch` on all classes at once for the features, the
  Bures-Wasserstein distance for the labels, both by autograd. It stops as soon as it has reached the objective of
  skflow's default, to a thousandth; to know that costs it nothing. Of 10, 20, 40, ... Sinkhorn iterations a step, only
  the run with the fewest that get there in twice skflow's steps counts. The map for unseen rows is not its subject: it
  gets skflow's.
- POT: `ot.da` transports with both labels and their own maps for unseen rows. They go to the target in one plan, so
  there is no flow to stop on the way. Their rows are not weighted by class.

One function measures all: `skflow.metrics.otdd` squared, between carried training rows and target, in float64, classes
matched by name and balanced, with the regularisation that the flow starts with ("objective") and without any ("exact").

    python benchmarks/peers.py [--quick] [--data DIR] [--only digits|images] [--sizes 500 1000 2000] [--device cpu]
"""

import argparse
import statistics
import time
import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import ot.da
import torch
from geomloss.ot import solve_batch
from sklearn.svm import SVC

from _protocol import add_data_argument, digit_shifts, load, load_usps, train_cnn
from _tables import markdown
from frozen_accuracy import POT_TRANSPORTS, SINKHORN
from skflow import OTDDFlowTransformer
from skflow.flow import Particles
from skflow.functionals import OTDDFunctional
from skflow.metrics import otdd
from skflow.pushforward import TabularPushForward
from skflow.transport import bures_wasserstein, class_factor

OURS, STEP_SIZE = "skflow", 0.1
REACHED = 1.001  # times the objective of skflow: the flow's own tolerance
AUTOGRAD = "geomloss, autograd flow"
LONG = 60  # seconds: what takes longer is run once
TRANSPORTS = {name: transport for name, (transport, labelled) in POT_TRANSPORTS.items() if labelled}
TRANSPORTS["POT, Sinkhorn-L1l2, both labels"] = ot.da.SinkhornL1l2Transport(**SINKHORN, max_inner_iter=100)


class Clock:
    """Seconds since it was made, less those for which it was stopped."""

    def __init__(self, device="cpu"):
        self.wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
        self.wait()
        self.start = time.perf_counter()

    def __call__(self):
        self.wait()
        return time.perf_counter() - self.start

    def off(self, call, *args):
        before = self()
        result = call(*args)
        self.start += self() - before
        return result


@dataclass
class Problem:
    """The data, the frozen classifier, and the one ruler."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_target: np.ndarray
    y_target: np.ndarray
    frozen: object
    device: str
    reg: float = field(init=False)
    """In units of the cost: the flow's own, from where it starts."""

    def __post_init__(self):
        self.reg = OTDDFunctional(self.target).bind(Particles.from_arrays(self.X, self.y)).reg

    @property
    def target(self):
        return self.X_target, self.y_target

    def objective(self, rows, reg):
        settings = {"reg_scale": "absolute", "class_weight": "balanced", "correspondence": "same"}
        return otdd(rows, self.y, *self.target, reg=reg, **settings) ** 2

    def score(self, rows):
        return self.frozen.score(rows.astype("float32"), self.y_test) if np.isfinite(rows).all() else np.nan


@dataclass
class Run:
    """What a method did: seconds, the training rows carried, the unseen rows carried."""

    plan: float
    """Of the flow, or of the plan."""
    map: float
    """Of learning to carry unseen rows."""
    transform: float
    rows: np.ndarray
    unseen: np.ndarray
    note: str = ""
    n_steps: int | None = None
    n_iter: int | None = None
    """Sinkhorn iterations of a step."""

    @property
    def total(self):
        return self.plan + self.map + self.transform


class TimedMap(TabularPushForward):
    """The built-in push-forward, which tells how long it learnt."""

    def fit(self, X, y, labels=None):
        clock = Clock(self.device if self.device != "auto" else "cpu")
        super().fit(X, y, labels=labels)
        self.seconds_ = clock()
        return self


def by_skflow(problem, **settings):
    learner = TimedMap(device=problem.device, random_state=0)
    flow = OTDDFlowTransformer(
        problem.target, step_size=STEP_SIZE, pushforward=learner, device=problem.device, random_state=0, **settings
    )
    clock = Clock(problem.device)
    flow.fit(problem.X, problem.y)
    fit = clock()
    clock = Clock(problem.device)
    unseen = flow.transform(problem.X_test)
    learning = flow.pushforward_.seconds_
    return Run(fit - learning, learning, clock(), flow.particles_, unseen, n_steps=flow.n_iter_)


def by_pot(problem, transport):
    # In float64, in which POT's exponentials of large costs do not vanish as soon.
    X, X_test, X_target = (rows.astype(float) for rows in (problem.X, problem.X_test, problem.X_target))
    clock = Clock()
    transport.fit(Xs=X, ys=problem.y, Xt=X_target, yt=problem.y_target)
    fit = clock()
    clock = Clock()
    unseen = transport.transform(Xs=X_test)
    seconds = clock()
    rows = transport.transform(Xs=X)
    note = "" if np.isfinite(unseen).all() and np.isfinite(rows).all() else "NaN"
    return Run(fit, 0.0, seconds, rows, unseen, note)


class ClassByClass:
    """OTDD² by geomloss and autograd: a batch of classes matched by name, filled up with points of no weight."""

    def __init__(self, problem):
        self.reg, self.times = problem.reg, self.excess()
        self.start = torch.as_tensor(problem.X, device=problem.device)
        target = torch.as_tensor(problem.X_target, device=problem.device)
        labels = np.unique(problem.y)
        self.members, self.weights = self.batch(problem.y, labels)
        others, self.target_weights = self.batch(problem.y_target, labels)
        self.targets = target[others]
        self.moments = [class_factor(*self.real(x, w)) for x, w in zip(self.targets, self.target_weights, strict=True)]

    def batch(self, y, labels):
        """Rows and weights (n_classes, largest class); row 0 with no weight fills up."""
        sizes = [np.sum(y == label) for label in labels]
        rows = torch.zeros(len(labels), max(sizes), dtype=torch.long)
        weights = torch.zeros(rows.shape)
        for k, (label, size) in enumerate(zip(labels, sizes, strict=True)):
            rows[k, :size], weights[k, :size] = torch.as_tensor(np.flatnonzero(y == label)), 1 / size
        return rows.to(self.start.device), weights.to(self.start.device)

    @staticmethod
    def real(x, weights):
        return x[weights > 0], weights[weights > 0]

    @staticmethod
    def features(x, target, **settings):
        cost = x.square().sum(-1)[:, :, None] + target.square().sum(-1)[:, None] - 2 * x @ target.mT
        return solve_batch(cost, **settings).value.sum()

    def value_and_velocity(self, x, n_iter):
        """The objective, and minus its gradient over the samples' weights."""
        x = x[self.members].requires_grad_()
        settings = {"reg": self.reg, "a": self.weights, "b": self.target_weights, "max_iter": n_iter}
        features = self.features(x, self.targets, **settings)
        parts = zip(x, self.weights, self.moments, strict=True)
        labels = sum(bures_wasserstein(*class_factor(*self.real(part, w)), *moments) for part, w, moments in parts)
        (gradient,) = torch.autograd.grad(features / self.times + labels, x)
        real = self.weights > 0
        velocity = torch.empty_like(self.start)
        velocity[self.members[real]] = -gradient[real] / self.weights[real][:, None]
        return (features + labels).item() / len(x), velocity

    def excess(self):
        """How many times too large geomloss's gradient is: of squared distances it must sum to ``2 (mean - mean')``.

        Twice in 0.3.1, where both potentials carry all of it.
        """
        x = torch.tensor([[[1.0], [2.0]]], requires_grad=True)
        (gradient,) = torch.autograd.grad(self.features(x, x.detach() - 1, reg=1.0, max_iter=100), x)
        return round(gradient.sum().item() / 2)

    def hopeful(self, x, objective):
        """The fewest of 10, 20, 40, ... Sinkhorn iterations that come within 1 % of the objective at `x`."""
        n_iter = 10
        while abs(self.value_and_velocity(x, n_iter)[0] / objective - 1) > 0.01 and n_iter < 1000:
            n_iter *= 2
        return n_iter

    def descend(self, n_iter, max_iter, reached, cap):
        """Seconds, steps and features when `reached`, which costs nothing, or when steps or seconds are used up."""
        x = self.start
        self.value_and_velocity(x, n_iter)  # libraries are loaded
        clock = Clock(x.device)
        for step in range(max_iter + 1):
            value, velocity = self.value_and_velocity(x, n_iter)
            done = clock.off(reached, value, x)
            if done or clock() > cap or step == max_iter:
                return done, clock(), step, x
            x = x + STEP_SIZE * velocity


def by_geomloss(problem, end, goal, max_iter, cap, n_iter=None):
    """Descend to `goal` with the fewest Sinkhorn iterations a step that get there; skflow's flow ended at `end`."""
    flow = ClassByClass(problem)
    n_iter = n_iter or flow.hopeful(torch.as_tensor(end, device=problem.device), goal)

    def reached(value, x):  # its own value is near, so that the ruler is not asked at every step
        return value <= 1.02 * goal and problem.objective(x.cpu().numpy(), problem.reg) <= goal

    done, seconds, n_steps, x = flow.descend(n_iter, max_iter, reached, cap)
    while not done and seconds < cap and n_iter < 1000:
        n_iter *= 2
        done, seconds, n_steps, x = flow.descend(n_iter, max_iter, reached, cap)
    note = f"{n_iter} iterations a step" + ("" if done else f"; NOT REACHED in {seconds:.0f} s")
    rows = x.cpu().numpy()
    learner = TimedMap(device=problem.device, random_state=0).fit(problem.X, rows, labels=problem.y)
    clock = Clock(problem.device)
    unseen = learner.predict(problem.X_test)
    return Run(seconds, learner.seconds_, clock(), rows, unseen, note, n_steps, n_iter)


def compare(title, problem, repeat, cap):
    def autograd_flow():
        before = {"n_iter": runs[AUTOGRAD][0].n_iter} if runs[AUTOGRAD] else {}
        return by_geomloss(problem, first.rows, goal, 2 * first.n_steps, cap, **before)

    methods = {
        OURS: lambda: by_skflow(problem),
        f'{OURS}, optimizer="auto"': lambda: by_skflow(problem, optimizer="auto"),
        AUTOGRAD: autograd_flow,
        **{name: partial(by_pot, problem, transport) for name, transport in TRANSPORTS.items()},
    }
    runs = {name: [] for name in methods}
    for _ in range(repeat):
        for name, method in methods.items():
            if runs[name] and runs[name][-1].total > LONG:
                continue
            runs[name].append(method())
            if name == OURS:
                first = runs[OURS][0]
                goal = REACHED * problem.objective(first.rows, problem.reg)

    def seconds(name, of):
        return statistics.median(getattr(run, of) for run in runs[name])

    def ratio(name, of):
        bound = ">" if "NOT" in runs[name][0].note else ""
        return f"{bound}{seconds(name, of) / seconds(OURS, of):.2g}"

    def reached(rows):
        if not np.isfinite(rows).all():
            return ["", ""]
        return [f"{problem.objective(rows, reg):.4g}" for reg in (problem.reg, 0)]

    start = 100 * problem.score(problem.X_test)
    table = [["nothing", "", "", "", "", "", "", *reached(problem.X), f"{start:.1f}", ""]]
    for name, (run, *_) in runs.items():
        times = [f"{seconds(name, of):.2f}" if getattr(run, of) else "" for of in ("plan", "map", "transform")]
        ratios = [ratio(name, "total"), ratio(name, "plan")]
        score = f"{100 * problem.score(run.unseen):.1f}"
        table.append([name, *times, *ratios, run.n_steps or "", *reached(run.rows), score, run.note])
    print(f"\n### {title}: {len(problem.X)} to {len(problem.X_target)} rows, {len(problem.X_test)} unseen\n")
    print(f"{repeat} turn(s); seconds, and multiples of skflow's for the whole and for the flow (or plan) alone.\n")
    columns = "flow, s|map, s|transform, s|whole, ×|flow, ×|steps|objective|exact|unseen, %|"
    print(markdown(["", *columns.split("|")], table), flush=True)


def warm_up(device):
    """Libraries are loaded and threads are started before the clocks run."""
    X, y = np.random.default_rng(0).normal(size=(40, 3)).astype("float32"), np.arange(40) % 2
    OTDDFlowTransformer((X + 1, y), max_iter=5, device=device).fit(X, y).transform(X)


def digits(args):
    for name, X, y, X_test, y_test, X_target, y_target in digit_shifts(seed=0):
        if name == "rot90" or (name == "contrast+noise" and not args.quick):
            frozen, n = SVC(C=5).fit(X_target, y_target), 100 if args.quick else len(X)
            rows = X[:n], y[:n], X_test, y_test, X_target, y_target
            yield f"Digits, {name}, frozen SVC", Problem(*rows, frozen, args.device)


def images(args):
    X_target, y_target, *_ = load("mnist", args.data)
    X, y, X_test, y_test = load_usps(args.data)
    frozen = train_cnn(X_target[:1000], y_target[:1000], epochs=4) if args.quick else train_cnn(X_target, y_target)
    for n in args.sizes:
        rows = X[:n], y[:n], X_test, y_test, X_target[:n], y_target[:n]
        yield "USPS to MNIST, frozen CNN", Problem(*rows, frozen, args.device)


PARTS = {"digits": digits, "images": images}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="few rows, one turn: to see that it runs")
    parser.add_argument("--only", choices=PARTS, help="one of the two data sets")
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000], help="rows of the images")
    parser.add_argument("--repeat", type=int, default=3, help="turns")
    parser.add_argument("--cap", type=float, default=300, help="seconds that the geomloss flow is given")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", help="of skflow and geomloss; POT's transports are on the CPU")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")  # of plans short of convergence: the table shows what comes of them
    if args.quick:
        args.sizes, args.repeat, args.cap = [100], 1, 10
    print(f"{args.threads} threads, {args.device}")
    warm_up(args.device)
    for part in PARTS if args.only is None else [args.only]:
        for title, problem in PARTS[part](args):
            compare(title, problem, args.repeat, args.cap)


if __name__ == "__main__":
    main()
