"""Whether a model's own answers stand beside what all evidence says."""

from __future__ import annotations

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..safeguard import WORTH_MOVING, decide_by_labels


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
