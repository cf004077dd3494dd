"""The way back: whether what learns from the answers about moved rows is right on the target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..metrics import way_back
from ._decision import WORTH_MOVING, decide_by_labels

FEWER_ERRORS = 0.4
"""Share of the errors on the way back that an alignment must take away where nothing else speaks for it. Chosen on
other seeds of the cases of ``no_harm.py``: between hospitals, where alignments do harm, it was less."""


class WaysBack(NamedTuple):
    """How often what learns from the answers is right on the target, its classes counting alike."""

    before: float
    """From answers about rows as they came."""
    after: float
    """From answers about moved rows."""
    pays: bool
    """Whether the second is better, by what was asked."""


def compare_ways_back(
    X: np.ndarray,
    answers: np.ndarray,
    moved: np.ndarray,
    moved_answers: np.ndarray,
    X_target: np.ndarray,
    y_target: np.ndarray,
    *,
    proof: str = "clear",
) -> WaysBack:
    """How well quick models of the source, told a model's answers, find the target's labels.

    See :func:`~skflow.metrics.circular_scorer`.

    Parameters
    ----------
    X, moved : ndarray of shape (n_samples, n_features)
        The rows as they came, and moved.
    answers, moved_answers : ndarray of shape (n_samples,)
        Classes of the target that the model gives to either.
    X_target, y_target : ndarray of shape (m_samples, n_features), (m_samples,)
        The target and its classes.
    proof : {"none", "clear", "strong"}
        What it takes for moved rows to pay: no more errors; fewer, by as much as labels must say; or fewer by
        :data:`FEWER_ERRORS`, too.
    """
    found = [way_back(rows, said, X_target, y_target) for rows, said in ((X, answers), (moved, moved_answers))]
    right, weights = [right.mean(axis=0, keepdims=True) for right, _ in found], found[0][1]
    before, after = (float(np.average(of[0], weights=weights)) for of in right)
    if proof == "none":
        return WaysBack(before, after, after >= before)
    worth = WORTH_MOVING if proof == "clear" else max(WORTH_MOVING, FEWER_ERRORS * (1 - before))
    chosen = decide_by_labels([("leave", None), ("moved", 0.0)], right, weights, worth).chosen
    return WaysBack(before, after, chosen.share is not None)
