"""Steps to the end: how many until the objective is within 1 % of the best final one, by optimizer.

Every optimizer runs with step size 0.1 and no stopping rule. "Final" is the lower of its own and plain descent's last
objective, both after the same number of steps, so that each is measured against plain descent on equal terms; a step
is one evaluation of the objective. Where an optimizer ends lower than plain descent comes to at all, "never" stands for
plain descent's steps and the ratio is a bound.

    python benchmarks/steps.py [--data DIR] [--quick] [--n 500] [--steps 300] [--only digits images ...]
"""

import argparse
import sys
import time

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.model_selection import train_test_split

from _protocol import add_data_argument, digit_shifts, load, load_usps
from _tables import markdown
from dynamics import mixture, ring
from skflow.flow import OPTIMIZERS, FeatureDriven, JointFixedLabels, JointVariableLabels, Particles, integrate
from skflow.functionals import ClassRepulsion, FunctionalSum, OTDDFunctional, TubePotential

STEP_SIZE = 0.1
PLAIN = "sgd"


def digits(arguments):
    settings = {
        "": {},
        ", debias": {"debias": True},
        ", means": {"label_distance": "means"},
        ", diagonal": {"label_distance": "gaussian-diag"},
        ", exact labels": {"label_distance": "exact"},
        ", coupling 0.05": {"correspondence": "coupling"},
        ", coupling 0.01": {"correspondence": "coupling", "reg": 0.01},
        ", jd-fl": {"dynamics": JointFixedLabels()},
    }
    for name, X, y, _, _, X_target, y_target in digit_shifts(seed=0):
        if name == "invert":
            yield f"digits {name}", (X, y), (X_target, y_target), {}
        elif name == "rot90":
            for setting, params in settings.items():
                yield f"digits {name}{setting}", (X, y), (X_target, y_target), params


def images(arguments):
    def rows(X, y, *_):
        return train_test_split(X, y, train_size=arguments.n, stratify=y, random_state=0)[::2]

    target = rows(*load("mnist", arguments.data))
    usps = rows(*load_usps(arguments.data))
    yield "USPS -> MNIST", usps, target, {}
    yield "USPS -> MNIST, coupling 0.05", usps, target, {"correspondence": "coupling"}
    yield "USPS -> MNIST, tube", usps, target, {"constraints": [("tube", TubePotential(radius=3))]}
    yield "KMNIST -> MNIST", rows(*load("kmnist", arguments.data)), target, {}


def plane(arguments):
    source, target = mixture(3, 500, 2, 4.0, seed=0), mixture(3, 500, 2, 4.0, seed=1, shift=9.75)
    yield "2-D mixture", source, target, {}
    yield "2-D mixture, debias", source, target, {"debias": True}
    yield "2-D mixture, coupling 0.05", source, target, {"correspondence": "coupling"}
    yield "2-D mixture, coupling 0.01", source, target, {"correspondence": "coupling", "reg": 0.01}
    yield "2-D mixture, repulsion", source, target, {"constraints": [("repulsion", ClassRepulsion(weight=10))]}
    source, target = ring(3, 300, 6, [-14, 0], 0.0, seed=0), ring(5, 400, 12, [10, 0], 0.3, seed=1)
    soft = {"correspondence": "coupling", "reg": 0.01}
    yield "2-D, 3 to 5 classes", source, target, soft
    yield "2-D, 3 to 5 classes, debias", source, target, soft | {"debias": True}
    moving = JointVariableLabels(KMeans(3, n_init=3, random_state=0))
    yield "2-D, 3 to 5 classes, jd-vl", source, target, soft | {"dynamics": moving}


PROBLEMS = {"digits": digits, "images": images, "plane": plane}


def run(source, target, optimizer, n_steps, dynamics=None, constraints=(), **params):
    """Objective at each step, and seconds of the whole flow."""
    particles = Particles.from_arrays(*source)
    moving = (dynamics or FeatureDriven()).bind(particles, optimizer=OPTIMIZERS[optimizer](), step_size=STEP_SIZE)
    bound = FunctionalSum([*constraints, ("target", OTDDFunctional(target, **params))]).bind(moving.particles)
    start = time.perf_counter()
    flow = integrate(bound, moving, max_iter=n_steps, tol=0)
    return np.array(flow.objective), time.perf_counter() - start


def steps_to(objective, bound):
    """First step at which the objective is no higher, or None."""
    reached = np.flatnonzero(objective <= bound)
    return int(reached[0]) if len(reached) else None


def compare(name, source, target, params, n_steps):
    """A row for each optimizer."""
    plain, seconds = run(source, target, PLAIN, n_steps, **params)
    rows = [[name, PLAIN, "", "", "", f"{plain[0]:.4g}", f"{plain[-1]:.4g}", "", f"{seconds:.1f}"]]
    for optimizer in OPTIMIZERS:
        if optimizer == PLAIN:
            continue
        objective, seconds = run(source, target, optimizer, n_steps, **params)
        best = min(plain[-1], objective[-1])
        bound = best + 0.01 * abs(best)
        own, others = steps_to(objective, bound), steps_to(plain, bound)
        ratio = f"{own / others:.2f}" if own is not None and others else f"< {own / n_steps:.2f}" if own else ""
        change = f"{objective[-1] / plain[-1] - 1:+.2%}"
        cells = ["never" if steps is None else steps for steps in (own, others)]
        rows.append(["", optimizer, *cells, ratio, "", f"{objective[-1]:.4g}", change, f"{seconds:.1f}"])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="few rows, few steps: to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--n", type=int, default=500, help="rows of the images on either side")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=None, help="torch's threads (default: its own choice)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.n, arguments.steps = 100, 30
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rows = []
    for problems in arguments.only:
        for problem in PROBLEMS[problems](arguments):
            rows += compare(*problem, arguments.steps)
            print(*(" ".join(map(str, row)) for row in rows[-len(OPTIMIZERS) :]), sep="\n", file=sys.stderr)  # progress
    print(f"\nSteps until the objective is within 1 % of the better of two ends after {arguments.steps} steps.\n")
    header = ["", "optimizer", "steps", f"{PLAIN}'s", "ratio", "start", "end", f"to {PLAIN}'s end", "s"]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
