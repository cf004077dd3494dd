"""The second half of a fit, which can be interrupted and gone on with: the flow, the learnt map, the decision."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import wrap_non_picklable_objects

from ._fresh_fit import FitInterrupted, fitted_attributes
from ._learning import LazyRegressor, learn_map, train_nets
from ._reporting import StepReporter, warn_of_the_end
from ._run import FlowRun
from ._safeguarding import Judging, decide
from ._target import Reference
from ._threads import cores_for
from .flow import Flow
from .pushforward import ImagePushForward, TabularPushForward

if TYPE_CHECKING:
    from sklearn.callback import CallbackContext


@dataclass
class UnfinishedFit:
    """A fit whose flow has been made ready, or has made some steps; it pickles, with closures of functionals.

    Parameters
    ----------
    run : FlowRun
        The flow.
    X, y : ndarray of shape (n_samples, n_features), (n_samples,)
        The training data.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights.
    target : Reference or None
        The reference dataset.
    rows : ndarray of shape (n_particles, n_features)
        The particles as they came.
    start, labels, weight : ndarray
        The particles aligned, their labels, and their weights or None.
    rng : RandomState
        Of the map and the decision.
    flow : Flow or None
        Where it has ended.
    """

    run: FlowRun
    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    target: Reference | None
    rows: np.ndarray
    start: np.ndarray
    labels: np.ndarray
    weight: np.ndarray | None
    rng: np.random.RandomState
    flow: Flow | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (wrap_non_picklable_objects(vars(self), keep_wrapper=False),)

    def go_on(self, estimator: Any, context: CallbackContext) -> None:
        """Flow, learn the map, decide, and set the fitted attributes.

        Raises
        ------
        FitInterrupted
            At an interrupt, with the attributes set as if the flow had ended there.
        """
        try:
            with cores_for(self.start, None if self.target is None else self.target.X):
                if self.flow is None:
                    reporter = self._reporter(estimator, context)
                    self._flowed(estimator, self.run.loop.run(estimator.max_iter, reporter))
                self._learn(estimator)
        except KeyboardInterrupt:
            if not self.run.loop.objective:
                raise
            flow = self.flow or self.run.loop.flow("interrupted")
            vars(estimator).update(self.as_if_ended(estimator, flow))
            raise FitInterrupted(
                estimator,
                f"The fit was interrupted after {flow.n_iter} steps of the flow. particles_ and transform are those of "
                "that step; resume() goes on with the fit.",
            ) from None
        context.call_on_fit_task_end(estimator=estimator, X=self.X, y=self.y, reconstruction_attributes={})

    def train(self, estimator: Any) -> None:
        """Train the nets that have waited.

        Raises
        ------
        FitInterrupted
            At an interrupt; they are trained when they are first used.
        """
        try:
            train_nets(estimator)
        except KeyboardInterrupt:
            raise FitInterrupted(
                estimator,
                "The fit was interrupted while its map was trained: all else is fitted, and transform trains the map "
                "when it is first used.",
            ) from None

    def as_if_ended(self, estimator: Any, flow: Flow) -> dict[str, Any]:
        """Fitted attributes of an estimator whose flow ended here; its map is learnt when it is first used."""
        told = {**fitted_attributes(estimator), **self.run.attributes(flow)}
        names = told["particle_labels_"] if self.labels.ndim == 1 else None
        learning = partial(
            learn, copy(estimator), self.start, told["particles_"], names, deepcopy(self.rng), self.weight
        )
        lazy = LazyRegressor(estimator.pushforward, learning)
        told |= {"decision_": None, "pushforward_": lazy, "unfinished_fit_": self}
        return told if self.target is None else told | {"target_": self.target}

    def _reporter(self, estimator: Any, context: CallbackContext) -> StepReporter:
        """What is told of each step, which begins where the flow was left."""
        reporter = StepReporter(estimator, context, self.X, self.y, self.run.unit, partial(self.as_if_ended, estimator))
        reporter.objective += self.run.loop.objective
        return reporter

    def _flowed(self, estimator: Any, flow: Flow) -> None:
        """The flow has ended."""
        if flow.status == "interrupted":
            raise KeyboardInterrupt
        self.flow = flow
        warn_of_the_end(estimator, flow, self.run)
        self.run.bound.release()

    def _learn(self, estimator: Any) -> None:
        """The map that carries other rows, and how much of it is used."""
        assert self.flow is not None
        rng, told = deepcopy(self.rng), self.run.attributes(self.flow)
        end, names = told["particles_"], told["particle_labels_"] if self.labels.ndim == 1 else None
        told["pushforward_"] = regressor = self._learnt(estimator, self.start, end, names, rng)
        told["decision_"] = None
        if estimator.safeguard is not False and self.target is not None:
            told["decision_"] = decide(
                Judging.of(estimator.safeguard, self.target),
                self.rows,
                self.start,
                end,
                self.labels,
                self._wanted(told),
                self.weight,
                aligner=estimator.aligner_,
                regressor=regressor,
                rng=rng,
            )
        if estimator.fit_inverse_transform:
            told["inverse_pushforward_"] = self._learnt(estimator, end, self.start, names, rng)
        if self.target is not None:
            told["target_"] = self.target
        vars(estimator).update(told)
        vars(estimator).pop("unfinished_fit_", None)

    def _learnt(
        self, estimator: Any, start: np.ndarray, end: np.ndarray, names: np.ndarray | None, rng: np.random.RandomState
    ) -> Any:
        """The regressor fitted, or a net that waits until the decision is made, which trains one on fewer rows."""
        net = estimator.pushforward
        if isinstance(net, ImagePushForward):
            return LazyRegressor(net, partial(learn_map, net, start, end, names, self.weight))
        return learn(estimator, start, end, names, rng, self.weight)

    def _wanted(self, told: dict[str, Any]) -> np.ndarray:
        """The answers that models of the target should give for the particles."""
        if self.labels.ndim == 2:
            return self.labels
        return np.array([told["label_map_"][label] for label in told["particle_labels_"].tolist()])


def _restored(state: dict[str, Any]) -> UnfinishedFit:
    return UnfinishedFit(**state)


def learn(
    estimator: Any,
    start: np.ndarray,
    end: np.ndarray,
    labels: np.ndarray | None,
    rng: np.random.RandomState,
    weight: np.ndarray | None,
) -> Any:
    """The regressor that learns ``x_0 -> x_T``; labels are those of classes, or None."""
    pushforward = estimator.pushforward
    if pushforward is None:
        seed = rng.randint(np.iinfo(np.int32).max)
        pushforward = TabularPushForward(device=estimator.device, random_state=seed)
    return learn_map(pushforward, start, end, labels, weight)
