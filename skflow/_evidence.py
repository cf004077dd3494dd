"""What a frozen model's answers and a few known labels say together about the rows of a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .labelling import NeighbourGraph, balance, class_prior, combine, rows_to_one, temper, weigh

TEMPER = 0.25
"""Power of the model's probabilities: away from home it is surer of itself than it should be."""
EXPECTED = {"answers": 0.1, "spread": 1.0, "labels": 0.0}
"""Powers of the witnesses of :func:`weigh_evidence` before any evidence; answers that are spread hold the answers."""
DOUBT = {"answers": 0.5, "spread": 1.0, "labels": 3.0}
"""Standard deviations of these powers."""
ONE_LABEL = 4.0
"""Power of the known labels with a single one in a class, where there is none to leave out for a test."""
NO_ACCIDENT = 3.0
"""Known labels are a witness if that makes them likelier by this much in the logarithm, twenty to one; and answers are
trusted if they foretell the labels by so much better than a guess."""
SECOND = (1.0, 0.0), (0.1, 0.5)
"""Powers of beliefs and of answers to carried rows before any test, and their standard deviations."""


@dataclass
class Evidence:
    """What the witnesses say together, see :func:`weigh_evidence`."""

    beliefs: np.ndarray
    """About all rows of the graph, (n_samples, n_classes)."""
    powers: dict[str, float]
    """Of the witnesses that there are."""
    trust: float
    """Powers of the answers and of the answers spread, in sum, had there been no other witness: where the known labels
    tell all, answers that mislead do no harm beside them, but they will to rows far from these. 0 for a mere guess."""
    confusion: np.ndarray | None
    """How the model answers rows of each class, (n_classes, n_classes), if that could be tested; rows sum to one."""


def weigh_evidence(
    graph: NeighbourGraph, answers: np.ndarray | None, rows: np.ndarray, codes: np.ndarray, n_classes: int
) -> Evidence:
    """Beliefs about all rows of the graph, and the power that each witness has earned.

    Witnesses are the model's answers ("answers"), what they say when spread over the graph ("spread"), and what the
    known labels say when spread ("labels"). Where labels can be left out for a test, the answers are read as what the
    model is found to say of each class (:func:`confusion_of`), and the powers are those under which the witnesses
    foretell the known labels best; a label that is foretold is left out of the spreading.

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
    Evidence
    """
    witnesses, powers, trust, confusion, held_out = {}, {}, 0.0, None, None
    labels = _spread_labels(graph, rows, codes, n_classes) if len(rows) else None
    if can_be_hidden(codes, n_classes):
        held_out = _held_out(graph, rows, codes, n_classes)
    if answers is not None:
        if held_out is not None:
            confusion = confusion_of(answers, labels, held_out[np.arange(len(codes)), codes].mean())
            answers = read_as(answers, confusion)
        spread = graph.spread(temper(answers, TEMPER))
        witnesses = {"answers": answers, "spread": balance(spread, class_prior(graph, spread, answers.mean(axis=0)))}
        on_known = {name: witness[rows] for name, witness in witnesses.items()}
        powers, surprise = _powers(on_known, codes)
        if held_out is None or surprise < len(rows) * np.log(n_classes) - NO_ACCIDENT:
            trust = sum(powers.values())
    if labels is not None:
        witnesses["labels"] = labels
        powers["labels"] = ONE_LABEL
        if held_out is not None and answers is None:
            powers, _ = _powers({"labels": held_out}, codes)
        elif held_out is not None:
            with_labels, less_surprise = _powers({**on_known, "labels": held_out}, codes)
            powers = with_labels if less_surprise < surprise - NO_ACCIDENT else {**powers, "labels": 0.0}
    beliefs = combine(*(temper(witness, powers[name]) for name, witness in witnesses.items()))
    return Evidence(beliefs, powers, trust, confusion)


def confusion_of(answers: np.ndarray, labels: np.ndarray, sure: float) -> np.ndarray:
    """How a model answers rows of each class, found by what spread labels say of all rows (Dawid & Skene, 1979).

    Pseudo-counts for answers that are right are added, in each class as many as it has rows, times the odds against
    what the labels say.

    Parameters
    ----------
    answers, labels : ndarray of shape (n_samples, n_classes)
        Probabilities of the model, and what the labels say when spread.
    sure : float
        Mean probability that the labels give to the true class of rows that were left out.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        Probabilities of the answers, for each class; rows sum to one.
    """
    n, n_classes = answers.shape
    right = n / n_classes * (1 - sure) / sure
    return rows_to_one(labels.T @ answers + right * np.eye(n_classes))


def read_as(answers: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) of the classes for `answers` (n, K), given how the model answers rows of each class."""
    return rows_to_one(answers @ confusion.T + 1e-9)


def weigh_second(beliefs: np.ndarray, carried: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Powers of beliefs (n, K) and of answers to carried rows (n, K), from rows whose class was hidden from both.

    The answers earn theirs; where there is nothing to test them on, they have that of answers away from home.
    """
    return weigh([beliefs, carried], codes, *SECOND)[0] if len(codes) else np.array([1.0, TEMPER])


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
