"""The one flow: read the data, let the particles flow, learn their movement as a map, transform."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import validate_data

from ._aligned import AlignedRows
from ._aligner import as_aligner
from ._carrying import CarriesRows
from ._device import resolve_device
from ._fresh_fit import fitted_attributes
from ._inputs import FLOATS, as_labels, has_foreign_dtype, read_weights
from ._learning import LazyRegressor, learn_map
from ._run import FlowRun, StepReporter, choose_particles
from ._safeguarding import Judging, decide
from ._sklearn import HasMethods, Interval, StrOptions, ValidatedParameters
from ._target import Reference, Target, read_target, warn_of_units
from ._threads import shared_cores
from ._warnings import warn
from .alignment import Invariance
from .flow import DYNAMICS, OPTIMIZERS, Dynamics, Flow, Optimizer
from .functionals import Functional, OTDDFunctional
from .pushforward import TabularPushForward
from .transport import LABEL_DISTANCES, SOLVERS, Solver


class BaseFlow(CarriesRows, CallbackSupportMixin, ValidatedParameters, BaseEstimator):
    """What flows its training data and learns the movement.

    Its parameters and fitted attributes are those of :class:`~skflow.OTDDFlowTransformer`, where they are described. A
    subclass names the functional to descend in its `fit`, and calls :meth:`_fit_flow`.
    """

    _parameter_constraints: dict = {
        "target": [tuple, Reference, callable, None],
        "alignment": [str, Invariance, HasMethods(["fit", "transform"]), None],
        "reg": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "label_distance": [StrOptions(set(LABEL_DISTANCES))],
        "correspondence": [StrOptions({"auto", "coupling", "assignment", "same"}), Mapping],
        "class_weight": [StrOptions({"balanced"}), None],
        "solver": [StrOptions(set(SOLVERS)), Solver],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "dynamics": [StrOptions(set(DYNAMICS)), Dynamics],
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_particles": [Interval(Integral, 1, None, closed="left"), None],
        "pushforward": [HasMethods(["fit", "predict"]), None],
        "fit_inverse_transform": ["boolean"],
        "safeguard": ["boolean", StrOptions({"labels", "divergence"}), HasMethods("predict")],
        "keep_trajectory": [Interval(Integral, 0, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        target: Target | None = None,
        *,
        alignment: Any = "auto",
        reg: float = 0.05,
        label_weight: float = 1.0,
        label_distance: str = "gaussian",
        correspondence: str | Mapping[Any, Any] = "auto",
        class_weight: str | None = "balanced",
        solver: str | Solver = "auto",
        batch_size: int | None = None,
        dynamics: str | Dynamics = "fd",
        optimizer: str | Optimizer = "sgd",
        step_size: float = 0.1,
        max_iter: int = 200,
        tol: float = 1e-3,
        max_particles: int | None = None,
        pushforward: Any = None,
        fit_inverse_transform: bool = False,
        safeguard: Any = True,
        keep_trajectory: int = 0,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.target = target
        self.alignment = alignment
        self.reg = reg
        self.label_weight = label_weight
        self.label_distance = label_distance
        self.correspondence = correspondence
        self.class_weight = class_weight
        self.solver = solver
        self.batch_size = batch_size
        self.dynamics = dynamics
        self.optimizer = optimizer
        self.step_size = step_size
        self.max_iter = max_iter
        self.tol = tol
        self.max_particles = max_particles
        self.pushforward = pushforward
        self.fit_inverse_transform = fit_inverse_transform
        self.safeguard = safeguard
        self.keep_trajectory = keep_trajectory
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _read_source(
        self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Checked rows, labels and weights; without labels all rows are of one class."""
        if y is None:
            rows = validate_data(self, X, y=None, dtype=FLOATS, order="C")
            labels = np.zeros(len(rows), dtype=int)
        else:
            # Before scikit-learn sees them: nullable integers would become floats, and lists of both kinds text.
            rows, labels = validate_data(self, X, as_labels(y) if has_foreign_dtype(y) else y, dtype=FLOATS, order="C")
            labels = as_labels(labels)
        return rows, labels, read_weights(sample_weight, rows)

    def _read_target(
        self,
        X: np.ndarray,
        y: np.ndarray,
        X_target: ArrayLike | None,
        y_target: ArrayLike | None,
        sample_weight: np.ndarray | None,
    ) -> Reference | None:
        names = getattr(self, "feature_names_in_", None)
        return read_target(
            self.target,
            X,
            y,
            X_target,
            y_target,
            names=names,
            same_columns=self.alignment is None,
            sample_weight=sample_weight,
        )

    def _align(
        self,
        X: np.ndarray,
        y: np.ndarray,
        target: Reference | None,
        sample_weight: np.ndarray | None,
        rng: np.random.RandomState,
    ) -> Any:
        """The fitted aligner, or None."""
        if target is None or self.alignment is None:
            return None
        aligner = as_aligner(self.alignment, target, rng)
        names = self.correspondence if isinstance(self.correspondence, Mapping) else {}
        labels = np.array([names.get(label, label) for label in y.tolist()]) if names else y
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return aligner.fit(X, labels, **weight)

    def _distance_to(self, target: Reference) -> OTDDFunctional:
        return OTDDFunctional(
            tuple(target),
            reg=self.reg,
            label_weight=self.label_weight,
            label_distance=self.label_distance,
            correspondence=self.correspondence,
            class_weight=self.class_weight,
            solver=self.solver,
            batch_size=self.batch_size,
        )

    def _fit_flow(
        self,
        X: np.ndarray,
        y: np.ndarray,
        functional: Functional,
        target: Reference | None,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        """Flow the particles, learn the push-forward, set the fitted attributes."""
        if target is not None:
            warn_of_units(target.X, getattr(self, "feature_names_in_", None))
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        rng = check_random_state(self.random_state)
        self.particle_indices_ = rows = choose_particles(y, sample_weight, self.max_particles, rng)
        self.aligner_ = self._align(X, y, target, sample_weight, rng)
        aligned = X if self.aligner_ is None else AlignedRows(self.aligner_)(X)
        start, labels, weight = aligned, y, sample_weight
        if len(rows) < len(X):
            start, labels, weight = aligned[rows], y[rows], None if weight is None else weight[rows]
        seed = rng.randint(np.iinfo(np.int32).max)
        with shared_cores():
            run = FlowRun(
                functional,
                start,
                labels,
                sample_weight=weight,
                class_weight=self.class_weight,
                label_distance=self.label_distance,
                dynamics=self.dynamics,
                optimizer=self.optimizer,
                step_size=self.step_size,
                n_target=0 if target is None else len(target.X),
                device=resolve_device(self.device),
                seed=seed,
            )

            def as_if_ended(flow: Flow) -> dict[str, Any]:
                told = {**fitted_attributes(self), **run.attributes(flow)}
                ended = told["particles_"], told["particle_labels_"]
                told["decision_"] = None
                told["pushforward_"] = LazyRegressor(partial(copy(self)._learn, start, *ended, deepcopy(rng), weight))
                return told

            flow = run.integrate(
                max_iter=self.max_iter,
                tol=self.tol,
                n_frames=self.keep_trajectory,
                monitor=StepReporter(self, context, X, y, run.unit, as_if_ended),
            )
            run.bound.release()
            self._warn(flow, run)
            for name, value in run.attributes(flow).items():
                setattr(self, name, value)
            self.pushforward_ = self._learn(start, self.particles_, self.particle_labels_, rng, weight)
            self.decision_ = None
            if self.safeguard is not False and target is not None:
                self.decision_ = decide(
                    Judging.of(self.safeguard, target),
                    X[rows],
                    start,
                    self.particles_,
                    labels,
                    np.array([self.label_map_[label] for label in self.particle_labels_.tolist()]),
                    weight,
                    aligner=self.aligner_,
                    regressor=self.pushforward_,
                    rng=rng,
                )
            if self.fit_inverse_transform:
                self.inverse_pushforward_ = self._learn(self.particles_, start, self.particle_labels_, rng, weight)
        if target is not None:
            self.target_ = target
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})

    def _learn(
        self,
        start: np.ndarray,
        end: np.ndarray,
        labels: np.ndarray,
        rng: np.random.RandomState,
        weight: np.ndarray | None,
    ) -> Any:
        """The regressor that learns ``x_0 -> x_T``."""
        pushforward = self.pushforward
        if pushforward is None:
            seed = rng.randint(np.iinfo(np.int32).max)
            pushforward = TabularPushForward(device=self.device, random_state=seed)
        return learn_map(pushforward, start, end, labels, weight)

    def _warn(self, flow: Flow, run: FlowRun) -> None:
        if flow.status == "diverged":
            message = (
                f"The flow diverged after {flow.n_iter} steps; the particles are the last finite ones. "
                f"{flow.reason or f'Lower step_size={self.step_size}.'}"
            )
        elif not run.bound.converged:
            error = getattr(run.bound, "marginal_error", None)
            much = "" if error is None else f" (marginal error {error:.1%} of the mass)"
            message = (
                f"Sinkhorn did not converge in the last step{much}; the particles may be off by about that much of "
                f"their class's spread. Raise reg={self.reg}, or scale the features."
            )
        elif flow.status == "max_iter" and self.tol > 0:
            message = (
                f"The flow did not converge to tol={self.tol} in max_iter={self.max_iter} steps; the particles are "
                f"still moving. Raise max_iter or step_size={self.step_size}, or scale the features."
            )
        else:
            return
        warn(message, ConvergenceWarning)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
