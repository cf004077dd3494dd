"""What a flow tells of itself: callbacks and printed lines on the way, warnings at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from ._run import FlowRun
from ._warnings import warn
from .flow import Flow, Particles

if TYPE_CHECKING:
    from sklearn.callback import CallbackContext

PRINT_EVERY = 10
"""Steps between two printed lines."""


class StepReporter:
    """The monitor of a flow: one callback task a step, and a printed line now and then.

    A callback whose hook has the parameter `fitted_estimator` gets the estimator as if the flow had ended here, with
    `particles_`, `objective_`, `n_iter_` and all else; it is put together only if it is asked for, and its
    push-forward is learnt only if it transforms. A hook that returns True ends the flow.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose fit this is.
    context : CallbackContext
        Of the fit.
    X, y : ndarray
        The training data.
    unit : float
        Length in the user's units of one unit of the particles' coordinates.
    fitted : callable (Flow) -> dict
        Fitted attributes as if the flow had ended so.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        context: CallbackContext,
        X: np.ndarray,
        y: np.ndarray,
        unit: float,
        fitted: Callable[[Flow], dict[str, Any]],
    ) -> None:
        self.estimator, self.context, self.X, self.y, self.unit = estimator, context, X, y, unit
        self.fitted = fitted
        self.objective: list[float] = []

    def __call__(self, step: int, objective: float, particles: Particles) -> bool:
        self.objective.append(objective)
        if step == 0:
            return False
        if self.estimator.verbose and step % PRINT_EVERY == 0:
            print(f"[{type(self.estimator).__name__}] step {step}: objective {objective * self.unit**2:.6g}")
        task = self.context.subcontext(task_name="flow step")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            y=self.y,
            reconstruction_attributes=lambda: self.fitted(Flow(particles, list(self.objective), "stopped")),
        )


def warn_of_the_end(estimator: BaseEstimator, flow: Flow, run: FlowRun) -> None:
    """Warn where a flow diverged or did not converge."""
    if flow.status == "diverged":
        message = (
            f"The flow diverged after {flow.n_iter} steps; the particles are the last finite ones. "
            f"{flow.reason or f'Lower step_size={estimator.step_size}.'}"
        )
    elif not run.bound.converged:
        error = getattr(run.bound, "marginal_error", None)
        much = "" if error is None else f" (marginal error {error:.1%} of the mass)"
        message = (
            f"Sinkhorn did not converge in the last step{much}; the particles may be off by about that much of "
            f"their class's spread. Raise reg={estimator.reg}, or scale the features."
        )
    elif flow.status == "max_iter" and estimator.tol > 0:
        message = (
            f"The flow did not converge to tol={estimator.tol} in max_iter={estimator.max_iter} steps; the particles "
            f"are still moving. Raise max_iter or step_size={estimator.step_size}, or scale the features."
        )
    else:
        return
    warn(message, ConvergenceWarning)
