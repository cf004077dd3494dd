"""What the model says of carried rows, none of which the flow that carries it was told of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..labelling import NeighbourGraph
from ._black_box import BlackBox
from ._evidence import can_be_hidden, weigh_evidence, weigh_second
from ._flows import FlowPlan

MANY = 4
"""Rows for each class from which on half of them will do for a flow."""

ROWS_OF_A_HALF = 2000
"""Rows of a half that its flows are fitted to, beside those that have a label: as many tell where classes lie."""

BLUNDERS = 0.05
"""Share of the predictions for carried rows that may be wrong whatever their probabilities."""


@dataclass
class SecondQuery:
    """Predictions for carried rows, and what they have earned."""

    predictions: np.ndarray
    """Of shape (n_samples, n_classes)."""
    weights: np.ndarray
    """Of the beliefs before, and of these predictions."""
    n_queries: int
    """Rows that the model was asked about."""


def ask_again(
    X: np.ndarray,
    graph: NeighbourGraph,
    predictions: np.ndarray | None,
    beliefs: np.ndarray,
    truth: np.ndarray,
    model: BlackBox,
    plan: FlowPlan,
    sample_weight: np.ndarray | None = None,
) -> SecondQuery:
    """Ask the model about carried training rows.

    Each half of the rows is carried by flows that were fitted to the other, or to some of its rows: a map that was
    fitted to a row says of it what it was told. Where each class has two labels or more, one of those in the half that
    is carried is hidden for a test, from the beliefs, too, that the flows start from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The rows.
    graph : NeighbourGraph
        Of the rows.
    predictions : ndarray of shape (n_samples, n_classes) or None
        For the rows as they are.
    beliefs : ndarray of shape (n_samples, n_classes)
        About the rows.
    truth : ndarray of shape (n_samples,)
        Codes of the known classes, -1 where there is none.
    model, plan : BlackBox, FlowPlan
        Whom to ask, and how flows are made.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    Returns
    -------
    SecondQuery
    """
    K, known = beliefs.shape[1], truth >= 0
    said, tested, before, n_queries = np.empty_like(beliefs), np.zeros(len(X), bool), beliefs.copy(), 0
    for half in halves(np.where(known, truth, beliefs.argmax(axis=1)), known):
        hidden = np.zeros(len(X), bool)
        if can_be_hidden(truth[known], K):
            rows = np.flatnonzero(known & ~half)
            hidden[rows[np.unique(truth[rows], return_index=True)[1]]] = True
        told = known & ~hidden
        start = weigh_evidence(graph, predictions, np.flatnonzero(told), truth[told], K).beliefs
        before[hidden], tested = start[hidden], tested | hidden
        start[told] = np.eye(K)[truth[told]]
        rows = some_of(np.flatnonzero(half), start.argmax(axis=1), known)
        flows = plan.fit(X[rows], start[rows], None if sample_weight is None else sample_weight[rows])
        said[~half] = flows.decode(model, flows.carry(X[~half]))
        n_queries += len(flows.flows) * int((~half).sum())
    said = (1 - BLUNDERS) * said + BLUNDERS / K
    return SecondQuery(said, weigh_second(before[tested], said[tested], truth[tested]), n_queries)


def halves(labels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks that share the rows of each class equally, and its known labels, too."""
    first = np.empty(len(labels), dtype=bool)
    first[np.lexsort((known, labels))] = np.arange(len(labels)) % 2 == 0
    return first, ~first


def some_of(rows: np.ndarray, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of many rows :data:`ROWS_OF_A_HALF`, of each class its share, and all whose label is known; in order.

    Parameters
    ----------
    rows : ndarray of int
        Sorted.
    labels, known : ndarray of shape (n_samples,)
        Labels of all rows, and which of them are known.
    """
    if len(rows) <= ROWS_OF_A_HALF:
        return rows
    order = rows[np.argsort(labels[rows], kind="stable")]
    spread = np.linspace(0, len(order) - 1, ROWS_OF_A_HALF).astype(int)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[spread]] = True
    return rows[(chosen | known)[rows]]
