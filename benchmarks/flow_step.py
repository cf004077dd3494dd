"""What one step of a flow costs: by size, by part, beside the products that no step can avoid, and beside its peers.

Two Gaussian mixtures with ten classes each in 784 dimensions. All times are medians over the steps of a flow, in
milliseconds, and all of a table come from one run, with the yardstick measured between its rows: the two matrix
products of a step, ``x @ x'^T`` for the cost and ``plan @ x'`` for the gradient, into memory that is there already.

1. A step by size and setting, in multiples of the yardstick.
2. A step by part.
3. Our solvers, and peers at the states of the same flow, on the same cost at the same marginal error: autograd through
   geomloss, POT's log-domain Sinkhorn with the same closed-form gradient, and flash-sinkhorn's own loop without the
   gradient. They start cold at each step, POT also from the last one's potentials. flash-sinkhorn needs a GPU, or
   TRITON_INTERPRET=1, whose iterations count and whose times do not.
4. What refreshing label distances only when it matters does to the objective.
5. Peak memory of a whole fit above its inputs: the arrays that it holds, and the resident set of the process, which
   has BLAS's workspace and what the allocator does not give back on top.
6. A whole flow from USPS to MNIST, 2000 images each, until it has converged, by optimizer, and where it ends, with
   label distances refreshed by rule, as ever, and at every step.

    python benchmarks/flow_step.py [--quick] [--threads N] [--device cpu] [--data DIR]
        [--only setting|part|peers|rule|memory|whole ...] [--sizes N ...]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch

from _memory import status
from _protocol import add_data_argument, load, load_usps
from _tables import markdown
from skflow.flow import OPTIMIZERS, Euler, FeatureDriven, Particles, integrate
from skflow.functionals import OTDDFunctional
from skflow.transport import label_distance_matrix, squared_distances

DIM, N_CLASSES, STEP_SIZE = 784, 10, 0.1
SETTINGS = {  # name: parameters of the functional
    "reg=0.05, no label distances": {"label_weight": 0, "correspondence": "coupling"},
    "reg=0.05, label distances": {"correspondence": "coupling"},
    "reg=0.05, label distances at every step": {"correspondence": "coupling", "refresh_tol": 0},
    "reg=0.05, label distances, hard correspondence": {"correspondence": "same"},
    "reg=0.01, no label distances": {"reg": 0.01, "label_weight": 0, "correspondence": "coupling"},
    "reg=0.01, label distances": {"reg": 0.01, "correspondence": "coupling"},
    "reg=0.005, label distances": {"reg": 0.005, "correspondence": "coupling"},
}


def mixture(n, seed, shift):
    """`n` points of ten classes, Gaussians of rank 40 in a little noise; `shift` moves and deforms the classes."""
    rng = np.random.default_rng(0)
    means, axes = rng.normal(scale=0.2, size=(N_CLASSES, DIM)), rng.normal(scale=0.05, size=(N_CLASSES, 40, DIM))
    rng = np.random.default_rng(seed)
    means = means + shift * rng.normal(scale=0.2, size=means.shape)
    axes = axes + shift * rng.normal(scale=0.05, size=axes.shape)
    y = np.arange(n) % N_CLASSES
    X = means[y] + 0.05 * rng.normal(size=(n, DIM))
    for k in range(N_CLASSES):
        X[y == k] += rng.normal(size=(np.sum(y == k), 40)) @ axes[k]
    return X.astype("float32"), y


def datasets(n):
    """Source and target: the same ten classes in two domains."""
    return mixture(n, seed=1, shift=1.0), mixture(n, seed=2, shift=0.0)


class Clock:
    """Times calls; on a GPU it waits for what has been launched."""

    def __init__(self, device):
        self.wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None

    def __call__(self, call, *args, **kwargs):
        self.wait()
        start = time.perf_counter()
        result = call(*args, **kwargs)
        self.wait()
        return 1000 * (time.perf_counter() - start), result


def products(n, device, repeat=15):
    """The yardstick: median time of the two matrix products."""
    clock = Clock(device)
    x, t, plan = (torch.rand(shape, device=device) for shape in ((n, DIM), (n, DIM), (n, n)))
    cost, barycentres = torch.empty_like(plan), torch.empty_like(x)
    times = [
        clock(torch.mm, x, t.T, out=cost)[0] + clock(torch.mm, plan, t, out=barycentres)[0] for _ in range(repeat + 2)
    ]
    return statistics.median(times[2:])


def start_flow(n, device, **parameters):
    (X, y), target = datasets(n)
    particles = Particles.from_arrays(X, y, device=device)
    return particles, OTDDFunctional(target, **parameters).bind(particles)


def timed_flow(particles, bound, n_steps, clock, keep=False):
    """Times of the steps, the objective, iterations and marginal errors; where `keep`, the states evaluated at."""
    dynamics = FeatureDriven().bind(particles, optimizer=Euler(), step_size=STEP_SIZE)
    times, objective, solved, states = [], [], [], []
    for _ in range(n_steps):

        def step(particles=particles):
            derivative = bound.evaluate(particles)
            return derivative.value, dynamics.step(particles, derivative)

        if keep:  # else memory is used again and again, as in a flow
            states.append(particles)
        elapsed, (value, particles) = clock(step)
        times.append(elapsed)
        objective.append(value.item())
        solved.append((bound.n_iter, bound.marginal_error))
    return times, objective, solved, states


def by_setting(sizes, n_steps, device):
    rows = []
    for n in sizes:
        for name, parameters in SETTINGS.items():
            particles, bound = start_flow(n, device, **parameters)
            before = products(n, device)
            times, *_ = timed_flow(particles, bound, n_steps, Clock(device))
            yardstick = (before + products(n, device)) / 2
            step = statistics.median(times)
            rows.append(
                [f"{n}: {name}", f"{yardstick:.1f}", f"{step:.1f}", f"{step / yardstick:.2f}", f"{times[0]:.0f}"]
            )
    print(f"\n### One step, {DIM} features, {N_CLASSES} classes, median of {n_steps} steps\n")
    print(markdown(["n = m: setting", "two products", "step", "ratio", "first step"], rows))


def by_part(n, n_steps, device):
    particles, bound = start_flow(n, device, **SETTINGS["reg=0.05, label distances"])
    problem, clock, spent = bound._blocks[0].problem, Clock(device), {}

    def watched(name, call):
        def timed(*args, **kwargs):
            elapsed, result = clock(call, *args, **kwargs)
            spent.setdefault(name, []).append(elapsed)
            return result

        return timed

    problem._features = watched("products of the features", problem._features)
    problem.solver.solve = watched("cost, kernel, scaling iterations", problem.solver.solve)
    for name in ("refresh", "distances", "pull_back"):
        setattr(problem.label_cost, name, watched(f"label distances: {name}", getattr(problem.label_cost, name)))
    times, *_ = timed_flow(particles, bound, n_steps, clock)
    total = sum(times[1:])
    rows = [[name, f"{(sum(parts) - parts[0]) / (n_steps - 1):.1f}"] for name, parts in spent.items()]
    rows.append(
        [
            "product with the plan, step, the rest",
            f"{(total - sum(sum(p) - p[0] for p in spent.values())) / (n_steps - 1):.1f}",
        ]
    )
    rows.append(["all", f"{total / (n_steps - 1):.1f}"])
    print(f"\n### A step by part, {n}x{n}, label distances, mean of {n_steps - 1} steps after the first\n")
    print(markdown(["part", "ms"], rows))


def peers(n, n_steps, device, reg=0.01, tol=1e-3):
    """Our step beside others' at the states of our flow, on the same ground cost, label distances as they are there."""
    import ot

    with_flash = find_spec("flash_sinkhorn") and (device != "cpu" or os.environ.get("TRITON_INTERPRET") == "1")
    clock, ours = Clock(device), {}
    for solver in (*(["fused"] if with_flash else []), "tiled", "dense"):
        particles, bound = start_flow(n, device, reg=reg, correspondence="coupling", marginal_tol=tol, solver=solver)
        times, _, solved, states = timed_flow(particles, bound, n_steps, clock, keep=True)
        ours[f"ours, {solver}"] = [(elapsed, *figures) for elapsed, figures in zip(times, solved, strict=True)]
    target, warm, states = bound.target, None, states[:: max(n_steps // 6, 1)]
    peers = {"POT, cold": [], "POT, warm": [], "geomloss, autograd": []}
    if with_flash:
        peers["flash-sinkhorn, no gradient"] = []
    for state in states:
        distances = label_distance_matrix(state, target, "gaussian")

        def ground_cost(x, labels=distances[state.y][:, target.y]):
            return squared_distances(x, target.x) + labels

        for name, measured in peers.items():
            if name.startswith("geomloss"):
                solve = partial(geomloss_step, ground_cost, state, target, bound.reg)
            elif name.startswith("POT"):
                start = warm if name.endswith("warm") else None
                solve = partial(pot_step, ot, ground_cost, state, target, bound.reg, start)
            else:
                solve = partial(flash_step, ground_cost, distances, state, target, bound.reg)
            measured.append(first_within(tol, solve, clock))
        warm = pot_step(ot, ground_cost, state, target, bound.reg, warm, peers["POT, warm"][-1][1])[2]
    rows, dense = [], statistics.median(elapsed for elapsed, *_ in ours["ours, dense"])
    for name, measured in (ours | peers).items():
        elapsed, n_iter, error = (statistics.median(values) for values in zip(*measured, strict=True))
        rows.append([name, f"{elapsed:.0f}", f"{elapsed / dense:.1f}", f"{n_iter:.0f}", f"{error:.1e}"])
    print(f"\n### Peers, {n}x{n}, reg={reg}, marginal error {tol}, median over {len(states)} states of one flow\n")
    print("Label distances are given to the peers; ours computes them.\n")
    print(markdown(["step", "ms", "ratio", "iterations", "marginal error"], rows))


def first_within(tol, solve, clock):
    """Time of the cheapest of 10, 20, 40, ... iterations whose plan is within `tol`, its iterations, its error.

    `solve` returns first what measures the error, which is not timed.
    """
    n_iter = 10
    while True:
        elapsed, (measure, *_) = clock(solve, n_iter)
        error = measure()
        if error <= tol or n_iter >= 5000:
            return elapsed, n_iter, error
        n_iter *= 2


def geomloss_step(ground_cost, state, target, reg, n_iter):
    import geomloss.ot

    x = state.x.clone().requires_grad_()
    solution = geomloss.ot.solve(ground_cost(x), a=state.a, b=target.a, reg=reg, max_iter=n_iter)
    solution.value.backward()
    plan = solution.plan.detach()
    return partial(marginal_error, plan, state, target), x.grad


def pot_step(ot, ground_cost, state, target, reg, warm, n_iter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few iterations: that is what is sought
        plan, log = ot.bregman.sinkhorn_log(
            state.a, target.a, ground_cost(state.x), reg, numItermax=n_iter, stopThr=0, warmstart=warm, log=True
        )
    gradient = 2 * (plan.sum(1)[:, None] * state.x - plan @ target.x)
    return partial(marginal_error, plan, state, target), gradient, (log["log_u"], log["log_v"])


def flash_step(ground_cost, distances, state, target, reg, n_iter):
    """flash-sinkhorn's loop: eps-scaling, then `n_iter` iterations. A plan is made to measure the error alone."""
    from flash_sinkhorn.kernels import epsilon_schedule, max_diameter
    from flash_sinkhorn.sinkhorn_solvers import sinkhorn_flashstyle_symmetric

    x, t, k = state.x - target.a @ target.x, target.x - target.a @ target.x, len(distances)
    labels = distances.new_zeros(sum(distances.shape), sum(distances.shape))
    labels[:k, k:] = distances
    schedule = [*epsilon_schedule(max_diameter(x, t), reg**0.5, 0.5), *[reg] * n_iter]
    f, g = sinkhorn_flashstyle_symmetric(
        x, t, state.a, target.a, eps_list=schedule, autotune=x.is_cuda, allow_tf32=False,
        label_x=state.y.int(), label_y=(target.y + k).int(), label_cost_matrix=labels, lambda_y=1.0,
    )  # fmt: skip

    def error():
        plan = torch.outer(state.a, target.a) * ((f[:, None] + g - ground_cost(state.x)) / reg).exp()
        return marginal_error(plan, state, target)

    return (error,)


def marginal_error(plan, state, target):
    return max((plan.sum(1) - state.a).abs().sum().item(), (plan.sum(0) - target.a).abs().sum().item())


def refresh_rule(n, n_steps, device):
    rows = []
    for name in ("coupling", "same"):
        particles, bound = start_flow(n, device, correspondence=name, refresh_tol=0)
        _, exact, *_ = timed_flow(particles, bound, n_steps, Clock(device))
        particles, lazy = start_flow(n, device, correspondence=name)
        _, told, _, states = timed_flow(particles, lazy, n_steps, Clock(device), keep=True)
        # A functional of its own measures the states, so that the potentials of the flow are not disturbed.
        _, fresh = start_flow(n, device, correspondence=name, refresh_tol=0)
        for step in (n_steps // 3, n_steps):
            true = fresh.evaluate(states[step - 1]).value.item()
            every = exact[step - 1]
            figures = f"{every:.3f}", f"{true:.3f}", f"{true / every - 1:+.1e}", f"{told[step - 1] / true - 1:+.1e}"
            rows.append([f"{name}, {step} steps", *figures])
    print(f"\n### Refreshing label distances by rule instead of at every step: the objective, {n}x{n}\n")
    print(markdown(["flow", "every step", "by rule", "relative", "overestimate of its own"], rows))


def whole(n, repeat, device, data):
    (X, y, *_), (X_ref, y_ref, *_) = load_usps(data), load("mnist", data)
    start, target = Particles.from_arrays(X[:n], y[:n], device=device), (X_ref[:n], y_ref[:n])
    by_rule, always = OTDDFunctional(target), OTDDFunctional(target, refresh_tol=0)
    clock, times, ends, judge = Clock(device), {}, {}, always.bind(start)

    def flow(functional, optimizer):
        own = start.moved(start.x.clone())
        dynamics = FeatureDriven().bind(own, optimizer=OPTIMIZERS[optimizer](), step_size=STEP_SIZE)
        return integrate(functional.bind(start), dynamics, max_iter=1000)

    for _ in range(repeat):
        for optimizer in ("sgd", "auto"):
            for name, functional in ((optimizer, by_rule), (f"{optimizer}, refreshed at every step", always)):
                milliseconds, ends[name] = clock(flow, functional, optimizer)
                times.setdefault(name, []).append(milliseconds / 1000)
    rows = []
    for name, end in ends.items():
        seconds = f"{statistics.median(times[name]):.1f}", f"{min(times[name]):.1f}-{max(times[name]):.1f}"
        reached = f"{judge.evaluate(end.particles).value.item():.2f}"
        rows.append([name, end.status, end.n_iter, *seconds, f"{end.objective[0]:.1f}", reached])
    print(f"\n### A whole flow, USPS to MNIST, {n} images each, tol=1e-3, {repeat} turns\n")
    print(markdown(["optimizer", "", "steps", "seconds", "range", "objective at first", "at the end"], rows))


def memory(n):
    rows = []
    for name in ("coupling", "same"):
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(n), name], capture_output=True, text=True, check=True
        )
        figures = [float(number) for number in done.stdout.split()[-2:]]
        rows.append([f"{n}x{n}, {name}", *(f"{f:.0f} ({f / (4 * n * n / 2**20):.1f})" for f in figures)])
    print("\n### Peak memory of a fit (30 steps, no push-forward) above its inputs\n")
    print(markdown(["fit", "arrays, MiB (in cost matrices)", "process, MiB (in cost matrices)"], rows))


def memory_child(n, correspondence):
    """Print the MiB that the arrays of a fit take at most, and by how many the process grows in another."""
    from sklearn.dummy import DummyRegressor

    from skflow import OTDDFlowTransformer

    def fit(source, target, max_iter):
        flow = OTDDFlowTransformer(
            target, correspondence=correspondence, pushforward=DummyRegressor(), max_iter=max_iter, device="cpu"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few steps
            flow.fit(*source)

    fit(*datasets(100), 2)  # libraries are loaded, threads are started
    source, target = datasets(n)
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the high-water mark starts here
    before = status("VmRSS")
    fit(source, target, 30)
    grown = status("VmHWM") - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        fit(source, target, 30)
    held = np.cumsum([e.nbytes() for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"])
    # The starting features come to torch as memory of NumPy's, of which it keeps no account.
    tensors = (held.max() + source[0].nbytes) / 2**20
    print(tensors, grown)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", default=["setting", "part", "peers", "rule", "memory", "whole"])
    parser.add_argument("--sizes", type=int, nargs="*", default=[500, 1000, 2000, 4000])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    add_data_argument(parser)
    args = parser.parse_args()
    if args.child:
        return memory_child(int(args.child[0]), args.child[1])
    torch.set_num_threads(args.threads)
    n, n_steps = (400, 8) if args.quick else (2000, 30)
    print(f"{args.threads} threads, {args.device}")
    if "setting" in args.only:
        by_setting([n] if args.quick else args.sizes, n_steps, args.device)
    if "part" in args.only:
        by_part(n, n_steps, args.device)
    if "peers" in args.only:
        peers(n, n_steps, args.device)
    if "rule" in args.only:
        refresh_rule(n, 3 * n_steps, args.device)
    if "memory" in args.only and sys.platform == "linux":
        memory(n)
    if "whole" in args.only:
        whole(n, 1 if args.quick else 5, args.device, args.data)


if __name__ == "__main__":
    main()
