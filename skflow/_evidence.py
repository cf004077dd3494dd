"""What a frozen model's answers and a few known labels say together about the rows of a source."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .labelling import NeighbourGraph, balance, class_prior, combine, temper, weigh

TEMPER = 0.25
"""Power of the model's probabilities: away from home it is surer of itself than it should be."""
EXPECTED, DOUBT = (TEMPER, 1.0, 0.0), (0.5, 1.0, 3.0)
"""Powers of the model's answers, of the answers spread, and of the known labels spread; before any evidence."""
ONE_LABEL = 4.0
"""Power of the last with a single label in a class, where there is none to leave out for a test."""


def weigh_evidence(
    graph: NeighbourGraph, answers: np.ndarray | None, rows: np.ndarray, codes: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Beliefs about all rows of the graph, and the power that each witness has earned.

    The model's answers are one witness, what they say when spread over the graph is another, and what the known labels
    say when spread is the third. Their powers are those under which they foretell the known labels best; a label that
    is foretold is left out of the spreading.

    Parameters
    ----------
    graph : NeighbourGraph
        Of the rows.
    answers : ndarray of shape (n_samples, n_classes) or None
        Probabilities that the model gives to the source's classes, if it knows them.
    rows, codes : ndarray of shape (n_known,)
        Rows whose class is known, and their classes as codes.
    n_classes : int
        Number of the source's classes.

    Returns
    -------
    beliefs : ndarray of shape (n_samples, n_classes)
        Product of the witnesses.
    powers : ndarray of shape (n_witnesses,)
        Of the answers, the answers spread, and the labels spread, as far as there are any.
    """
    witnesses = []
    if answers is not None:
        spread = graph.spread(temper(answers, TEMPER))
        witnesses = [answers, balance(spread, class_prior(graph, spread, answers.mean(axis=0)))]
    n = len(witnesses)
    powers = np.array(EXPECTED[:n])
    if len(rows):
        on_known, held_out = [witness[rows] for witness in witnesses], _held_out(graph, rows, codes, n_classes)
        witnesses.append(_spread_labels(graph, rows, codes, n_classes))
        if held_out is not None:
            powers = weigh([*on_known, held_out], codes, (*EXPECTED[:n], EXPECTED[2]), (*DOUBT[:n], DOUBT[2]))
        else:
            powers = np.append(weigh(on_known, codes, EXPECTED[:n], DOUBT[:n]) if n else powers, ONE_LABEL)
    return combine(*(temper(witness, power) for witness, power in zip(witnesses, powers, strict=True))), powers


def _spread_labels(graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """What the labels of some rows say of all; balanced, since a few do not tell how frequent the classes are."""
    evidence = np.zeros((graph.weights.shape[0], n_classes))
    evidence[rows, codes] = 1
    return balance(graph.spread(evidence), np.full(n_classes, 1 / n_classes))


def _held_out(graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray | None:
    """What the known labels say of one another, left out in turn; None where a class has a single one."""
    fewest = np.bincount(codes, minlength=n_classes).min()
    if fewest < 2:
        return None
    held_out = np.empty((len(rows), n_classes))
    for kept, left_out in StratifiedKFold(min(fewest, 5)).split(rows, codes):
        held_out[left_out] = _spread_labels(graph, rows[kept], codes[kept], n_classes)[rows[left_out]]
    return held_out
