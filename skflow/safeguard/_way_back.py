"""The way back: whether what learns from the answers about moved rows is right on the target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ._decision import WORTH_MOVING, decide_by_labels
from ._panel import Panel

FEWER_ERRORS = 0.4
"""Share of the errors on the way back that an alignment must take away where nothing else speaks for it. Between
hospitals, where alignments do harm, it was up to 0.3; where rows had been turned or rescaled, 0.45 and more."""
MOST_ASKED = 2000
"""Rows of the target that are asked for."""


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

    No label of the source is known, but the way back can be tested: where rows lie where the model is at home and are
    answered rightly, what learns from them is right on the target (circular validation: Bruzzone and Marconcini,
    "Domain adaptation problems: a DASVM classification technique and a circular validation strategy", PAMI 2010; Zhong,
    Fan, Yang, Verscheure and Ren, "Cross validation framework to choose amongst models and datasets for transfer
    learning", ECML PKDD 2010).

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
    some = np.random.RandomState(0).permutation(len(X_target))[:MOST_ASKED]
    X_target, y_target = X_target[some], y_target[some]
    sides = (X, answers), (moved, moved_answers)
    right = [_way_back(rows, said, X_target, y_target).mean(axis=0, keepdims=True) for rows, said in sides]
    weights = compute_sample_weight("balanced", y_target)
    before, after = (float(np.average(of[0], weights=weights)) for of in right)
    if proof == "none":
        return WaysBack(before, after, after >= before)
    worth = WORTH_MOVING if proof == "clear" else max(WORTH_MOVING, FEWER_ERRORS * (1 - before))
    chosen = decide_by_labels([("leave", None), ("moved", 0.0)], right, weights, worth).chosen
    return WaysBack(before, after, chosen.share is not None)


def way_back(rows: np.ndarray, answers: np.ndarray, X_target: np.ndarray, y_target: np.ndarray) -> float:
    """Balanced accuracy on the target of quick models that are told the answers about some rows."""
    some = np.random.RandomState(0).permutation(len(X_target))[:MOST_ASKED]
    right = _way_back(rows, answers, X_target[some], y_target[some]).mean(axis=0)
    return float(np.average(right, weights=compute_sample_weight("balanced", y_target[some])))


def _way_back(rows: np.ndarray, answers: np.ndarray, X_target: np.ndarray, y_target: np.ndarray) -> np.ndarray:
    """Which models of the source (n_models, m_samples) are right on the target."""
    if len(np.unique(answers)) > 1:
        return Panel(rows, answers).agreement(X_target, y_target)
    return np.asarray(y_target == answers[0], dtype=np.float64)[None]
