"""A model's answers where classes are more or less frequent than it has learnt."""

from __future__ import annotations

import numpy as np

from .._proportions import estimate_proportions
from ..labelling import rows_to_one

SHARE_OF_HOME = 0.3
"""Share of the frequencies at home in those that are estimated: away from home probabilities are not calibrated."""
SHARE_OF_CHANGE = 0.5
"""Power of the odds by which answers are corrected, for the same reason: half of what the estimate says."""
WORTH_CORRECTING = 0.1
"""Total variation between the frequencies, from which on answers are corrected."""
ERRORS = 1.25
"""The same in units of ``sqrt(n_classes / n_samples)``, about how far those of few rows are off by chance."""
MOST_AT_HOME = 2000
"""Rows of the target that the model is asked about, to know what it says at home."""


def changed_odds(answers: np.ndarray, at_home: np.ndarray) -> np.ndarray | None:
    """Factors (n_classes,) for a model's probabilities, by the class frequencies that they show themselves.

    Estimated by :func:`~skflow._proportions.estimate_proportions` (Saerens, Latinne and Decaestecker, 2002), which
    corrects the answers, too (eq. 2.4). The frequencies that a model has learnt are what it says of rows at home, mean
    over rows: its probabilities need not be calibrated, and few are. Share, power and least change were chosen on
    hospitals, tables and digits with other seeds than those of ``no_harm.py``.

    Parameters
    ----------
    answers, at_home : ndarray of shape (n_samples, n_classes), (m_samples, n_classes)
        Probabilities that the model gives to rows of the source and of the target.

    Returns
    -------
    ndarray of shape (n_classes,) or None
        None where the frequencies are much the same.
    """
    prior = np.maximum(at_home.mean(axis=0), 1e-9)
    prior /= prior.sum()
    found = estimate_proportions(answers, prior, prior_share=SHARE_OF_HOME)
    if np.abs(found - prior).sum() / 2 < max(WORTH_CORRECTING, ERRORS * np.sqrt(len(prior) / len(answers))):
        return None
    return (found / prior) ** SHARE_OF_CHANGE


def corrected(answers: np.ndarray, odds: np.ndarray | None) -> np.ndarray:
    """Probabilities (n_samples, n_classes) times the factors, if there are some."""
    return answers if odds is None else rows_to_one(answers * odds)


def some_at_home(X_target: np.ndarray) -> np.ndarray:
    """Rows of the target, at most :data:`MOST_AT_HOME`, drawn evenly."""
    return X_target[np.random.RandomState(0).permutation(len(X_target))[:MOST_AT_HOME]]
