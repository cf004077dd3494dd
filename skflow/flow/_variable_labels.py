"""Joint-driven variable-label dynamics: every particle has its own label distribution (algorithm 3)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import torch

from .._sklearn import HasMethods, Interval, StrOptions
from ..transport import GaussianLabels
from ._derivative import Derivative
from ._dynamics import BoundDynamics, Dynamics, velocity
from ._joint import COVARIANCE, BoundJointFixedLabels, settle_covariance
from ._optimizers import Optimizer
from ._particles import Particles
from ._relabelling import absorb_noise, check_clusters, embed, keep_names


class Clusterer(Protocol):
    """What scikit-learn's clusterers have in common."""

    def fit_predict(self, X: np.ndarray) -> np.ndarray: ...


class JointVariableLabels(Dynamics):
    """Every particle moves with its own label distribution; clusters of them are the classes ("jd-vl", algorithm 3).

    A particle starts with its class's mean and covariance. The distributions part as the plan sends their particles to
    different target classes; every so often they are clustered, and clusters become classes. Classes so merge, split
    and vanish. A class keeps its name in the cluster that most of its particles are in. Other clusters get new names:
    numbers count on from the largest, texts get one ("cat" splits into "cat" and "cat-2"), both in the dtype of the
    labels. Booleans count on too, ``[False, True, 2]``, in an array of dtype object; what is neither gets a text, also
    in an array of dtype object, which keeps the other labels as they are.

    Parameters
    ----------
    clusterer : {"dbscan", "kmeans"} or object with ``fit_predict``, default="dbscan"
        Clusters the label distributions, as points ``[mu, Sigma^(1/2)]`` in the units of the data; -1 is noise, which
        goes to the nearest cluster. "dbscan" is appendix C's, ``DBSCAN(eps=5, min_samples=4)``; "kmeans" keeps the
        number of classes. Estimators put an object in the place of a name; a copy of the object is used.
    recluster_every : int, default=10
        Steps between clusterings. There is one at the end in any case.
    covariance : {"auto", "full", "diag", "means"} or int, default="auto"
        See :class:`JointFixedLabels`.
    """

    _parameter_constraints = {
        "clusterer": [StrOptions({"dbscan", "kmeans"}), HasMethods("fit_predict")],
        "recluster_every": [Interval(Integral, 1, None, closed="left")],
        "covariance": COVARIANCE,
    }

    def __init__(
        self, clusterer: str | Clusterer = "dbscan", *, recluster_every: int = 10, covariance: str | int = "auto"
    ) -> None:
        self.clusterer = clusterer
        self.recluster_every = recluster_every
        self.covariance = covariance

    def bind(
        self, particles: Particles, *, optimizer: Optimizer, step_size: float, seed: int = 0, unit: float = 1.0
    ) -> BoundDynamics:
        """See :meth:`Dynamics.bind`.

        Raises
        ------
        ValueError
            For parameters out of range, and for a clusterer that is a name: this floor knows none.
        MemoryError
            Where covariances take more than there is room for.
        """
        self.validate()
        if isinstance(self.clusterer, str):
            raise ValueError(
                f"clusterer={self.clusterer!r} is a name, which an estimator knows: outside of one, pass an object "
                "with fit_predict, such as sklearn.cluster.DBSCAN(eps=5, min_samples=4)."
            )
        covariance = settle_covariance(self.covariance, particles, len(particles.a))
        of_class = GaussianLabels.from_classes(particles, covariance)
        # Distributions stand in the order of the data, which does not change when classes do.
        own = of_class.take(particles.in_data_order(particles.y))
        labelled = replace(particles, labels=replace(own, of=particles.order, per_particle=True))
        setting = {"optimizer": optimizer, "step_size": step_size, "seed": seed, "unit": unit}
        return BoundJointVariableLabels(labelled, deepcopy(self.clusterer), self.recluster_every, **setting)


class BoundJointVariableLabels(BoundJointFixedLabels):
    """:class:`JointVariableLabels` bound to particles, each with a label distribution of its own."""

    def __init__(self, particles: Particles, clusterer: Clusterer, recluster_every: int, **setting: Any) -> None:
        super().__init__(particles, **setting)
        self._features = self.stepper(particles.in_data_order(particles.a))
        self.clusterer, self.recluster_every = clusterer, recluster_every
        self._n_steps, self._names_used = 0, particles.classes.tolist()

    def move(self, particles: Particles, derivative: Derivative) -> Particles:
        labels = self._moved_labels(particles, derivative)
        # What a stepper keeps must stay with its particle, so it works in the order of the data, too.
        in_data_order = particles.in_data_order(velocity(particles.a, derivative.features))
        displacement = self._features.displacement(in_data_order, derivative.value, derivative.curvature)
        particles = replace(particles, x=particles.x + displacement[particles.order], labels=labels)
        self._n_steps += 1
        return self._recluster(particles) if self._n_steps % self.recluster_every == 0 else particles

    def finish(self, particles: Particles) -> Particles:
        return self._recluster(particles)

    def _recluster(self, particles: Particles) -> Particles:
        assert particles.labels is not None
        points = self.unit * embed(particles.labels).double().cpu().numpy()
        if len(points) < 2 or not np.isfinite(points).all():  # one that diverges: a clusterer must not see it
            return particles
        try:
            answer = self.clusterer.fit_predict(points.copy())
        except ValueError as error:
            raise ValueError(f"clusterer={self.clusterer!r}, of {len(points)} particles: {error}") from error
        found = check_clusters(self.clusterer, answer, len(points))
        clusters = absorb_noise(found, points)
        if clusters is None:
            return particles
        before = particles.in_data_order(particles.y).cpu().numpy()
        classes, codes = keep_names(clusters, before, particles.classes, self._names_used)
        self._names_used += [name for name in classes.tolist() if name not in self._names_used]
        return _relabelled(particles, classes, codes)


def _relabelled(particles: Particles, classes: np.ndarray, codes: np.ndarray) -> Particles:
    """The particles sorted by other `classes` (K,), with the `codes` (n,) of each in the order of the data."""
    y = torch.as_tensor(codes, device=particles.x.device)
    order = y.argsort(stable=True)
    x, a = particles.in_data_order(particles.x), particles.in_data_order(particles.a)
    assert particles.labels is not None
    return Particles(x[order], y[order], a[order], classes, order, replace(particles.labels, of=order))
