"""What a frozen model's predictions and a few known labels say together about the rows of a source."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ..labelling import NeighbourGraph, balance, class_prior, combine, fit_weights, rows_to_one, temper

TEMPER = 0.25
"""Weight of the model's probabilities: away from home it is surer of itself than it should be."""
EXPECTED = {"predictions": 0.1, "spread": 1.0, "labels": 0.0}
"""Weights of :func:`weigh_evidence` before any label was seen; what is spread holds the predictions."""
DOUBT = {"predictions": 0.5, "spread": 1.0, "labels": 3.0}
"""Standard deviations of these weights."""
ONE_LABEL = 4.0
"""Weight of the known labels with a single one in a class, where there is none to leave out for a test."""
ANCHOR = 1.0
"""Evidence of a known label where some class has none, beside that of a prediction, which is one at most."""
NO_ACCIDENT = 3.0
"""Known labels are heard if that makes them likelier by this much in the logarithm, twenty to one; and predictions are
trusted if they fit the labels by so much better than a guess."""
SECOND = (1.0, 0.0), (0.1, 0.5)
"""Weights of beliefs and of predictions for carried rows before any test, and their standard deviations."""


@dataclass
class Evidence:
    """What all evidence says together, see :func:`weigh_evidence`."""

    beliefs: np.ndarray
    """About all rows of the graph, (n_samples, n_classes)."""
    weights: dict[str, float] = field(default_factory=dict)
    """Of each kind of evidence that there is."""
    prediction_weight: float = 0.0
    """Weights of the predictions and of the predictions spread, in sum, had there been nothing else: where the known
    labels tell all, predictions that mislead do no harm beside them, but they will to rows far from these. 0 where they
    are no better than a guess."""
    confusion: np.ndarray | None = None
    """What the model predicts for rows of each class, (n_classes, n_classes), if that could be tested; rows sum to
    one."""
    left_out: np.ndarray | None = None
    """Beliefs about the known rows without their own labels, (n_known, n_classes), if that could be tested."""


def weigh_evidence(
    graph: NeighbourGraph, predictions: np.ndarray | None, rows: np.ndarray, codes: np.ndarray, n_classes: int
) -> Evidence:
    """Beliefs about all rows of the graph, and the weight that each kind of evidence has earned.

    Evidence are the model's predictions ("predictions"), what they say when spread over the graph ("spread"), and what
    the known labels say when spread ("labels"). Where labels can be left out for a test, the predictions are read as
    what the model is found to say of each class (:func:`confusion_of`), and the weights are those under which the
    evidence fits the known labels best; a label that is predicted is left out of the spreading. Where some class has no
    label, labels are no evidence of their own, which would speak against that class: they are spread together with the
    predictions.

    Parameters
    ----------
    graph : NeighbourGraph
        Of the rows.
    predictions : ndarray of shape (n_samples, n_classes) or None
        Probabilities that the model gives to the source's classes, if it knows them.
    rows, codes : ndarray of shape (n_known,)
        Rows whose class is known, and their classes as codes.
    n_classes : int
        Number of the source's classes.

    Returns
    -------
    Evidence
    """
    if predictions is None:
        return _labels_alone(graph, rows, codes, n_classes)
    fewest = np.bincount(codes, minlength=n_classes).min()
    if fewest == 0:
        return _predictions_with_anchors(graph, predictions, rows, codes)
    labels, held_out = _spread_labels(graph, rows, codes, n_classes)
    confusion = None
    if held_out is not None:
        confusion = confusion_of(predictions, labels, held_out[np.arange(len(codes)), codes].mean())
        predictions = read_as(predictions, confusion)
    pieces = {"predictions": predictions, "spread": _spread_predictions(graph, predictions)}
    on_known = {name: piece[rows] for name, piece in pieces.items()}
    weights, loss = _weights(on_known, codes)
    guessed = held_out is not None and loss >= len(rows) * np.log(n_classes) - NO_ACCIDENT
    prediction_weight = 0.0 if guessed else sum(weights.values())
    if held_out is None:
        weights["labels"] = ONE_LABEL
    else:
        with_labels, less = _weights({**on_known, "labels": held_out}, codes)
        weights = with_labels if less < loss - NO_ACCIDENT else {**weights, "labels": 0.0}
    left_out = None if held_out is None else _product({**on_known, "labels": held_out}, weights)
    return Evidence(_product({**pieces, "labels": labels}, weights), weights, prediction_weight, confusion, left_out)


