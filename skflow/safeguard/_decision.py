"""Candidates in order of simplicity, what held-out rows say of each, and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm, t

from ._range import CentralRange

WORTH_MOVING = 0.02
"""Share of the rows by which a movement must be better than none: a model's inputs are not touched for less."""
WORTH_MORE = 0.004
"""Share of the rows by which more of the flow must be better than less: the alignment keeps what a row holds."""
ERRORS_TO_MOVE = 2.5
"""Standard errors by which a movement must be better than none: it is the best of several."""
ALLOWANCE = 0.2
"""Share of its floor by which a divergence may exceed it: two draws of one population differ by more now and then."""

Named = Sequence[tuple[str, float | None]]
"""Names of candidates and the shares of the residual that they use, the simplest first; None uses no map."""


@dataclass(frozen=True)
class Choice:
    """What may be done with rows, and what held-out rows say of it.

    Parameters
    ----------
    name : str
        "leave", "range", "align", or "flow" with the share of the residual.
    share : float or None
        Of the flow's movement after the alignment; None where neither is used.
    score : float
        The larger the better: mean agreement of the judges with the labels, or minus the divergence.
    standard_error : float
        Of the difference between this score and the best.
    harm : float
        What the judge that loses most loses beside leaving rows as they are. It counts against the score: who comes
        after the flow may be like that judge.
    divergence : float or None
        From the target, its classes in the proportions that they seem to have among the rows.
    floor : float or None
        The same divergence between two parts of the target, of as many rows and with the same proportions of classes.
    """

    name: str
    share: float | None
    score: float
    standard_error: float = 0.0
    harm: float = 0.0
    divergence: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Decision:
    """Which candidate was taken, and why.

    Parameters
    ----------
    chosen : Choice
    table : list of Choice
        All of them, the simplest first.
    judged_by : str
        What decided: "labels", "divergence", "labels and divergence", "divergence and the way back", "other domains"
        or "labels and other domains".
    reason : str
        One sentence.
    floor : float or None
        That of the chosen candidate, where divergences were compared.
    limits : CentralRange or None
        Where "range" was chosen: what rows are limited to.
    """

    chosen: Choice
    table: list[Choice] = field(repr=False)
    judged_by: str
    reason: str
    floor: float | None = None
    limits: CentralRange | None = None


def decide_by_labels(
    candidates: Named,
    agreements: Sequence[np.ndarray],
    weights: np.ndarray,
    worth_moving: float = WORTH_MOVING,
    *,
    continuous: bool = False,
) -> Decision:
    """The simplest candidate that is not worse than the best, by the judges' agreement with the labels.

    Parameters
    ----------
    candidates : sequence of (name, share)
        The simplest first.
    agreements : sequence of ndarray of shape (n_judges, n_samples)
        For each candidate, which judges are right on each held-out row.
    weights : ndarray of shape (n_samples,)
        Of the rows.
    worth_moving : float
        Share of the rows by which a movement must be better than none.
    continuous : bool
        Whether labels are numbers, and agreement the share of their variance that the judges explain.
    """
    table = _by_labels(candidates, agreements, weights)
    best = max(table, key=_worth)

    def margin(choice: Choice) -> float:
        errors, worth = (_errors_to_move(len(weights)), worth_moving) if _leaves(choice, table) else (1.0, WORTH_MORE)
        return max(errors * choice.standard_error, worth)

    chosen = next(choice for choice in table if _worth(choice) >= _worth(best) - margin(choice))
    verb, of = ("explain", "the labels' variance") if continuous else ("are right on", "the held-out rows")
    reason = f"{chosen.name!r} was chosen: the judges {verb} {chosen.score:.1%} of {of}"
    if chosen is best:
        reason += ", which no other candidate betters."
    else:
        error = f"standard error {chosen.standard_error:.2g}"
        reason += f", beside {best.score:.1%} by the best candidate, {best.name!r} ({error})."
    if _moves(chosen, table):
        reason += f" Left as they are: {table[0].score:.1%}."
    return Decision(chosen, table, "labels", reason)


