"""What is told of a flow while it runs: printed lines and scikit-learn's callbacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .flow import Particles

if TYPE_CHECKING:
    from sklearn.callback import CallbackContext

    from .base import BaseFlow

PRINT_EVERY = 10
"""Steps between two printed lines."""


class StepReporter:
    """The monitor of a flow: one callback task a step, and a line now and then.

    A callback whose hook has the parameter `fitted_estimator` gets the estimator as if the flow had ended here, with
    `particles_`, `objective_`, `n_iter_` and all else; it is put together only if it is asked for, and its
    push-forward is learnt only if it transforms. A hook that returns True ends the flow.

    Parameters
    ----------
    estimator : BaseFlow
        Whose fit this is.
    context : CallbackContext
        Of the fit.
    X, y : ndarray
        The training data.
    fitted : callable (particles, objective) -> dict
        Fitted attributes as if the flow had ended with these.
    """

    def __init__(
        self,
        estimator: BaseFlow,
        context: CallbackContext,
        X: np.ndarray,
        y: np.ndarray,
        fitted: Callable[[Particles, list[float]], dict[str, Any]],
    ) -> None:
        self.estimator, self.context, self.X, self.y, self.fitted = estimator, context, X, y, fitted
        self.objective: list[float] = []

    def __call__(self, step: int, objective: float, particles: Particles) -> bool:
        self.objective.append(objective)
        if step == 0:
            return False
        if self.estimator.verbose and step % PRINT_EVERY == 0:
            print(f"[{type(self.estimator).__name__}] step {step}: objective {objective:.6g}")
        task = self.context.subcontext(task_name="flow step")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            y=self.y,
            reconstruction_attributes=lambda: self.fitted(particles, list(self.objective)),
        )


class LazyPushForward:
    """A push-forward that is learnt when it is first used.

    Parameters
    ----------
    learn : callable () -> regressor
        Makes the fitted regressor.
    """

    def __init__(self, learn: Callable[..., Any]) -> None:
        self._learn = learn

    @cached_property
    def regressor(self) -> Any:
        """The fitted regressor."""
        return self._learn()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Where the map takes the rows of `X`."""
        return self.regressor.predict(X)