def _labels_alone(graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> Evidence:
    labels, held_out = _spread_labels(graph, rows, codes, n_classes)
    weights = {"labels": ONE_LABEL} if held_out is None else _weights({"labels": held_out}, codes)[0]
    return Evidence(_product({"labels": labels}, weights), weights)


def _predictions_with_anchors(
    graph: NeighbourGraph, predictions: np.ndarray, rows: np.ndarray, codes: np.ndarray
) -> Evidence:
    anchored = predictions.copy()
    anchored[rows] = np.eye(predictions.shape[1])[codes]
    pieces = {"predictions": anchored, "spread": _spread_predictions(graph, predictions, rows, codes)}
    weights = {name: EXPECTED[name] for name in pieces}
    return Evidence(_product(pieces, weights), weights, sum(weights.values()))


def _product(pieces: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    return combine(*(temper(piece, weights[name]) for name, piece in pieces.items()))


def confusion_of(predictions: np.ndarray, labels: np.ndarray, sure: float) -> np.ndarray:
    """What a model predicts for rows of each class, found by what spread labels say of all rows (Dawid & Skene, 1979).

    Pseudo-counts for predictions that are right are added, in each class as many as it has rows, times the odds against
    what the labels say.

    Parameters
    ----------
    predictions, labels : ndarray of shape (n_samples, n_classes)
        Probabilities of the model, and what the labels say when spread.
    sure : float
        Mean probability that the labels give to the true class of rows that were left out.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        Probabilities of the predictions, for each class; rows sum to one.
    """
    n, n_classes = predictions.shape
    right = n / n_classes * (1 - sure) / sure
    return rows_to_one(labels.T @ predictions + right * np.eye(n_classes))


def read_as(predictions: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) of the classes for `predictions` (n, K), given what the model predicts for each class."""
    return rows_to_one(predictions @ confusion.T + 1e-9)


def weigh_second(beliefs: np.ndarray, carried: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Weights of beliefs (n, K) and of predictions for carried rows (n, K), from rows whose class neither was told.

    The predictions earn theirs; where there is nothing to test them on, they have that of predictions away from home.
    """
    return fit_weights([beliefs, carried], codes, *SECOND)[0] if len(codes) else np.array([1.0, TEMPER])


def can_be_hidden(codes: np.ndarray, n_classes: int) -> bool:
    """Whether each class has labels enough to hide one and know another."""
    return bool(np.bincount(codes, minlength=n_classes).min() >= 2)


def _weights(evidence: dict[str, np.ndarray], codes: np.ndarray) -> tuple[dict[str, float], float]:
    """Weights of the evidence, and how surprising the true classes are then."""
    expected, doubt = ([of[name] for name in evidence] for of in (EXPECTED, DOUBT))
    weights, loss = fit_weights(list(evidence.values()), codes, expected, doubt)
    return dict(zip(evidence, weights.tolist(), strict=True)), loss


def _spread_predictions(
    graph: NeighbourGraph, predictions: np.ndarray, rows: np.ndarray | None = None, codes: np.ndarray | None = None
) -> np.ndarray:
    """What predictions say when spread, balanced; known labels take their place if `rows` and `codes` are given."""
    evidence = temper(predictions, TEMPER)
    if rows is not None:
        evidence[rows] = ANCHOR * np.eye(predictions.shape[1])[codes]
    spread = graph.spread(evidence)
    return balance(spread, class_prior(graph, spread, predictions.mean(axis=0)))


def _spread_labels(
    graph: NeighbourGraph, rows: np.ndarray, codes: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """What known labels say of all rows (n, K), and of one another, left out in turn (n_known, K).

    Balanced, since a few do not tell how frequent the classes are. None for the second where there is none to hide.
    """
    folds = []
    if can_be_hidden(codes, n_classes):
        fewest = np.bincount(codes, minlength=n_classes).min()
        folds = list(StratifiedKFold(min(fewest, 5)).split(rows, codes))
    evidence = np.zeros((1 + len(folds), graph.weights.shape[0], n_classes))
    for piece, kept in enumerate([np.arange(len(rows)), *(kept for kept, _ in folds)]):
        evidence[piece, rows[kept], codes[kept]] = 1
    uniform = np.full(n_classes, 1 / n_classes)
    beliefs, *others = (balance(spread, uniform) for spread in graph.spread(evidence))
    if not folds:
        return beliefs, None
    held_out = np.empty((len(rows), n_classes))
    for (_, left_out), other in zip(folds, others, strict=True):
        held_out[left_out] = other[rows[left_out]]
    return beliefs, held_out
