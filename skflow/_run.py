"""One run of a flow: from arrays to particles, through the loop, and back to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.utils import resample
from torch import Tensor

from ._target import as_given
from .flow import (
    DYNAMICS,
    OPTIMIZERS,
    Adam,
    BoundDynamics,
    BoundFunctional,
    Dynamics,
    FeatureDriven,
    Flow,
    Integration,
    Optimizer,
    Particles,
)
from .functionals import BoundSum, Coordinates, Functional

CHEAP = 2**20
"""Pairs of source and target rows up to which float64 data are computed with in float64."""
COVARIANCES = {"gaussian-diag": "diag", "means": "means"}
"""Covariances of free label distributions that a label distance implies."""
LEAST_SQUARED, MOST_SQUARED = 1e-150, 1e150
"""Lengths of which the squares are numbers in float64."""
FLOAT32_OFFSET = 1e3
"""Distance from the origin, in spreads of the data, up to which float32 holds them well."""


class FlowRun:
    """A flow made ready to run, and its outcome as arrays in the user's own units and order.

    Parameters
    ----------
    functional : Functional
        What to descend.
    X, y : ndarray of shape (n_particles, n_features), (n_particles,) or (n_particles, n_labels)
        Where the particles start, and their labels; continuous ones in columns.
    sample_weight : ndarray of shape (n_particles,) or None
        Positive weights.
    class_weight, label_distance : {"balanced", None}, str
        See :class:`~skflow.OTDDFlowTransformer`.
    dynamics, optimizer : str or object
        By name or configured.
    step_size, tol : float
        See :class:`~skflow.OTDDFlowTransformer`.
    n_frames : int
        Frames of the trajectory.
    n_target : int
        Rows of the target, 0 without one.
    device : torch.device
        Where to compute.
    seed : int
        Of noise and clusters.
    """

    def __init__(
        self,
        functional: Functional,
        X: np.ndarray,
        y: np.ndarray,
        *,
        sample_weight: np.ndarray | None,
        class_weight: str | None,
        label_distance: str,
        dynamics: str | Dynamics,
        optimizer: str | Optimizer,
        step_size: float,
        tol: float,
        n_frames: int,
        n_target: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self.optimizer: Optimizer = by_name(OPTIMIZERS, optimizer)
        moving: Dynamics = by_name(DYNAMICS, dynamics)
        if getattr(moving, "covariance", None) == "auto" and label_distance in COVARIANCES:
            moving.set_params(covariance=COVARIANCES[label_distance])
        # Features in plain steps move as the axes of a smaller basis do; Adam's steps are of each feature on its own.
        plain = isinstance(moving, FeatureDriven) and not isinstance(self.optimizer, Adam)
        found = functional.in_coordinates(X, rotate=plain)
        self.coordinates: Coordinates | None = None
        if found is not None:
            self.coordinates, functional = found
            check_extent(self.coordinates.scale)
        elif (largest := float(np.abs(X).max())) > MOST_SQUARED:
            raise ValueError(f"X holds values up to {largest:.3g}, whose squares are no floats; scale the features.")
        self._dtype, self._shape = X.dtype, X.shape
        particles = Particles.from_arrays(
            X if self.coordinates is None else self.coordinates.reduce(X),
            y,
            class_weight=class_weight,
            sample_weight=sample_weight,
            device=device,
            dtype=self._precision(X, n_target),
        )
        self.unit = 1.0 if self.coordinates is None else self.coordinates.scale
        self.dynamics: BoundDynamics = with_clusterer(moving, particles.n_classes, seed).bind(
            particles, optimizer=self.optimizer, step_size=step_size, seed=seed, unit=self.unit
        )
        self.bound: BoundFunctional = functional.bind(self.dynamics.particles)
        self.loop = Integration(self.bound, self.dynamics, tol=tol, n_frames=n_frames)

    def _precision(self, X: np.ndarray, n_target: int) -> torch.dtype:
        """float64 where the data are and it is cheap, or where float32 would lose them."""
        if X.dtype == np.float64 and len(X) * n_target <= CHEAP:
            return torch.float64
        if self.coordinates is None:
            spread, size = X.std(axis=0).max(), np.abs(X).max()
            if size > FLOAT32_OFFSET * spread or not 1e-10 < size < 1e10:
                return torch.float64
        return torch.float32

    def to_user(self, x: Tensor) -> np.ndarray:
        """Features of particles as an array in the user's own units."""
        rows = x.cpu().numpy()
        return (rows if self.coordinates is None else self.coordinates.lift(rows)).astype(self._dtype, copy=False)

    def attributes(self, flow: Flow) -> dict[str, Any]:
        """The fitted attributes that tell of a flow."""
        particles, square = flow.particles, self.unit**2
        codes = particles.in_data_order(particles.y).cpu().numpy()
        told = {
            "n_iter_": flow.n_iter,
            "particles_": self.to_user(particles.in_data_order(particles.x)),
            "trajectory_": np.array([self.to_user(x) for x in flow.frames]).reshape(-1, *self._shape),
            "objective_": np.array(flow.objective) * square,
        }
        if particles.continuous is None:
            told |= {"classes_": particles.classes, "particle_labels_": particles.classes[codes]}
        else:
            told["particle_labels_"] = as_given(particles.continuous.cpu().numpy())
        terms = self.bound.terms if isinstance(self.bound, BoundSum) else {}
        if isinstance(self.bound, BoundSum):
            history = {name: np.array(values[: flow.n_iter + 1]) for name, values in self.bound.history.items()}
            told["objective_terms_"] = {name: values * square for name, values in history.items()}
        distance = terms.get(TARGET, None if terms else self.bound)
        if particles.continuous is None and hasattr(distance, "target_classes"):
            told |= self._of_target(distance, particles)
        return told

    def _of_target(self, distance: Any, particles: Particles) -> dict[str, Any]:
        """Those that tell which class went where."""
        coupling = distance.coupling_of(particles).cpu().numpy().astype(np.float64)
        goes_to = distance.target_classes[coupling.argmax(axis=1)]
        distances = distance.label_distances(particles).cpu().numpy().astype(np.float64)
        return {
            "target_classes_": distance.target_classes,
            "label_distances_": distances * self.unit**2,
            "coupling_": coupling,
            "label_map_": dict(zip(particles.classes.tolist(), goes_to.tolist(), strict=True)),
        }


