"""Time and peak memory of a functional's evaluation, each in a process of its own.

    python benchmarks/functionals.py [--quick] [--n 20000] [--d 2 784] [--functionals "repulsion, exponential" ...]

The peer is the textbook form of section 5's repulsion, a matrix of all pairs derived by autograd, at a size that it can
afford.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from _tables import markdown
from skflow.flow import Particles
from skflow.functionals import ClassRepulsion, Entropy, InteractionEnergy, InternalEnergy

N_CLASSES = 10


def pairwise(X, y, X_other, y_other):
    return 2 * torch.exp(-torch.cdist(X, X_other)) * (y[:, None] != y_other)


def textbook(particles):
    """Value and gradient of the repulsion by one matrix of pairs and autograd."""
    x, a, y = particles.x.clone().requires_grad_(), particles.a, particles.y
    distance = torch.cdist(x, x)
    energy = (torch.outer(a, a) * torch.exp(-distance) * (y[:, None] != y)).sum()
    energy.backward()
    return energy.item(), x.grad


FUNCTIONALS = {
    "repulsion, exponential": ClassRepulsion(),
    "repulsion, quadratic": ClassRepulsion("quadratic"),
    "interaction, autograd": InteractionEnergy(pairwise),
    "porous medium": InternalEnergy(2, bandwidth=1.0),
    "entropy (value)": Entropy(),
    "repulsion, textbook": textbook,
}


def measure(name, n, d):
    """Print seconds of an evaluation and the memory that it added to the process at its peak, in GB."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) / np.sqrt(d)
    particles = Particles.from_arrays(X, np.arange(n) % N_CLASSES)
    functional = FUNCTIONALS[name]
    small = Particles.from_arrays(X[:200], np.arange(200) % N_CLASSES)
    (functional if functional is textbook else functional.bind(small).evaluate)(small)  # loads the libraries
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evaluate = functional if functional is textbook else functional.bind(particles).evaluate
    start = time.perf_counter()
    evaluate(particles)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(seconds, (after - before) / 2**20, after / 2**20)  # Linux counts in KiB


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20000)
    parser.add_argument("--n-textbook", type=int, default=5000)
    parser.add_argument("--d", type=int, nargs="+", default=[2])
    parser.add_argument("--functionals", nargs="+", default=list(FUNCTIONALS), choices=list(FUNCTIONALS))
    parser.add_argument("--quick", action="store_true", help="2000 rows: to see that it runs")
    parser.add_argument("--data", help=argparse.SUPPRESS)  # `make bench` passes it to every script; this one needs none
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        name, n, d = args.one
        return measure(name, int(n), int(d))
    if args.quick:
        args.n = args.n_textbook = 2000
    rows = []
    for d in args.d:
        for name in args.functionals:
            n = args.n_textbook if name.endswith("textbook") else args.n
            command = [sys.executable, __file__, "--one", name, str(n), str(d)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, added, whole = map(float, done.stdout.split())
            rows.append([name, n, d, f"{seconds:.2f}", f"{added:.2f}", f"{whole:.2f}"])
    print(markdown(["functional", "n", "dim", "s", "added GB", "process GB"], rows))


if __name__ == "__main__":
    main()
