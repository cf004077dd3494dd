"""Rows as maps carry them that were not fitted to them: what a decision is judged on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from ._learning import LazyRegressor, learn_map
from .pushforward import left_out_predictions

HELD_OUT = 1 / 3
"""Rows that are held out where the map does not predict its own left-out rows."""
FOLDS = 3
"""Folds that an alignment is fitted without, one after the other."""
MOST_STARTS = 8
"""Starts of each of these: labels guide them."""
MOST_VALUES = 20_000
"""Values of the source up to which an alignment is fitted again: with more of them it gains little by chance."""


def carry_held_out(
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
    unfitted = regressor.unfitted if isinstance(regressor, LazyRegressor) else clone(regressor)
    other = learn_map(unfitted, start[seen], end[seen], labels[seen], None)
    return held, np.asarray(other.predict(start[held])).reshape(len(held), -1)


def align_held_out(
    aligner: Any,
    X: np.ndarray,
    start: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    rows: np.ndarray,
    seed: int,
) -> np.ndarray | None:
    """Aligned rows, those with a label by an alignment that was not told of it; None where that gains nothing.

    An alignment that labels guide fits their classes to the target's, on few rows by chance alone. Of rows that all
    have a label each fold is left out; where some have none, the label alone is.

    Parameters
    ----------
    aligner : DomainAligner or None
        Fitted.
    X, start : ndarray of shape (n_samples, n_features), (n_samples, n_columns)
        The rows as they came, and aligned.
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Their labels; continuous ones in columns, which guide no alignment.
    known : ndarray of bool of shape (n_samples,)
        Whether a label is known.
    rows : ndarray of shape (n_different,)
        Where each row is found first, in an order that does not depend on the one that they came in.
    seed : int
        Draws the folds.
    """
    alignment = getattr(aligner, "alignment_", None)
    labelled = rows[known[rows]]
    if alignment is None or alignment.verdict == "identity" or X.size > MOST_VALUES or labels.ndim == 2:
        return None
    if len(labelled) < 2 * FOLDS:
        return None
    other = clone(aligner.estimator if isinstance(aligner, FrozenEstimator) else aligner)
    if {"invariance", "max_starts"} <= set(other.get_params(deep=False)):
        # The class of maps stays, so that no search goes astray.
        same = next(c.invariance for c in alignment.candidates if c.name == alignment.invariance)
        other.set_params(invariance=same, max_starts=min(MOST_STARTS, other.max_starts))
    told = np.full(len(X), None, dtype=object)
    told[known] = labels[known]
    counts = np.unique(labels[labelled], return_counts=True)[1]
    kind = StratifiedKFold if counts.min() >= FOLDS else KFold
    aligned = np.array(start)
    for _, left_out in kind(FOLDS, shuffle=True, random_state=seed).split(labelled, labels[labelled].astype(str)):
        held = labelled[left_out]
        seen = np.delete(rows, left_out) if known.all() else rows
        hidden = told.copy()
        hidden[held] = None
        fitted = clone(other).fit(X[seen], labels[seen] if known.all() else hidden[seen])
        aligned[held] = np.asarray(fitted.transform(X[held])).astype(start.dtype, copy=False)
    return aligned
