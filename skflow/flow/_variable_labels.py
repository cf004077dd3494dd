"""Joint-driven variable-label dynamics: every particle has its own label distribution (algorithm 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch

from ..transport import GaussianLabels
from ._derivative import Derivative
from ._dynamics import velocity
from ._joint import JointFixedLabels
from ._optimizers import Optimizer
from ._particles import Particles
from ._relabelling import absorb_noise, embed, keep_names


class Clusterer(Protocol):
    """What scikit-learn's clusterers have in common."""

    def fit_predict(self, X: np.ndarray) -> np.ndarray: ...


class JointVariableLabels(JointFixedLabels):
    """Every particle moves with its own label distribution; clusters of them are the classes ("jd-vl", algorithm 3).

    A particle starts with its class's mean and covariance. The distributions part as the plan sends their particles to
    different target classes; every so often they are clustered, and clusters become classes. Classes so merge, split
    and vanish. A class keeps its name in the cluster that most of its particles are in; other clusters get new names.

    Parameters
    ----------
    optimizer : callable () -> Optimizer
        Makes the optimizer of each moving quantity.
    clusterer : object with ``fit_predict``
        Clusters the embedded label distributions, see :func:`~skflow.flow._relabelling.embed`; -1 is noise, which goes
        to the nearest cluster.
    recluster_every : int, default=10
        Steps between clusterings. There is one at the end in any case.
    covariance : {"auto", "full", "diag", "means"} or int, default="auto"
        See :class:`JointFixedLabels`.
    """

    def __init__(
        self,
        optimizer: Callable[[], Optimizer],
        *,
        clusterer: Clusterer,
        recluster_every: int = 10,
        covariance: str | int = "auto",
    ) -> None:
        super().__init__(optimizer, covariance=covariance)
        self.clusterer, self.recluster_every = clusterer, recluster_every
        self._n_steps, self._names_used = 0, np.array([])

    def start(self, particles: Particles) -> Particles:
        covariance = self._settle_covariance(particles, len(particles.a))
        of_class = GaussianLabels.from_classes(particles, covariance)
        # Distributions stand in the order of the data, which does not change when classes do.
        own = of_class.take(particles.in_data_order(particles.y))
        self._names_used = particles.classes
        return replace(particles, labels=replace(own, of=particles.order, per_particle=True))

    def step(self, particles: Particles, derivative: Derivative) -> Particles:
        labels = self._move_labels(particles, derivative)
        # What an optimizer keeps must stay with its particle, so it works in the order of the data, too.
        in_data_order = particles.in_data_order(velocity(particles.a, derivative.features))
        displacement = self._features.displacement(in_data_order, derivative.value, derivative.curvature)
        displacement = displacement[particles.order]
        particles = replace(particles, x=particles.x + displacement, labels=labels)
        self._n_steps += 1
        return self._recluster(particles) if self._n_steps % self.recluster_every == 0 else particles

    def finish(self, particles: Particles) -> Particles:
        return self._recluster(particles)

    def _recluster(self, particles: Particles) -> Particles:
        points = embed(particles.labels).double().cpu().numpy()
        clusters = absorb_noise(np.asarray(self.clusterer.fit_predict(points)), points)
        if clusters is None:
            return particles
        before = particles.classes[particles.in_data_order(particles.y).cpu().numpy()]
        names = keep_names(clusters, before, self._names_used)
        self._names_used = np.union1d(self._names_used, names)
        return _relabelled(particles, names)


def _relabelled(particles: Particles, names: np.ndarray) -> Particles:
    """The particles sorted by other classes, `names` (n,) in the order of the data."""
    classes, codes = np.unique(names, return_inverse=True)
    codes = torch.as_tensor(codes, device=particles.x.device)
    order = codes.argsort(stable=True)
    x, a = particles.in_data_order(particles.x), particles.in_data_order(particles.a)
    return Particles(x[order], codes[order], a[order], classes, order, replace(particles.labels, of=order))
