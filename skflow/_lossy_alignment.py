"""Alignments that lose some of what rows hold: whether a flow is better off without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from ._aligned import is_narrow
from ._fresh_fit import fitted_attributes
from ._run import choose_particles
from ._target import Reference, as_given
from .pushforward import ImagePushForward, TabularPushForward
from .safeguard import WORTH_MORE, Decision

TRIAL_ROWS = 500
"""Rows that flow in a trial with and without an alignment, where there are more than twice as many; to twice as many
of the target."""
TRIAL_AXES = 60
"""Principal axes of the target that the judge of a trial sees."""
TRIAL_TOL = 5e-3
"""Least tolerance of these flows, of which the ends are compared alone."""


def try_alignment(estimator: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, target: Reference) -> None:
    """Drop a lossy alignment before the flow, if flows of fewer rows are better without one.

    Convolutional nets are not tried on few rows, where they need the alignment most: both flows are fitted to all rows.

    Parameters
    ----------
    estimator : flow
        With its `aligner_` and `particle_indices_`; is given `_alignment_tried_`, a sentence on the trial or None.
    X, y, weight : ndarray or None
        The training data, checked.
    target : Reference
        The reference dataset.
    """
    estimator._alignment_tried_ = None
    if estimator.safeguard is False or len(estimator.particle_indices_) <= 2 * TRIAL_ROWS:
        return
    if isinstance(estimator.pushforward, ImagePushForward):
        return
    if not hasattr(estimator.aligner_, "alignment_") or not _is_lossy(estimator.aligner_, X.shape[1]):
        return
    some = choose_particles(target.y, None, 2 * TRIAL_ROWS, np.random.RandomState(0))
    few = Reference(target.X[some], target.y[some], target.feature_names, target.target_type)
    own = {"tol": max(estimator.tol, TRIAL_TOL), "mass": 1.0, "fit_inverse_transform": False, "keep_trajectory": 0}
    optimizer = "auto" if estimator.optimizer == "sgd" else estimator.optimizer  # fewer steps to the same end
    judge = _judge_of(few) if estimator.safeguard is True and not target.is_continuous else estimator.safeguard
    trial = clone(estimator).set_params(
        alignment=FrozenEstimator(estimator.aligner_),
        target=few,
        max_particles=TRIAL_ROWS,
        safeguard=judge,
        optimizer=optimizer,
        pushforward=_quick_map(estimator),
        **own,
    )
    trial.fit(X, as_given(y), **({} if weight is None else {"sample_weight": weight}))
    if trial._alignment_tried_:
        estimator._alignment_tried_ = f"{trial._alignment_tried_} Tried on {len(trial.particles_)} rows."
    estimator.aligner_ = None if trial.aligner_ is None else estimator.aligner_


def _quick_map(estimator: Any) -> Any:
    """Class maps in closed form for the default map; else the estimator's own regressor."""
    if estimator.pushforward is None:
        return TabularPushForward(smooth=False, device=estimator.device, random_state=0)
    return estimator.pushforward


def _judge_of(target: Reference) -> Any:
    """One quick model, where :class:`~skflow.safeguard.Panel` has several."""
    axes = PCA(min(TRIAL_AXES, *target.X.shape), random_state=0)
    return make_pipeline(axes, SVC(C=5.0)).fit(target.X, target.y)


def drop_lossy_alignment(
    estimator: BaseEstimator,
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    redecide: Callable[[Any], Decision] | None = None,
) -> None:
    """Fit a flow of the rows as they are beside one whose alignment loses some of what they hold, and keep the better.

    Between many columns the alignment runs in the leading principal axes, and what lies off these is lost; where no
    global map was found, it may have lost more. Held-out rows say whether that pays.

    Parameters
    ----------
    estimator : flow
        Just fitted; takes over the other's fitted attributes where these are better.
    X, y, weight : ndarray or None
        The training data, checked.
    redecide : callable (flow) -> Decision, or None
        The other's decision, where it does not make it by itself.
    """
    decision = estimator.decision_
    if decision is not None and (tried := getattr(estimator, "_alignment_tried_", None)):
        estimator.decision_ = replace(decision, reason=f"{decision.reason} {tried}")
        return
    if not hasattr(estimator.aligner_, "alignment_") or decision is None or "labels" not in decision.judged_by:
        return
    if not _is_lossy(estimator.aligner_, X.shape[1]) or decision.chosen.score + WORTH_MORE >= 1:
        return
    # A clone of a fitted model, which may be the safeguard, is not fitted.
    other = clone(estimator).set_params(alignment=None, target=estimator.target_, safeguard=estimator.safeguard)
    other._is_trial = True
    other.fit(X, as_given(y), **({} if weight is None else {"sample_weight": weight}))
    if redecide is not None:
        other.decision_ = redecide(other)
    before, after = decision.chosen, other.decision_.chosen
    of = "the labels is explained" if y.ndim == 2 else "the held-out rows are right"
    words = f"without the alignment {after.score:.1%} of {of}, with it {before.score:.1%}."
    if after.score <= before.score + WORTH_MORE:
        estimator._alignment_tried_ = f"The alignment stays: {words}"
        estimator.decision_ = replace(decision, reason=f"{decision.reason} {estimator._alignment_tried_}")
        return
    for name, value in fitted_attributes(other).items():
        if not name.startswith(("n_features_in_", "feature_names_in_")):
            setattr(estimator, name, value)
    estimator._alignment_tried_ = f"The alignment was dropped: {words}"
    estimator.decision_ = replace(other.decision_, reason=f"{other.decision_.reason} {estimator._alignment_tried_}")


def _is_lossy(aligner: Any, n_features: int) -> bool:
    """Whether the map between equally many columns loses some of what rows hold, or is not to be believed."""
    alignment = aligner.alignment_
    if len(alignment.map.image) != n_features:
        return False
    return is_narrow(aligner) or alignment.verdict == "not found"
