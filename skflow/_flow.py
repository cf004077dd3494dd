"""The one flow: read the data, let the particles flow, learn their movement as a map, transform."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_random_state

from ._aligned import AlignedRows
from ._aligner import as_aligner
from ._carrying import CarriesRows
from ._column_widths import warn_of_units
from ._device import resolve_device
from ._inputs import read_source
from ._matching import LocalMass, match_sides, set_matching
from ._run import FlowRun, choose_particles
from ._sklearn import HasMethods, Interval, StrOptions, ValidatedParameters
from ._target import Reference, Target, as_given, is_continuous, read_target
from ._threads import cores_for
from ._unfinished import UnfinishedFit
from .alignment import Invariance
from .flow import DYNAMICS, OPTIMIZERS, Dynamics, Optimizer
from .functionals import Functional, OTDDFunctional
from .transport import LABEL_DISTANCES, SOLVERS, Solver


class BaseFlow(CarriesRows, CallbackSupportMixin, ValidatedParameters, BaseEstimator):
    """What flows its training data and learns the movement.

    Its parameters and fitted attributes are those of :class:`~skflow.OTDDFlowTransformer`, where they are described. A
    subclass names the functional to descend in its `fit`, and calls :meth:`_fit_flow`.
    """

    _is_trial = False
    """Whether the decision alone is asked for: nets are not trained."""

    _parameter_constraints: dict = {
        "target": [tuple, Reference, callable, None],
        "alignment": [str, Invariance, HasMethods(["fit", "transform"]), None],
        "reg": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "label_distance": [StrOptions(set(LABEL_DISTANCES))],
        "correspondence": [StrOptions({"auto", "coupling", "assignment", "same"}), Mapping],
        "class_weight": [StrOptions({"balanced", "estimated"}), None],
        "mass": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right")],
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
        mass: str | float = "auto",
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
        self.mass = mass
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
        self, X: ArrayLike, y: ArrayLike | None, y_target: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Checked rows, labels and weights."""
        return read_source(self, X, y, sample_weight, continuous=is_continuous(self.target, y, y_target))

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
        names = self.correspondence if isinstance(self.correspondence, Mapping) and y.ndim == 1 else {}
        labels = np.array([names.get(label, label) for label in y.tolist()]) if names else as_given(y)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return aligner.fit(X, labels, **weight)

    def _distance_to(self, target: Reference) -> OTDDFunctional:
        return OTDDFunctional(
            tuple(target),
            reg=self.reg,
            label_weight=self.label_weight,
            label_distance=self.label_distance,
            correspondence=self.correspondence,
            class_weight="balanced" if self.class_weight == "estimated" else self.class_weight,
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
        distance: OTDDFunctional | None = None,
    ) -> None:
        """Flow the particles, learn the push-forward, set the fitted attributes."""
        if target is not None:
            warn_of_units(target.X, getattr(self, "feature_names_in_", None))
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        with cores_for(X, None if target is None else target.X):
            fit = self._make_ready(X, y, functional, target, sample_weight, distance)
            fit.go_on(self, context)
            self._check_fit(fit)
            if not self._is_trial:
                fit.train(self)

    def _make_ready(
        self,
        X: np.ndarray,
        y: np.ndarray,
        functional: Functional,
        target: Reference | None,
        sample_weight: np.ndarray | None,
        distance: OTDDFunctional | None,
    ) -> UnfinishedFit:
        """Align the rows, match the sides, and make the flow ready that starts there."""
        rng = check_random_state(self.random_state)
        self.particle_indices_ = rows = choose_particles(y, sample_weight, self.max_particles, rng)
        as_without = deepcopy(rng)
        self.aligner_ = self._align(X, y, target, sample_weight, rng)
        if target is not None and self.aligner_ is not None:
            self._check_alignment(X, y, sample_weight, target)
            rng = as_without if self.aligner_ is None else rng
        aligned = X if self.aligner_ is None else AlignedRows(self.aligner_)(X)
        class_weight = None if self.class_weight == "estimated" else self.class_weight
        if target is not None:
            found = match_sides(
                X,
                aligned,
                y,
                target,
                aligner=self.aligner_,
                correspondence=self.correspondence,
                mass=self.mass,
                weight=sample_weight,
            )
            self.particle_indices_ = rows = rows[set_matching(self, found, sample_weight)[rows]]
            if self.class_weight == "estimated" and distance is not None and found.shares:
                distance.set_params(class_weight=found.shares)
            self._local_mass_ = None
            if self.unmatched_rows_.any():
                present = slice(None) if sample_weight is None else sample_weight > 0
                self._local_mass_ = LocalMass(aligned[present], self.row_mass_[present])
        self._rows_, self._known_ = X[rows], None
        start, labels, weight = aligned, y, sample_weight
        if len(rows) < len(X):
            start, labels, weight = aligned[rows], y[rows], None if weight is None else weight[rows]
        seed = rng.randint(np.iinfo(np.int32).max)
        run = FlowRun(
            functional,
            start,
            labels,
            sample_weight=weight,
            class_weight=class_weight,
            label_distance=self.label_distance,
            dynamics=self.dynamics,
            optimizer=self.optimizer,
            step_size=self.step_size,
            tol=self.tol,
            n_frames=self.keep_trajectory,
            n_target=0 if target is None else len(target.X),
            device=resolve_device(self.device),
            seed=seed,
        )
        return UnfinishedFit(run, X, y, sample_weight, target, self._rows_, start, labels, weight, rng)

    @with_callbacks
    def resume(self) -> Self:
        """Go on with a fit that was interrupted, or that was pickled by a callback on its way.

        An interrupt (Ctrl-C) of a fit raises :class:`KeyboardInterrupt` as it should. After it the estimator is fitted
        as if the flow had ended at the last step: `particles_`, `objective_`, and a `transform` that learns its map
        when it is first used. This method makes the other steps, and all that comes after them. The particles are those
        of a fit without an interrupt, to the tolerance of the plans; to the bit, where the fit goes on from a pickle
        of a callback's `fitted_estimator`. Parameters of the loop, such as `max_iter`, may have changed.

        Returns
        -------
        self : flow

        Raises
        ------
        NotFittedError
            Where no fit was interrupted.
        """
        fit: UnfinishedFit | None = getattr(self, "unfinished_fit_", None)
        if fit is None:
            raise NotFittedError("There is no interrupted fit to go on with: call fit.")
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=fit.X, y=fit.y)
        fit.go_on(self, context)
        self._check_fit(fit)
        fit.train(self)
        return self

    def _check_alignment(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, target: Reference
    ) -> None:
        """Look at the alignment before the flow; a subclass may drop it."""

    def _check_fit(self, fit: UnfinishedFit) -> None:
        """Look at a fit that has ended; a subclass may find a better one."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
