"""Small labelled datasets, and points made of them."""

import numpy as np
import torch

from skflow.flow import Particles
from skflow.transport import LabelledPoints


def labelled(n=30, d=3, k=3, seed=0, shift=0.0):
    """Features (n, d) of k classes of unequal sizes and covariances, in no order, and labels 0 .. k-1."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.r_[np.arange(k), rng.integers(0, k, n - k)])
    X = np.empty((n, d))
    for label in range(k):
        rows = y == label
        X[rows] = 2 * rng.normal(size=d) + rng.normal(size=(rows.sum(), d)) @ rng.normal(size=(d, d))
    return X + shift, y


def points(n=30, d=3, k=3, seed=0, shift=0.0, *, device="cpu", dtype=torch.float64):
    """Labelled points with weights all different."""
    particles = Particles.from_arrays(*labelled(n, d, k, seed, shift), device=device, dtype=dtype)
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, size=n)
    return LabelledPoints(particles.x, particles.y, tensor(weights / weights.sum(), device, dtype))


def tensor(values, device="cpu", dtype=torch.float64):
    return torch.as_tensor(np.asarray(values), dtype=dtype, device=device)


def array(values):
    return values.detach().cpu().numpy()


class Named:
    """A function that shows its name alone, without an address: every process then gives its tests the same names."""

    def __init__(self, function):
        self.function, self.__module__ = function, function.__module__

    def __call__(self, *args):
        return self.function(*args)

    def __repr__(self):
        return self.function.__name__

    def __reduce__(self):
        return repr(self)  # a global name: pickled, copied and cloned as functions are


@Named
def any_width(X, y):
    """A target for data of any width, which depends on nothing else: 10 rows of each class, elsewhere and wider."""
    classes = np.unique(y)
    rng = np.random.default_rng(0)
    return 2 * rng.normal(size=(10 * len(classes), X.shape[1])) + 1, np.repeat(classes, 10)


PLAIN = {"alignment": None, "safeguard": False}
"""Parameters of a flow that does nothing but flow."""
