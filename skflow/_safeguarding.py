"""The decision whether to move, taken for a flow: its candidates on rows that the map was not fitted to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from ._fresh_fit import fitted_attributes
from ._learning import learn_map
from ._repeats import each_row_once
from ._target import Reference, as_given
from .metrics import divergence
from .pushforward import left_out_predictions
from .safeguard import WORTH_MORE, Decision, Panel, decide_by_divergence, decide_by_labels

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the flow's movement after the alignment."""
HELD_OUT = 1 / 3
"""Rows that are held out where the map does not predict its own left-out rows."""
MOST_ROWS = 2000
"""Rows that candidates are judged on."""


def decide(
    mode: bool | str,
    X: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    labels: np.ndarray,
    wanted: np.ndarray,
    weight: np.ndarray | None,
    *,
    aligned: bool,
    regressor: Any,
    target: Reference,
    rng: np.random.RandomState,
) -> Decision:
    """Choose among leaving rows as they are, aligning them, and a share of the flow.

    Parameters
    ----------
    mode : True, "labels" or "divergence"
        What decides; True is "labels".
    X, start, end : ndarray of shape (n_particles, n_features), (n_particles, n_columns), same
        The particles' rows as they came, aligned, and at the end of the flow.
    labels, wanted : ndarray of shape (n_particles,) or (n_particles, n_labels)
        Their labels, and the target labels that these go to; continuous ones in columns.
    weight : ndarray of shape (n_particles,) or None
        Weights.
    aligned : bool
        Whether there was an alignment.
    regressor : regressor
        The fitted push-forward.
    target : Reference
        The reference dataset.
    rng : RandomState
        Draws rows.
    """
    classes = labels if labels.ndim == 1 else np.zeros(len(labels), dtype=int)
    # Neither the order of the rows nor whether a row is repeated or weighed may change the decision.
    codes = np.unique(labels, axis=None if labels.ndim == 1 else 0, return_inverse=True)[1].reshape(-1)
    first, mass = each_row_once(X, codes, weight)
    rows, predicted = _held_out(regressor, start, end, classes, first, rng)
    weight = np.zeros(len(X))
    weight[first] = mass
    if len(rows) > MOST_ROWS:
        some = rng.permutation(len(rows))[:MOST_ROWS]
        rows, predicted = rows[some], predicted[some]
    base = start[rows]
    candidates: list[tuple[str, float | None, np.ndarray]] = []
    if X.shape[1] == base.shape[1]:
        candidates.append(("leave", None, X[rows]))
    if aligned:
        candidates.append(("align", 0.0, base))
    candidates += [
        ("flow" if share == 1 else f"flow {share:g}", share, base + share * (predicted - base)) for share in SHARES
    ]
    if mode == "divergence" or len(np.unique(target.y)) < 2:  # a single class tells nothing of where rows belong
        return _by_divergence(candidates, target, rng)
    y_target = target.y if labels.ndim == 1 else target.y.reshape(len(target.X), -1)
    panel = Panel(target.X, y_target, seed=int(rng.randint(np.iinfo(np.int32).max)))
    agreements = [(name, share, panel.agreement(moved, wanted[rows])) for name, share, moved in candidates]
    weights = compute_sample_weight("balanced", classes[rows]) * weight[rows]
    return decide_by_labels(agreements, weights, continuous=labels.ndim == 2)


def drop_lossy_alignment(estimator: BaseEstimator, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
    """Fit a flow of the rows as they are beside one whose alignment loses some of what they hold, and keep the better.

    Between many columns the alignment runs in the leading principal axes, and what lies off these is lost; where no
    global map was found, it may have lost more. Held-out rows say whether that pays.

    Parameters
    ----------
    estimator : flow
        Just fitted; takes over the other's fitted attributes where these are better.
    X, y, weight : ndarray or None
        The training data, checked.
    """
    alignment = getattr(estimator.aligner_, "alignment_", None)
    decision = estimator.decision_
    if alignment is None or decision is None or decision.judged_by != "labels" or not _is_lossy(alignment, X.shape[1]):
        return
    other = clone(estimator).set_params(alignment=None, target=estimator.target_)
    other.fit(X, as_given(y), **({} if weight is None else {"sample_weight": weight}))
    before, after = decision.chosen, other.decision_.chosen
    of = "the labels is explained" if y.ndim == 2 else "the held-out rows are right"
    words = f"without the alignment {after.score:.1%} of {of}, with it {before.score:.1%}."
    if after.score <= before.score + WORTH_MORE:
        estimator.decision_ = replace(decision, reason=f"{decision.reason} The alignment stays: {words}")
        return
    for name, value in fitted_attributes(other).items():
        if not name.startswith(("n_features_in_", "feature_names_in_")):
            setattr(estimator, name, value)
    estimator.decision_ = replace(
        other.decision_, reason=f"{other.decision_.reason} The alignment was dropped: {words}"
    )


def _is_lossy(alignment: Any, n_features: int) -> bool:
    """Whether the map between equally many columns loses some of what rows hold, or is not to be believed."""
    affine = alignment.map
    if len(affine.image) != n_features:
        return False
    narrow = any(min(factor.shape) < n_features for factor in affine.factors if factor.ndim == 2)
    return narrow or alignment.verdict == "not found"


def _held_out(
    regressor: Any, start: np.ndarray, end: np.ndarray, labels: np.ndarray, rows: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the `rows`, and where a map that was not fitted to them carries them."""
    if getattr(regressor, "oof_", None) is not None:
        return rows, left_out_predictions(regressor, start, end, labels)[rows]
    if len(rows) < 4:
        return rows, np.asarray(regressor.predict(start[rows])).reshape(len(rows), -1)
    counts = np.unique(labels[rows], return_counts=True)[1]
    few = counts.min() < 2 or len(rows) * HELD_OUT < len(counts)
    seen, held = train_test_split(rows, test_size=HELD_OUT, stratify=None if few else labels[rows], random_state=rng)
    other = learn_map(clone(regressor), start[seen], end[seen], labels[seen], None)
    return held, np.asarray(other.predict(start[held])).reshape(len(held), -1)


def _by_divergence(
    candidates: list[tuple[str, float | None, np.ndarray]], target: Reference, rng: np.random.RandomState
) -> Decision:
    def between(moved: np.ndarray, rows: np.ndarray) -> float:
        if target.is_continuous:
            return divergence(moved, target.X[rows])
        return divergence(moved, target.X[rows], target.y[rows], class_weight="estimated")

    size = min(400, len(target.X) // 2)
    halves = np.array_split(rng.permutation(len(target.X))[: 2 * size], 2)
    floor = divergence(target.X[halves[0]], target.X[halves[1]])
    return decide_by_divergence(candidates, between, len(target.X), floor, rng)