def decide_by_divergence(
    candidates: Named, divergences: np.ndarray, floors: np.ndarray, allowed: Sequence[bool] | None = None
) -> Decision:
    """The simplest candidate whose divergence from the target is as low as two parts of the target are apart.

    To come closer than that is no sign of a better map: a flow draws rows together whatever their labels are. Where no
    candidate comes as close, the simplest takes it that is as low as the lowest.

    Parameters
    ----------
    candidates : sequence of (name, share)
        The simplest first.
    divergences, floors : ndarray of shape (n_candidates, n_draws)
        Of moved rows from the target, and of as many rows of the target from others; draws are of rows.
    allowed : sequence of bool or None
        Which candidates may be chosen; None is all.
    """
    excess = divergences - floors
    errors, margins = _spread(excess), allowances(divergences, floors)
    table = [
        Choice(name, share, -float(value), float(error), divergence=float(value), floor=float(floor))
        for (name, share), value, error, floor in zip(
            candidates, divergences.mean(axis=1), errors, floors.mean(axis=1), strict=True
        )
    ]
    may = [k for k in range(len(table)) if allowed is None or allowed[k]]
    over = excess.mean(axis=1)
    least = max(float(over[may].min()), 0.0)
    k = next(k for k in may if over[k] <= least + margins[k])
    chosen = table[k]
    doubt = "" if allowed is None or allowed[int(over.argmin())] else " Maps that come nearer are not to be believed."
    parts = f"that of two parts of the target {chosen.floor:.3g}"
    words = f"its divergence from the target is {chosen.divergence:.3g}, {parts}"
    reason = f"{chosen.name!r} was chosen: {words}.{doubt}"
    if _moves(chosen, table):
        reason += f" Left as they are: {table[0].divergence:.3g}."
    return Decision(chosen, table, "divergence", reason, chosen.floor)


def allowances(divergences: np.ndarray, floors: np.ndarray) -> np.ndarray:
    """By how much mean divergences (n_candidates, n_draws) may exceed their floors and count as no higher."""
    return np.maximum(_spread(divergences - floors), ALLOWANCE * floors.mean(axis=1))


def _spread(excess: np.ndarray) -> np.ndarray:
    return excess.std(axis=1, ddof=1) if excess.shape[1] > 1 else np.zeros(len(excess))


def decide_by_both(
    candidates: Named,
    agreements: Sequence[np.ndarray],
    weights: np.ndarray,
    divergences: np.ndarray,
    floors: np.ndarray,
    believed: Sequence[bool] | None = None,
) -> Decision:
    """A few labels leave out candidates that are worse than the best; among the others the divergence decides.

    Parameters
    ----------
    candidates, agreements, weights
        See :func:`decide_by_labels`; of the rows whose label is known.
    divergences, floors
        See :func:`decide_by_divergence`.
    believed : sequence of bool or None
        Which candidates may be chosen though labels do not clearly speak for them; None is all.
    """
    by_labels = _by_labels(candidates, agreements, weights)
    best, one_row = max(map(_worth, by_labels)), 1 / len(weights)
    errors = _errors_to_move(len(weights))
    allowed = [
        _worth(choice) >= best - max((errors if choice.share is None else 1.0) * choice.standard_error, one_row)
        for choice in by_labels
    ]
    if believed is not None:
        clear = decide_by_labels(candidates, agreements, weights, max(WORTH_MOVING, 2 * one_row)).chosen
        sure = [may or choice.name == clear.name for may, choice in zip(believed, by_labels, strict=True)]
        both = [may and well for may, well in zip(allowed, sure, strict=True)]
        allowed = both if any(both) else sure
    decision = decide_by_divergence(candidates, divergences, floors, allowed)
    table = [
        replace(choice, divergence=other.divergence, floor=other.floor)
        for choice, other in zip(by_labels, decision.table, strict=True)
    ]
    chosen = table[decision.table.index(decision.chosen)]
    known = f" Of {len(weights)} rows with a label, the judges are right on {chosen.score:.1%}"
    if _moves(chosen, table):
        known += f", and on {table[0].score:.1%} left as they are"
    return Decision(chosen, table, "labels and divergence", f"{decision.reason}{known}.", chosen.floor)


def _errors_to_move(n: int) -> float:
    """:data:`ERRORS_TO_MOVE`, or more: errors that `n` rows tell are themselves uncertain (Student's distribution)."""
    return float(t.ppf(norm.cdf(ERRORS_TO_MOVE), max(n - 1, 1)))


def _leaves(choice: Choice, table: list[Choice]) -> bool:
    """Whether rows stay as they came."""
    return choice is table[0] and choice.share is None


def _moves(choice: Choice, table: list[Choice]) -> bool:
    """Whether rows do not stay as they came, and might."""
    return choice is not table[0] and table[0].share is None


def _worth(choice: Choice) -> float:
    return choice.score - choice.harm


def _by_labels(candidates: Named, agreements: Sequence[np.ndarray], weights: np.ndarray) -> list[Choice]:
    weights = weights / weights.sum()
    by_judge = np.stack([right @ weights for right in agreements])  # (n_candidates, n_judges)
    harm = np.zeros(len(by_judge))
    if candidates[0][1] is None:
        one_row = weights.max()  # is no evidence of harm
        harm = np.maximum((by_judge[0] - by_judge).max(axis=1) - one_row, 0)
    scores = by_judge.mean(axis=1)
    rights = [right.mean(axis=0) for right in agreements]
    best = int(np.argmax(scores - harm))

    def error(right: np.ndarray) -> float:
        difference = rights[best] - right
        return float(np.sqrt(np.square(weights * (difference - weights @ difference)).sum()))

    return [
        Choice(name, share, float(score), error(right), float(lost))
        for (name, share), score, right, lost in zip(candidates, scores, rights, harm, strict=True)
    ]
