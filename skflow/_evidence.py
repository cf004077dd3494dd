"""What a frozen model's answers and a few known labels say together about the rows of a source."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .labelling import NeighbourGraph, balance, class_prior, combine, temper, weigh

TEMPER = 0.25
"""Power of the model's probabilities: away from home it is surer of itself than it should be."""
EXPECTED = {"answers": 0.1, "spread": 1.0, "labels": 0.0}
"""Powers of the witnesses of :func:`weigh_evidence` before any evidence; answers that are spread hold the answers."""
DOUBT = {"answers": 0.5, "spread": 1.0, "labels": 3.0}
"""Standard deviations of these powers."""
ONE_LABEL = 4.0
"""Power of the known labels with a single one in a class, where there is none to leave out for a test."""
NO_ACCIDENT = 3.0
"""Known labels are a witness if that makes them likelier by this much in the logarithm, twenty to one."""
SECOND = (1.0, TEMPER), (0.1, 0.25)
"""Powers of beliefs and of answers to carried rows before any evidence, and their standard deviations."""


def weigh_evidence(
    graph: NeighbourGraph, answers: np.ndarray | None, rows: np.ndarray, codes: np.ndarray, n_classes: int
) -> tuple[np.ndarray, dict[str, float], float]:
    """Beliefs about all rows of the graph, and the power that each witness has earned.

    Witnesses are the model's answers ("answers"), what they say when spread over the graph ("spread"), and what the
    known labels say when spread ("labels"). Their powers are those under which they foretell the known labels best; a
    label that is foretold is left out of the spreading.

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
    powers : dict
        Of the witnesses that there are.
    trust : float
        Powers of the answers and of the answers spread, in sum, had there been no other witness: where the known labels
        tell all, answers that mislead do no harm beside them, but they will to rows far from these.
    """
    witnesses, powers, trust = {}, {}, 0.0
    if answers is not None:
        spread = graph.spread(temper(answers, TEMPER))
        witnesses = {"answers": answers, "spread": balance(spread, class_prior(graph, spread, answers.mean(axis=0)))}
        on_known = {name: witness[rows] for name, witness in witnesses.items()}
        powers, surprise = _powers(on_known, codes)
        trust = sum(powers.values())
    if len(rows):
        witnesses["labels"] = _spread_labels(graph, rows, codes, n_classes)
        powers["labels"] = ONE_LABEL
        if can_be_hidden(codes, n_classes):
            held_out = _held_out(graph, rows, codes, n_classes)
            if answers is None:
                powers, _ = _powers({"labels": held_out}, codes)
            else:
                with_labels, less_surprise = _powers({**on_known, "labels": held_out}, codes)
                powers = with_labels if less_surprise < surprise - NO_ACCIDENT else {**powers, "labels": 0.0}
    return combine(*(temper(witness, powers[name]) for name, witness in witnesses.items())), powers, trust


def weigh_second(beliefs: np.ndarray, carried: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Powers of beliefs (n, K) and of answers to carried rows (n, K), from rows whose class was hidden from both."""
    return weigh([beliefs, carried], codes, *SECOND)[0]


def can_be_hidden(codes: np.ndarray, n_classes: int) -> bool:
    """Whether each class has labels enough to hide one from a witness who knows another."""
    return np.bincount(codes, minlength=n_classes).min() >= 2


def halves(labels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks that share the rows of each class equally, and its known labels, too."""
    first = np.empty(len(labels), dtype=bool)
    first[np.lexsort((known, labels))] = np.arange(len(labels)) % 2 == 0
    return first, ~first


def _powers(witnesses: dict[str, np.ndarray], codes: np.ndarray) -> tuple[dict[str, float], float]:
    """Powers of the witnesses, and how surprising the true classes are then."""
    prior = [[of[name] for name in witnesses] for of in (EXPECTED, DOUBT)]
    powers, surprise = weigh(list(witnesses.values()), codes, *prior)
    return dict(zip(witnesses, powers.tolist(), strict=True)), surprise


def _spread_labels(graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """What the labels of some rows say of all; balanced, since a few do not tell how frequent the classes are."""
    evidence = np.zeros((graph.weights.shape[0], n_classes))
    evidence[rows, codes] = 1
    return balance(graph.spread(evidence), np.full(n_classes, 1 / n_classes))


def _held_out(graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """What the known labels say of one another, left out in turn."""
    held_out = np.empty((len(rows), n_classes))
    fewest = np.bincount(codes, minlength=n_classes).min()
    for kept, left_out in StratifiedKFold(min(fewest, 5)).split(rows, codes):
        held_out[left_out] = _spread_labels(graph, rows[kept], codes[kept], n_classes)[rows[left_out]]
    return held_out
