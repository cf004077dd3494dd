"""The distance to a reference dataset, ``T_beta(rho) = OTDD(rho, beta)^2`` (eqs. 6 and 12)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._sklearn import Interval, StrOptions
from ..flow import Particles
from ..transport import CORRESPONDENCES, LABEL_DISTANCES, SOLVERS, Solver
from ._base import WEIGHT, Functional
from ._bound_distance import BoundOTDD
from ._continuous_distance import BoundContinuousOTDD
from ._coordinates import Coordinates
from ._joint_distance import BoundJointOTDD

LARGEST_LENGTH = 1e150
"""Of lengths whose squares are numbers in float64."""


class OTDDFunctional(Functional):
    """The squared optimal transport dataset distance to a target (eq. 6 squared, no one half).

    First variation: the Kantorovich potential of the transport to the target (eq. 13).

    Parameters
    ----------
    target : tuple (X, y)
        Features (m, d) and labels (m,) of the reference dataset; of particles with continuous labels (n, q) numbers of
        shape (m,) or (m, q), each its own point distribution.
    reg : float, default=0.05
        Entropic regularisation, the paper's lambda; 0 is exact transport.
    reg_scale : {"relative", "absolute"}, default="relative"
        Whether `reg` is a fraction of the mean ground cost at the start of the flow or a cost itself, in squared units
        of the features.
    label_weight : float, default=1.0
        Weight of the label distance in the ground cost; of continuous labels in units of the two variances, so that 1
        gives labels and features equal shares.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        Label distributions as Gaussians (full or diagonal covariance, mean alone) or as the samples themselves.
    label_path : bool, default=True
        Whether the gradient follows the label distributions' dependence on the features (the exact gradient), or
        the features alone.
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping, default="auto"
        Which target class each source class goes to, see :class:`~skflow.OTDDFlowTransformer`.
    class_weight : {"balanced", None} or mapping {target label: mass}, default="balanced"
        Weights of the target's samples.
    debias : bool, default=False
        Sinkhorn divergence: subtracts half the two self-transports, so that the value is zero at the target.
    solver : str or solver, default="auto"
        Solver of the transport problem: "auto", "dense", "tiled", "hierarchical", "sharded", "geomloss", "fused",
        "exact" (see :class:`~skflow.OTDDFlowTransformer`), or a configured one, such as ``Dense(tol=1e-6)``.
    batch_size : int or None, default=None
        Samples of a mini-batch; the plan of an evaluation goes from batches to batches, drawn anew for each.
    marginal_tol : float, default=1e-3
        Accepted marginal error (L1, relative to the mass) of an entropic plan, unless the solver has its own.
    refresh_tol : float, default=1e-2
        Accepted overestimate of the objective by label distances of an earlier step; 0 refreshes them at every step.
    weight : float, default=1.0
        Factor of the functional. A negative one drives particles away from the target, without an end unless another
        functional holds them.
    """

    _parameter_constraints: dict = {
        "target": [tuple, list],
        "reg": [Interval(Real, 0, None, closed="left")],
        "reg_scale": [StrOptions({"relative", "absolute"})],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "label_distance": [StrOptions(set(LABEL_DISTANCES))],
        "label_path": ["boolean"],
        "correspondence": [StrOptions(set(CORRESPONDENCES)), Mapping],
        "class_weight": [StrOptions({"balanced"}), Mapping, None],
        "debias": ["boolean"],
        "solver": [StrOptions(set(SOLVERS)), Solver],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "marginal_tol": [Interval(Real, 0, None, closed="neither")],
        "refresh_tol": [Interval(Real, 0, None, closed="left")],
        "weight": WEIGHT,
    }

    def __init__(
        self,
        target: tuple[np.ndarray, np.ndarray],
        *,
        reg: float = 0.05,
        reg_scale: str = "relative",
        label_weight: float = 1.0,
        label_distance: str = "gaussian",
        label_path: bool = True,
        correspondence: str | Mapping[Any, Any] = "auto",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        debias: bool = False,
        solver: str | Solver = "auto",
        batch_size: int | None = None,
        marginal_tol: float = 1e-3,
        refresh_tol: float = 1e-2,
        weight: float = 1.0,
    ) -> None:
        self.target = target
        self.reg = reg
        self.reg_scale = reg_scale
        self.label_weight = label_weight
        self.label_distance = label_distance
        self.label_path = label_path
        self.correspondence = correspondence
        self.class_weight = class_weight
        self.debias = debias
        self.solver = solver
        self.batch_size = batch_size
        self.marginal_tol = marginal_tol
        self.refresh_tol = refresh_tol
        self.weight = weight

    def in_coordinates(self, X: ArrayLike, *, rotate: bool) -> tuple[Coordinates, OTDDFunctional]:
        """The functional that descends the same flow in centred and scaled coordinates, from `X` on.

        Values and label distances are in squared units of these coordinates: times ``scale ** 2`` they are in those of
        the features. Couplings, steps and whether they converge are the same.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the particles.
        rotate : bool
            Whether the axes may be turned, see :class:`Coordinates`; where they mean something, as to Adam's steps,
            they may not. Diagonal covariances are kept from it here.

        Returns
        -------
        coordinates : Coordinates
        functional : OTDDFunctional
        """
        X_target, y_target = self._checked_target(np.shape(X)[1])
        coordinates = Coordinates(X, X_target, rotate=rotate and self.label_distance != "gaussian-diag")
        reg = self.reg if self.reg_scale == "relative" else self.reg / coordinates.scale**2
        return coordinates, copy(self).set_params(target=(coordinates.reduce(X_target), y_target), reg=reg)

    def bind(self, particles: Particles) -> BoundOTDD:
        """Encode the target, settle the correspondence and the regularisation, compute what the target alone fixes.

        Raises
        ------
        ValueError
            For parameters out of range, a target that is no pair of arrays, of other lengths, of another width than the
            particles or with entries that are not finite, and a `correspondence` that does not fit the labels.
        """
        self.validate()
        X_target, y_target = self._checked_target(particles.x.shape[1])
        precision = np.float64 if particles.x.dtype == torch.float64 else np.float32  # nothing is kept in a better one
        checked = copy(self).set_params(
            target=(X_target.astype(precision, copy=False), y_target),
            label_weight=float(self.label_weight),  # torch takes no integer beyond 64 bits
            weight=float(self.weight),
        )
        if particles.continuous is not None:
            return BoundContinuousOTDD(checked, particles)
        if checked.target[1].ndim == 2:
            raise ValueError("target[1] holds continuous labels in columns, but those of the particles are classes.")
        return (BoundOTDD if particles.labels is None else BoundJointOTDD)(checked, particles)

    def _checked_target(self, n_features: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            X, labels = self.target
            X, y = np.asarray(X), np.asarray(labels, dtype=object if isinstance(labels, list) else None)
        except (TypeError, ValueError):
            raise ValueError(f"target is to be a pair (X, y), got {self.target!r}.") from None
        if X.dtype not in (np.float32, np.float64):  # nullable columns, a table of Python's numbers, integers
            with suppress(TypeError, ValueError):
                X = X.astype(np.float64)
        if X.ndim != 2 or X.dtype.kind not in "fiub":
            raise ValueError(f"target[0] is to be a 2-D array of numbers, got shape {X.shape} and dtype {X.dtype}.")
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.shape[:1] != (len(X),) or not len(X) or (y.ndim > 1 and (y.ndim > 2 or y.dtype.kind != "f")):
            raise ValueError(f"target[1] is to have one label a row, got shape {y.shape} for {len(X)} rows.")
        if y.dtype.kind in "fO" and not _of_one_kind(y.ravel().tolist()):
            raise ValueError(f"target[1] is to hold labels of one kind, and none that is missing; got {y!r}.")
        if X.shape[1] != n_features:
            raise ValueError(f"target has {X.shape[1]} features, but the particles have {n_features}.")
        if not np.isfinite(X).all():
            row, column = np.argwhere(~np.isfinite(X))[0]
            raise ValueError(f"target[0] is not finite: row {row}, column {column} is {X[row, column]}.")
        if float(np.abs(X).max(initial=0.0)) > LARGEST_LENGTH:
            raise ValueError(
                f"target[0] holds values beyond {LARGEST_LENGTH:.0e}, whose squares are no floats; scale it."
            )
        return X, np.asarray(y.tolist()) if y.dtype.kind == "O" else y


def _of_one_kind(labels: list[Any]) -> bool:
    """Whether all labels are text, or all are numbers and none is NaN."""
    if all(isinstance(label, str) for label in labels):
        return True
    return all(isinstance(label, (Real, np.bool_)) and label == label for label in labels)
