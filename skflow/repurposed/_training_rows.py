"""What is believed of the training rows: known labels, and the model's predictions where there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from .._warnings import warn
from ..labelling import NeighbourGraph, combine, labelling_loss, temper
from ..safeguard import compare_ways_back
from ._black_box import BlackBox
from ._evidence import TEMPER, weigh_evidence
from ._flows import FlowPlan, aligner_of
from ._frequencies import changed_odds, corrected, some_at_home
from ._names import predictions_for
from ._own_answers import clearly_better, more_often_right, own_answers_stand
from ._second_query import MANY, ask_again
from ._way_home import WayHome

LEAST_WEIGHT_TO_ASK = 0.01
"""Least weight of the model's predictions for rows as they are for which new rows are asked about."""
CLEARLY = 4.5
"""Share of the cost of the model's own answers by which those of all evidence must fit better, times the square root of
the number of rows, since few rows fit well by chance. Half of it will do if labels lean to that side and the rows do
not lie where the target's do."""
SLIGHTLY = 0.05
"""The same share where the model is not at home and no way home was found: there nothing speaks for it."""


@dataclass
class TrainingRows:
    """Beliefs about the training rows, and where they come from; see the attributes of `RepurposedClassifier`."""

    beliefs: np.ndarray
    """Of shape (n_samples, n_classes); known labels are certain."""
    graph: NeighbourGraph | None = None
    """Neighbours of the rows, where some have no label."""
    evidence_weights: dict[str, float] = field(default_factory=dict)
    own: np.ndarray | None = None
    """The model's predictions for the rows as they are, (n_samples, n_classes)."""
    carried: np.ndarray | None = None
    """Its predictions for carried rows, by flows that were not fitted to them, (n_samples, n_classes)."""
    prediction_weight: float | None = None
    confusion: np.ndarray | None = None
    n_queries: int = 0
    decision: str = "flow"
    home: WayHome | None = None
    """How rows are brought to the model before any flow; None as they are."""
    odds: np.ndarray | None = None
    """Factors (n_model_classes,) for its probabilities, where classes are not as frequent as it has learnt."""

    def ask(self, model: BlackBox, X: np.ndarray, goes_to: np.ndarray) -> np.ndarray:
        """The model's predictions for rows before any flow, (n_samples, n_classes)."""
        return predictions_for(corrected(model(X if self.home is None else self.home(X)), self.odds), goes_to)


def certain(truth: np.ndarray, plan: FlowPlan) -> TrainingRows:
    """Rows that all have a label, by its code (n_samples,)."""
    return TrainingRows(np.eye(len(plan.classes))[truth])


def believe(
    X: np.ndarray,
    truth: np.ndarray,
    model: BlackBox,
    plan: FlowPlan,
    second_query: bool,
    sample_weight: np.ndarray | None = None,
) -> TrainingRows:
    """Beliefs about rows of which some have no label, from the model's predictions and the known labels.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The rows, at least two.
    truth : ndarray of shape (n_samples,)
        Codes of the known classes, -1 where there is none.
    model, plan : BlackBox, FlowPlan
        Whom to ask, and how flows are made.
    second_query : bool
        Whether the model is asked about carried rows, too.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows in flows.

    Raises
    ------
    ValueError
        For a single row, which has no neighbours.
    """
    if len(X) < 2:
        raise ValueError(f"Rows without a label need neighbours: at least 2 rows, got n_samples={len(X)}.")
    graph, known, K = NeighbourGraph(X), np.flatnonzero(truth >= 0), len(plan.classes)
    some_without = bool(np.bincount(truth[known], minlength=K).min() == 0)
    first = None if plan.goes_to is None else _ask_first(X, truth, some_without, model, plan)
    if first is not None and not len(known):
        _warn_if_blind(first.predictions)
    home, n_queries = (None, 0) if first is None else (first.home, first.n_queries)
    # A few labels of each class do not tell how frequent it is: beside them, answers are heard as they were given.
    said = None if first is None else first.predictions if some_without else first.said
    evidence = weigh_evidence(graph, said, known, truth[known], K)
    beliefs, weights, carried, prediction_weight = evidence.beliefs, evidence.weights, None, None
    may_stand, labels_lean = home is not None and _knows_all_classes(plan), False
    if first is not None and home is not None and not some_without:
        own, left_out = first.said[known], evidence.left_out
        may_stand = own_answers_stand(own, left_out, truth[known], home.at_home)
        if may_stand and left_out is not None and more_often_right(own, left_out, truth[known]):
            return _as_the_model_says(first, known, truth, graph, n_queries)
        labels_lean = left_out is not None and more_often_right(left_out, own, truth[known])
    if first is not None:
        # No more than a quarter for new rows: the beliefs about their neighbours hold the predictions already, and away
        # from home the model is too sure. Where labels bear out that rows are home again, it is not.
        weight, most = evidence.prediction_weight, TEMPER if some_without or home is None or not home.moves else 1.0
        prediction_weight = min(weight, most) if weight > LEAST_WEIGHT_TO_ASK else 0.0
    if second_query and len(X) >= MANY * K:
        again = ask_again(X, graph, said, beliefs, truth, model, plan, sample_weight)
        (before, second), carried = again.weights.tolist(), again.predictions
        beliefs = combine(temper(beliefs, before), temper(again.predictions, second))
        weights = {name: weight * before for name, weight in weights.items()} | {"carried": second}
        n_queries += again.n_queries
    beliefs[known] = np.eye(K)[truth[known]]
    if first is not None and home is not None and may_stand:
        margin = SLIGHTLY
        if home.is_known:
            margin = CLEARLY / np.sqrt(len(X)) / (2 if labels_lean and not home.at_home else 1)
        own_cost, cost = (_fit(first.brought, of, graph, plan) for of in (first.predictions, beliefs))
        if cost >= (1 - margin) * own_cost or _loses_a_class(first.predictions, beliefs):
            return _as_the_model_says(first, known, truth, graph, n_queries)
    odds = first.odds if first is not None and some_without else None
    return TrainingRows(
        beliefs, graph, weights, said, carried, prediction_weight, evidence.confusion, n_queries, home=home, odds=odds
    )


