"""Whether a model's answers about moved rows say more of the target than those about the rows as they came."""

from __future__ import annotations

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..safeguard import Panel, decide_by_labels


def moving_pays(
    X: np.ndarray,
    answers: np.ndarray,
    moved: np.ndarray,
    moved_answers: np.ndarray,
    X_target: np.ndarray,
    codes: np.ndarray,
) -> bool:
    """Whether quick models of the source, told the model's answers, find the target's labels clearly better.

    No label of the source is known, but the way back can be tested: where rows lie where the model is at home and are
    answered rightly, what learns from them is right on the target (Zhong, Fan, Yang, Verscheure and Ren, "Cross
    validation framework to choose amongst models and datasets for transfer learning", ECML PKDD 2010). The margin is
    that of labels: a model's own answers are not overruled for less.

    Parameters
    ----------
    X, moved : ndarray of shape (n_samples, n_features)
        The rows as they came, and moved.
    answers, moved_answers : ndarray of shape (n_samples,)
        Codes of the target's classes that the model gives to either.
    X_target, codes : ndarray of shape (m_samples, n_features), (m_samples,)
        The target and its classes.
    """
    sides = (X, answers), (moved, moved_answers)
    right = [_way_back(rows, said, X_target, codes).mean(axis=0, keepdims=True) for rows, said in sides]
    weights = compute_sample_weight("balanced", codes) / len(codes)
    return decide_by_labels([("leave", None), ("moved", 0.0)], right, weights).chosen.share is not None


def _way_back(rows: np.ndarray, answers: np.ndarray, X_target: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which models of the source (n_models, m_samples) are right on the target."""
    if len(np.unique(answers)) > 1:
        return Panel(rows, answers).agreement(X_target, codes)
    return np.asarray(codes == answers[0], dtype=np.float64)[None]
