"""The one story that every estimator tells: validate, flow, learn the push-forward, transform."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Mapping
from copy import copy, deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, check_X_y, resample
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_n_features, check_is_fitted, has_fit_parameter, validate_data
from torch import Tensor

from ._blocks import carried, is_dask_array, map_chunks, memory_map, row_blocks, stack
from ._progress import LazyPushForward, StepReporter
from ._target import Reference
from ._threads import shared_cores
from .flow import DYNAMICS, OPTIMIZERS, Dynamics, EulerMaruyama, Flow, Particles, integrate
from .functionals import BoundFunctional, Functional, OTDDFunctional
from .functionals._distance import BoundOTDD
from .pushforward import TabularPushForward
from .pushforward._device import resolve_device
from .transport import LABEL_DISTANCES, SOLVERS

FLOATS = [np.float64, np.float32]

TARGET_CONSTRAINTS: dict = {
    "target": [tuple, Reference, callable, None],
    "reg": [Interval(Real, 0, None, closed="left")],
    "reg_scale": [StrOptions({"relative", "absolute"})],
    "label_weight": [Interval(Real, 0, None, closed="left")],
    "label_distance": [StrOptions(set(LABEL_DISTANCES))],
    "correspondence": [StrOptions({"auto", "coupling", "assignment", "same"}), Mapping],
    "debias": ["boolean"],
    "solver": [StrOptions(set(SOLVERS))],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
}
"""Constraints of the parameters that say what to flow towards, and by which distance."""


class BaseFlow(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators that flow their training data and learn the movement.

    A subclass names the functional to descend and calls :meth:`_fit_flow`; what it tells of the functional it sets in
    :meth:`_describe`. It has the parameters `label_distance`, `dynamics`, `covariance`, `clusterer`, `recluster_every`,
    `optimizer`, `step_size`, `max_iter`, `tol`, `n_iter_no_change`, `class_weight`, `max_particles`, `pushforward`,
    `keep_trajectory`, `device`, `random_state` and `verbose`.
    """

    _parameter_constraints: dict = {
        "dynamics": [StrOptions(set(DYNAMICS))],
        "covariance": [StrOptions({"auto", "full", "diag"}), Interval(Integral, 1, None, closed="left")],
        "clusterer": [StrOptions({"dbscan", "kmeans"}), HasMethods("fit_predict")],
        "recluster_every": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_particles": [Interval(Integral, 1, None, closed="left"), None],
        "pushforward": [HasMethods(["fit", "predict"]), None],
        "keep_trajectory": [Interval(Integral, 0, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def transform(self, X: ArrayLike | Iterator[ArrayLike]) -> np.ndarray | Iterator[np.ndarray]:
        """Carry samples of the source domain along the learnt movement.

        Rows are carried block by block, with a progress bar where `verbose` is set. What is larger than memory stays
        out of memory: a memory map, an iterator or a dask array comes back as one, and is read and checked one block
        at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), iterator of such, or dask array
            Samples, seen in `fit` or not; no labels are needed. An iterator yields blocks of rows, such as the frames
            of ``pandas.read_csv(..., chunksize=10_000)``.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The samples where the push-forward takes them, in the dtype of `X` (float32 or float64). A
            :class:`numpy.memmap` comes back as a map of a temporary file, which is there as long as the array; an
            iterator as an iterator of ndarrays, a block each; a dask array as a dask array, which computes when asked.

        Examples
        --------
        A file of one's own, written block by block::

            X = np.load("X.npy", mmap_mode="r")
            Z = np.lib.format.open_memmap("Z.npy", mode="w+", dtype=X.dtype, shape=X.shape)
            blocks = list(gen_batches(len(X), 10_000))  # of sklearn.utils
            for rows, moved in zip(blocks, flow.transform(X[rows] for rows in blocks)):
                Z[rows] = moved
        """
        check_is_fitted(self)
        if is_dask_array(X) or isinstance(X, Iterator):
            return self._transform_lazily(X)
        if isinstance(X, np.memmap) and X.ndim == 2:
            return memory_map(self._by_blocks(X, self._check_and_carry), X.shape)
        X = validate_data(self, X, reset=False, dtype=FLOATS)
        return stack(self._by_blocks(X, self._carry), X.shape, X.dtype)

    def _transform_lazily(self, X: Any) -> Any:
        if (container := _get_output_config("transform", self)["dense"]) != "default":
            raise ValueError(
                f"set_output(transform={container!r}) is for data in memory; to transform an iterator or a dask array, "
                "call set_output(transform='default')."
            )
        if isinstance(X, Iterator):
            return carried(X, self._check_and_carry, bar=type(self).__name__ if self.verbose else None)
        _check_n_features(self, X, reset=False)
        return map_chunks(self.pushforward_, X, FLOATS)

    def _by_blocks(self, X: np.ndarray, carry: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        blocks = row_blocks(X)
        bar = type(self).__name__ if self.verbose and len(blocks) > 1 else None
        return carried(blocks, carry, bar, len(X))

    def _check_and_carry(self, X: ArrayLike) -> np.ndarray:
        return self._carry(validate_data(self, X, reset=False, dtype=FLOATS))

    def _carry(self, X: np.ndarray) -> np.ndarray:
        with shared_cores():
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

    def _resolve_target(
        self, X: np.ndarray, y: np.ndarray, X_target: ArrayLike | None, y_target: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The reference dataset, from the parameter `target` or from `fit`; None where there is none."""
        if (X_target is None) != (y_target is None):
            missing, given = ("X_target", "y_target") if X_target is None else ("y_target", "X_target")
            raise ValueError(f"fit was given {given} but {missing}=None.")
        if X_target is not None:
            if self.target is not None:
                raise ValueError(
                    f"A target was given twice: as target={self.target!r} and to fit as X_target, y_target."
                )
            return self._validate_target(X_target, y_target)
        if self.target is None:
            return None
        target = self.target(X.copy(), y.copy()) if callable(self.target) else self.target
        try:
            X_target, y_target = target
        except (TypeError, ValueError):
            raise ValueError(f"target={target!r} is not a pair (X, y).") from None
        return self._validate_target(X_target, y_target)

    def _require_target(
        self, X: np.ndarray, y: np.ndarray, X_target: ArrayLike | None, y_target: ArrayLike | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The reference dataset of a flow that cannot do without."""
        target = self._resolve_target(X, y, X_target, y_target)
        if target is None:
            raise ValueError(
                f"target=None: {type(self).__name__} has nothing to flow towards. Pass target=(X, y), or X_target and "
                "y_target to fit."
            )
        return target

    def _distance_to(self, target: tuple[np.ndarray, np.ndarray]) -> OTDDFunctional:
        return OTDDFunctional(
            target,
            reg=self.reg,
            reg_scale=self.reg_scale,
            label_weight=self.label_weight,
            label_distance=self.label_distance,
            correspondence=self.correspondence,
            class_weight=self.class_weight,
            debias=self.debias,
            solver=self.solver,
            batch_size=self.batch_size,
        )

    def _describe_target(self, bound: BoundOTDD, particles: Particles) -> None:
        """Set the fitted attributes that tell which class went where."""
        self.target_classes_ = bound.target_classes
        self.label_distances_ = bound.label_distances(particles).cpu().numpy().astype(np.float64)
        self.coupling_ = bound.coupling_of(particles).cpu().numpy().astype(np.float64)
        goes_to = self.target_classes_[self.coupling_.argmax(axis=1)]
        self.label_map_ = dict(zip(self.classes_.tolist(), goes_to.tolist(), strict=True))

    def _fit_flow(
        self, X: np.ndarray, y: np.ndarray, functional: Functional, sample_weight: np.ndarray | None = None
    ) -> None:
        """Flow the particles, learn the push-forward, set the fitted attributes."""
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        rng = check_random_state(self.random_state)
        rows = self.particle_indices_ = self._choose_particles(y, rng)
        start, labels = (X, y) if len(rows) == len(X) else (X[rows], y[rows])
        weights = None if sample_weight is None else sample_weight[rows]
        reporter = partial(StepReporter, self, context, X, y)
        with shared_cores():
            self._flow_particles(start, labels, weights, functional, rng, reporter)
            self.pushforward_ = self._fit_pushforward(start, rng)
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})

    def _flow_particles(
        self,
        start: np.ndarray,
        labels: np.ndarray,
        sample_weight: np.ndarray | None,
        functional: Functional,
        rng: np.random.RandomState,
        reporter: Callable[[Callable], StepReporter],
    ) -> None:
        """Flow from the features `start` (n_particles, n_features); what the flow needs is let go with it."""
        device = resolve_device(self.device)
        # Features in plain steps move as the axes of a smaller basis do; Adam's steps are of each feature on its own.
        plain = self.dynamics == "fd" and self.optimizer != "adam"
        span, functional = (plain and functional.reduced(start)) or (None, functional)
        particles = Particles.from_arrays(
            start if span is None else span.reduce(start),
            labels,
            class_weight=self.class_weight,
            sample_weight=sample_weight,
            device=device,
        )
        dynamics = self._make_dynamics(particles, seed=rng.randint(np.iinfo(np.int32).max))
        particles = dynamics.start(particles)
        bound = functional.bind(particles)

        def to_user(x: Tensor) -> np.ndarray:
            x = x.cpu().numpy()
            return (x if span is None else span.lift(x)).astype(start.dtype, copy=False)

        def as_if_ended(particles: Particles, objective: list[float]) -> dict[str, Any]:
            estimator = copy(self)
            estimator._describe_flow(Flow(particles, objective, "stopped"), bound, to_user)
            learn = partial(estimator._fit_pushforward, start, rng=deepcopy(rng))
            estimator.pushforward_ = LazyPushForward(learn)
            return {name: value for name, value in vars(estimator).items() if name.endswith("_")}

        flow = integrate(
            bound,
            particles,
            dynamics,
            max_iter=self.max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            n_frames=self.keep_trajectory,
            monitor=reporter(as_if_ended),
        )
        bound.release()
        self._warn(flow, bound)
        self._describe_flow(flow, bound, to_user)

    def _describe_flow(self, flow: Flow, bound: BoundFunctional, to_user: Callable[[Tensor], np.ndarray]) -> None:
        """Set the fitted attributes that tell of a flow; `to_user` makes arrays of features."""
        particles = flow.particles
        self.classes_, self.n_iter_ = particles.classes, flow.n_iter
        self._describe(bound, particles)
        self.particles_ = to_user(particles.in_data_order(particles.x))
        self.particle_labels_ = particles.classes[particles.in_data_order(particles.y).cpu().numpy()]
        self.trajectory_ = np.array([to_user(x) for x in flow.frames]).reshape(-1, *self.particles_.shape)
        self.objective_ = np.array(flow.objective)

    def _fit_pushforward(self, start: np.ndarray, rng: np.random.RandomState) -> Any:
        """The map learnt from where the particles started, (n_particles, n_features), to where they ended."""
        if self.pushforward is None:
            seed = rng.randint(np.iinfo(np.int32).max)
            regressor = TabularPushForward(device=self.device, random_state=seed)
        else:
            regressor = clone(self.pushforward)
        labels = {"labels": self.particle_labels_} if has_fit_parameter(regressor, "labels") else {}
        return regressor.fit(start, self.particles_, **labels)

    def _describe(self, bound: BoundFunctional, particles: Particles) -> None:
        """Set the fitted attributes that tell of the functional, for a flow that ends with `particles`."""

    def _make_dynamics(self, particles: Particles, seed: int) -> Dynamics:
        options: dict[str, Any] = {}
        if self.dynamics != "fd":
            implied = {"gaussian-diag": "diag", "means": "means"}
            options["covariance"] = implied.get(self.label_distance, self.covariance)
        if self.dynamics == "jd-vl":
            options["clusterer"] = self._make_clusterer(particles.n_classes, seed)
            options["recluster_every"] = self.recluster_every
        dynamics = DYNAMICS[self.dynamics](partial(OPTIMIZERS[self.optimizer], self.step_size), **options)
        return EulerMaruyama(dynamics, self.step_size, seed)

    def _make_clusterer(self, n_classes: int, seed: int) -> Any:
        if self.clusterer == "dbscan":
            return DBSCAN(eps=5, min_samples=4)  # appendix C
        if self.clusterer == "kmeans":
            return KMeans(n_clusters=n_classes, random_state=seed)
        return clone(self.clusterer)

    def _choose_particles(self, y: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Rows that flow: all, or a stratified sample of `max_particles` with every class in it."""
        rows = np.arange(len(y))
        if self.max_particles is None or self.max_particles >= len(y):
            return rows
        chosen = resample(rows, replace=False, n_samples=self.max_particles, stratify=y, random_state=rng)
        left_out = np.setdiff1d(y, y[chosen])
        first = [np.flatnonzero(y == label)[0] for label in left_out]
        return np.sort(np.concatenate([chosen, np.array(first, dtype=int)]))

    def _warn(self, flow: Flow, bound: BoundFunctional) -> None:
        if flow.status == "diverged":
            message = (
                f"The flow diverged after {flow.n_iter} steps; the particles are the last finite ones. "
                f"Lower step_size={self.step_size}."
            )
        elif not bound.converged:
            message = (
                "The last transport plan is short of its marginals, and so are the particles of where they belong. "
                f"Raise reg={self.reg}, or scale the data."
            )
        elif flow.status == "max_iter":
            message = (
                f"The flow did not converge to tol={self.tol} in max_iter={self.max_iter} steps. Raise max_iter or "
                f"step_size={self.step_size}, or scale the data."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=7)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
