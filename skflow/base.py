"""The one story that every estimator tells: validate, flow, learn the push-forward, transform."""

from __future__ import annotations

import difflib
import warnings
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, check_X_y, resample
from sklearn.utils._param_validation import InvalidParameterError, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from .flow import DYNAMICS, OPTIMIZERS, Flow, Particles, integrate
from .functionals import BoundFunctional, Functional
from .pushforward import TabularPushForward

FLOATS = [np.float64, np.float32]


class BaseFlow(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators that flow their training data and learn the movement.

    A subclass names the functional to descend and calls :meth:`_fit_flow`. It has the parameters `dynamics`,
    `optimizer`, `step_size`, `max_iter`, `tol`, `n_iter_no_change`, `class_weight`, `max_particles`, `pushforward`,
    `keep_trajectory`, `device`, `random_state` and `verbose`.
    """

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Carry samples of the source domain along the learnt movement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, seen in `fit` or not; no labels are needed.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The samples where the push-forward takes them, in the dtype of `X` (float32 or float64).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=FLOATS)
        return self.pushforward_.predict(X).reshape(X.shape).astype(X.dtype, copy=False)

    def _validate_params(self) -> None:
        """Add a guess at what was meant to scikit-learn's own message."""
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            hint = "".join(filter(None, map(self._did_you_mean, self.get_params(deep=False))))
            raise InvalidParameterError(f"{error}{hint}") from None

    def _did_you_mean(self, name: str) -> str | None:
        value = getattr(self, name)
        for constraint in self._parameter_constraints.get(name, []):
            if isinstance(value, str) and isinstance(constraint, StrOptions) and value not in constraint.options:
                near = difflib.get_close_matches(value, constraint.options, n=1)
                return f" Did you mean {near[0]!r}?" if near else None
        return None

    def _validate_source(self, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(y)
        return X, y

    def _validate_target(self, X_target: ArrayLike, y_target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Check a reference dataset against the source seen in `fit`."""
        columns, own = getattr(X_target, "columns", None), getattr(self, "feature_names_in_", None)
        if columns is not None and own is not None and list(columns) != list(own):
            raise ValueError(f"target has the columns {list(columns)}, but X has {list(own)}.")
        try:
            X_target, y_target = check_X_y(X_target, y_target, dtype=FLOATS)
            check_classification_targets(y_target)
        except ValueError as error:
            raise ValueError(f"target: {error}") from error
        if X_target.shape[1] != self.n_features_in_:
            raise ValueError(f"target has {X_target.shape[1]} features, but X has {self.n_features_in_}.")
        return X_target, y_target

    def _fit_flow(self, X: np.ndarray, y: np.ndarray, functional: Functional) -> tuple[BoundFunctional, Particles]:
        """Flow the particles, learn the push-forward, set the fitted attributes that all flows share."""
        rng = check_random_state(self.random_state)
        rows = self._choose_particles(y, rng)
        particles = Particles.from_arrays(X[rows], y[rows], class_weight=self.class_weight, device=self._device())
        bound = functional.bind(particles)
        flow = self._run(bound, particles)

        def to_user(x: torch.Tensor) -> np.ndarray:
            return particles.in_data_order(x).cpu().numpy().astype(X.dtype)

        self.particles_ = to_user(flow.particles.x)
        self.particle_labels_ = y[rows]
        self.particle_indices_ = rows
        self.trajectory_ = np.array([to_user(x) for x in flow.frames]).reshape(-1, *self.particles_.shape)
        self.objective_ = np.array(flow.objective)
        self.n_iter_ = flow.n_iter
        self.classes_ = particles.classes
        self.pushforward_ = self._fit_pushforward(X[rows], self.particles_, y[rows], rng)
        return bound, flow.particles

    def _choose_particles(self, y: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Rows that flow: all, or a stratified sample of `max_particles` with every class in it."""
        rows = np.arange(len(y))
        if self.max_particles is None or self.max_particles >= len(y):
            return rows
        chosen = resample(rows, replace=False, n_samples=self.max_particles, stratify=y, random_state=rng)
        left_out = np.setdiff1d(y, y[chosen])
        first = [np.flatnonzero(y == label)[0] for label in left_out]
        return np.sort(np.concatenate([chosen, np.array(first, dtype=int)]))

    def _run(self, bound: BoundFunctional, particles: Particles) -> Flow:
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self)

        def monitor(step: int, objective: float, particles: Particles) -> bool:
            if self.verbose and step % 10 == 0:
                print(f"[{type(self).__name__}] step {step}: objective {objective:.6g}")
            task = context.subcontext(task_name="flow step")
            task.call_on_fit_task_begin(estimator=self)
            return task.call_on_fit_task_end(estimator=self)

        flow = integrate(
            bound,
            particles,
            DYNAMICS[self.dynamics](partial(OPTIMIZERS[self.optimizer], self.step_size)),
            max_iter=self.max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            n_frames=self.keep_trajectory,
            monitor=monitor,
        )
        context.call_on_fit_task_end(estimator=self)
        self._warn(flow)
        return flow

    def _warn(self, flow: Flow) -> None:
        if flow.status == "diverged":
            message = (
                f"The flow diverged after {flow.n_iter} steps; the particles are the last finite ones. "
                f"Lower step_size={self.step_size}."
            )
        elif flow.status == "max_iter":
            message = (
                f"The flow did not converge to tol={self.tol} in max_iter={self.max_iter} steps. Raise max_iter, or "
                "scale the data."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=5)

    def _fit_pushforward(self, X: np.ndarray, Z: np.ndarray, y: np.ndarray, rng: np.random.RandomState) -> Any:
        if self.pushforward is None:
            regressor = TabularPushForward(device=self.device, random_state=rng.randint(np.iinfo(np.int32).max))
        else:
            regressor = clone(self.pushforward)
        labels = {"labels": y} if has_fit_parameter(regressor, "labels") else {}
        return regressor.fit(X, Z, **labels)

    def _device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return torch.empty(0, device=self.device).device
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"device={self.device!r} is not available here: {str(error).splitlines()[0]}") from error

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
