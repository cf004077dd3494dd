"""The decision whether to move, taken for a flow: its candidates on rows that the map was not fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from ._learning import learn_map
from ._target import Reference
from .metrics import divergence
from .pushforward import left_out_predictions
from .safeguard import Decision, Panel, decide_by_divergence, decide_by_labels

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
    labels, wanted : ndarray of shape (n_particles,)
        Their labels, and the target labels that these go to.
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
    rows, predicted = _held_out(regressor, start, end, labels, rng)
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
    if mode == "divergence":
        return _by_divergence(candidates, target, rng)
    panel = Panel(target.X, target.y, seed=int(rng.randint(np.iinfo(np.int32).max)))
    agreements = [(name, share, panel.agreement(moved, wanted[rows])) for name, share, moved in candidates]
    weights = compute_sample_weight("balanced", labels[rows])
    return decide_by_labels(agreements, weights if weight is None else weights * weight[rows])


def _held_out(
    regressor: Any, start: np.ndarray, end: np.ndarray, labels: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and where a map that was not fitted to them carries them."""
    if getattr(regressor, "oof_", None) is not None:
        return np.arange(len(start)), left_out_predictions(regressor, start, end, labels)
    if len(start) < 4:
        return np.arange(len(start)), np.asarray(regressor.predict(start)).reshape(len(start), -1)
    few = np.unique(labels, return_counts=True)[1].min() < 2 or len(start) * HELD_OUT < len(np.unique(labels))
    seen, held = train_test_split(
        np.arange(len(start)), test_size=HELD_OUT, stratify=None if few else labels, random_state=rng
    )
    other = learn_map(clone(regressor), start[seen], end[seen], labels[seen], None)
    return held, np.asarray(other.predict(start[held])).reshape(len(held), -1)


def _by_divergence(
    candidates: list[tuple[str, float | None, np.ndarray]], target: Reference, rng: np.random.RandomState
) -> Decision:
    def between(moved: np.ndarray, rows: np.ndarray) -> float:
        return divergence(moved, target.X[rows], target.y[rows], class_weight="estimated")

    size = min(400, len(target.X) // 2)
    halves = np.array_split(rng.permutation(len(target.X))[: 2 * size], 2)
    floor = divergence(target.X[halves[0]], target.X[halves[1]])
    return decide_by_divergence(candidates, between, len(target.X), floor, rng)
