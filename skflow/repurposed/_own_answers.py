"""Whether a model's own answers stand, beside its answers about moved rows or what all evidence says."""

from __future__ import annotations

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..safeguard import WORTH_MOVING, Panel, decide_by_labels


def own_answers_stand(own: np.ndarray, others: np.ndarray | None, codes: np.ndarray, at_home: bool) -> bool:
    """Whether the model's own answers stand beside what all evidence says, by rows whose label is known.

    Where the rows lie amid the target's, the model is presumed to be right: labels must say otherwise as clearly as
    they must for any movement. Elsewhere nothing is presumed: the simplest within one standard error of the best
    stands, and that is the model alone. If they stand by these few rows, all rows may still say otherwise, by how well
    either fits them.

    Parameters
    ----------
    own : ndarray of shape (n_known, n_classes)
        The model's answers.
    others : ndarray of shape (n_known, n_classes) or None
        What all evidence says of each row, its own label left out; None where there are too few to leave one out. Then
        a model at home stands where it is more often right than a guess.
    codes : ndarray of shape (n_known,)
        The true classes.
    at_home : bool
        Whether the rows lie amid the target's.
    """
    right = own.argmax(axis=1) == codes
    if others is None:
        return at_home and bool(right.mean() > 1 / own.shape[1])
    if at_home:
        return not clearly_better(own, others, codes)
    gain = (others.argmax(axis=1) == codes).astype(np.float64) - right
    error = np.sqrt(np.abs(gain).sum() + 1) / len(codes)  # one row more than those on which they differ
    return bool(gain.mean() <= error)


def more_often_right(own: np.ndarray, others: np.ndarray, codes: np.ndarray) -> bool:
    """Whether the model's own answers (n_known, n_classes) are more often right on known classes than others."""
    return bool((own.argmax(axis=1) == codes).sum() > (others.argmax(axis=1) == codes).sum())


def clearly_better(own: np.ndarray, others: np.ndarray, codes: np.ndarray) -> bool:
    """Whether other answers (n_known, n_classes) than the model's own are clearly more often right on known classes.

    The margin is that of :func:`~skflow.safeguard.decide_by_labels`, and two rows at least.
    """
    right = [np.asarray(of.argmax(axis=1) == codes, dtype=np.float64)[None] for of in (own, others)]
    weights = compute_sample_weight("balanced", codes)
    margin = max(WORTH_MOVING, 2 / len(codes))
    return decide_by_labels([("own", None), ("others", 0.0)], right, weights, margin).chosen.share is not None


def moving_pays(
    X: np.ndarray,
    answers: np.ndarray,
    moved: np.ndarray,
    moved_answers: np.ndarray,
    X_target: np.ndarray,
    codes: np.ndarray,
    *,
    clearly: bool = True,
) -> bool:
    """Whether quick models of the source, told the model's answers, find the target's labels better.

    No label of the source is known, but the way back can be tested: where rows lie where the model is at home and are
    answered rightly, what learns from them is right on the target (Zhong, Fan, Yang, Verscheure and Ren, "Cross
    validation framework to choose amongst models and datasets for transfer learning", ECML PKDD 2010).

    Parameters
    ----------
    X, moved : ndarray of shape (n_samples, n_features)
        The rows as they came, and moved.
    answers, moved_answers : ndarray of shape (n_samples,)
        Codes of the target's classes that the model gives to either.
    X_target, codes : ndarray of shape (m_samples, n_features), (m_samples,)
        The target and its classes.
    clearly : bool
        Whether by the margin of labels: a model's own answers are not overruled for less. Else no worse will do.
    """
    sides = (X, answers), (moved, moved_answers)
    right = [_way_back(rows, said, X_target, codes).mean(axis=0, keepdims=True) for rows, said in sides]
    weights = compute_sample_weight("balanced", codes) / len(codes)
    if not clearly:
        before, after = (float(of[0] @ weights) for of in right)
        return after >= before
    return decide_by_labels([("leave", None), ("moved", 0.0)], right, weights).chosen.share is not None


def _way_back(rows: np.ndarray, answers: np.ndarray, X_target: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which models of the source (n_models, m_samples) are right on the target."""
    if len(np.unique(answers)) > 1:
        return Panel(rows, answers).agreement(X_target, codes)
    return np.asarray(codes == answers[0], dtype=np.float64)[None]