TARGET = "target"
"""Name of the distance to the target among the terms of an objective."""


def by_name(known: dict[str, type], value: Any) -> Any:
    """The option of that name, or the configured option that was passed, checked."""
    option = known[value]() if isinstance(value, str) else clone(value)
    option.validate()
    return option


def with_clusterer(dynamics: Dynamics, n_classes: int, seed: int) -> Dynamics:
    """The dynamics with a clusterer for its name: those of appendix C, and k-means with as many clusters as classes."""
    clusterer = getattr(dynamics, "clusterer", None)
    if not isinstance(clusterer, str):
        return dynamics
    named = {
        "dbscan": DBSCAN(eps=5, min_samples=4),
        "kmeans": KMeans(n_clusters=n_classes, random_state=seed),
    }
    return dynamics.set_params(clusterer=named[clusterer])


def check_extent(scale: float) -> None:
    """Raise where the objective, a squared length, would over- or underflow in the user's units."""
    if not LEAST_SQUARED < scale < MOST_SQUARED:
        raise ValueError(
            f"Rows of X and target are {scale:.3g} apart, the root mean square; its square is beyond the range "
            f"of float64. Scale the features into the range from {LEAST_SQUARED:.0e} to {MOST_SQUARED:.0e}."
        )


def choose_particles(
    y: np.ndarray, sample_weight: np.ndarray | None, most: int | None, rng: np.random.RandomState
) -> np.ndarray:
    """Rows that flow: those with weight, or a stratified sample of `most` of them with every class in it.

    Of continuous labels, in columns, all rows are alike.
    """
    if y.ndim == 2:
        y = np.zeros(len(y), dtype=int)
    rows = np.arange(len(y)) if sample_weight is None else np.flatnonzero(sample_weight)
    if most is None or most >= len(rows):
        return rows
    chosen = rows[:0]
    if most > 1:
        chosen = resample(rows, replace=False, n_samples=most, stratify=y[rows], random_state=rng)
    left_out = np.setdiff1d(y[rows], y[chosen])
    first = [rows[y[rows] == label][0] for label in left_out]
    return np.sort(np.concatenate([chosen, np.array(first, dtype=int)]))