@dataclass
class _FirstAnswers:
    """What the model says of the rows before any flow."""

    brought: np.ndarray
    """The rows as it was asked about them, (n_samples, n_features)."""
    said: np.ndarray
    """Its answers as they were given, (n_samples, n_classes)."""
    predictions: np.ndarray
    """The same, corrected where classes are not as frequent as it has learnt."""
    odds: np.ndarray | None
    home: WayHome | None
    n_queries: int


def _ask_first(X: np.ndarray, truth: np.ndarray, some_without: bool, model: BlackBox, plan: FlowPlan) -> _FirstAnswers:
    """Bring rows to where the model is at home, as far as one map can, and ask it."""
    goes_to, known, home = cast(np.ndarray, plan.goes_to), np.flatnonzero(truth >= 0), None
    if some_without or (len(known) < len(X) / 2 and _knows_all_classes(plan)):
        home = WayHome(X, aligner_of(plan.flow), plan.target)
    brought = X if home is None else home(X)
    answers, n_queries = model(brought), len(X)
    said = predictions_for(answers, goes_to)
    if home is not None and home.moves:
        as_they_are = model(X)
        own = predictions_for(as_they_are, goes_to)
        n_queries += len(X)
        if some_without:
            pays = _moving_pays(X, own, brought, said, plan, home)
        elif home.is_limited:
            pays = not clearly_better(said[known], own[known], truth[known])
        else:
            pays = clearly_better(own[known], said[known], truth[known])
        if not pays:
            home.stay()
            brought, answers, said = X, as_they_are, own
        home.is_known = home.is_known or pays
    if home is None or not home.at_home or not _knows_all_classes(plan):
        return _FirstAnswers(brought, said, said, None, home, n_queries)
    at_home = some_at_home(np.asarray(plan.target.X))
    odds = changed_odds(answers, model(at_home))
    predictions = predictions_for(corrected(answers, odds), goes_to)
    return _FirstAnswers(brought, said, predictions, odds, home, n_queries + len(at_home))


def _as_the_model_says(
    first: _FirstAnswers, known: np.ndarray, truth: np.ndarray, graph: NeighbourGraph, n_queries: int
) -> TrainingRows:
    """The model's answers, and the known labels."""
    beliefs = first.predictions.copy()
    beliefs[known] = np.eye(beliefs.shape[1])[truth[known]]
    return TrainingRows(
        beliefs,
        graph,
        own=first.predictions,
        n_queries=n_queries,
        decision="predictions",
        home=first.home,
        odds=first.odds,
    )


def _moving_pays(
    X: np.ndarray, own: np.ndarray, moved: np.ndarray, predictions: np.ndarray, plan: FlowPlan, home: WayHome
) -> bool:
    """Whether the model's answers about moved rows are to be believed before those about the rows as they are."""
    goes_to = plan.goes_to
    if goes_to is None or not _knows_all_classes(plan):
        return True
    codes = np.unique(plan.target.y, return_inverse=True)[1]
    answers, after = (goes_to[of.argmax(axis=1)] for of in (own, predictions))
    proof = "none" if home.is_limited else "strong" if home.is_doubtful else "clear"
    return compare_ways_back(X, answers, moved, after, np.asarray(plan.target.X), codes, proof=proof).pays


def _knows_all_classes(plan: FlowPlan) -> bool:
    """Whether each of the source's classes is known to be one of the model's."""
    return plan.goes_to is not None and bool((plan.goes_to >= 0).all())


def _fit(X: np.ndarray, beliefs: np.ndarray, graph: NeighbourGraph, plan: FlowPlan) -> float:
    """How badly the most likely classes fit the target and the rows' graph."""
    assert plan.goes_to is not None
    codes = np.unique(plan.target.y, return_inverse=True)[1]
    return labelling_loss(X, plan.goes_to[beliefs.argmax(axis=1)], np.asarray(plan.target.X), codes, graph)


def _loses_a_class(predictions: np.ndarray, beliefs: np.ndarray) -> bool:
    """Whether some class of the model's answers is believed of no row: what fits best then is that all are alike."""
    return bool(np.setdiff1d(predictions.argmax(axis=1), beliefs.argmax(axis=1)).size)


def _warn_if_blind(predictions: np.ndarray) -> None:
    K, found = predictions.shape[1], len(np.unique(predictions.argmax(axis=1)))
    if found < (K + 1) / 2:
        warn(
            f"The classifier finds only {found} of its {K} classes in rows of the source; its predictions say little "
            "about them, and there are no labels."
        )
