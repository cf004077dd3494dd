"""Candidates in order of simplicity, what held-out rows say of each, and the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

WORTH_MOVING = 0.02
"""Share of the rows by which a movement must be better than none: a model's inputs are not touched for less."""
WORTH_MORE = 0.004
"""Share of the rows by which more of the flow must be better than less: the alignment keeps what a row holds."""
DRAWS = 4
"""Halves of the rows that a divergence is taken on, for its standard error."""
DRAWN_ROWS = 400
"""Rows a side that a divergence is taken on."""


@dataclass(frozen=True)
class Choice:
    """What may be done with rows, and what held-out rows say of it.

    Parameters
    ----------
    name : str
        "leave", "align", or "flow" with the share of the residual.
    share : float or None
        Of the flow's movement after the alignment; None leaves rows as they are.
    score : float
        The larger the better: mean agreement of the judges with the labels, or minus the divergence.
    standard_error : float
        Of the difference between this score and the best.
    """

    name: str
    share: float | None
    score: float
    standard_error: float = 0.0


@dataclass(frozen=True)
class Decision:
    """Which candidate was taken, and why.

    Parameters
    ----------
    chosen : Choice
    table : list of Choice
        All of them, the simplest first.
    judged_by : {"labels", "divergence"}
        What the score is.
    reason : str
        One sentence.
    floor : float or None
        The divergence between two halves of the target, where divergences were compared.
    """

    chosen: Choice
    table: list[Choice] = field(repr=False)
    judged_by: str
    reason: str
    floor: float | None = None


def decide_by_labels(
    agreements: Sequence[tuple[str, float | None, np.ndarray]], weights: np.ndarray, *, continuous: bool = False
) -> Decision:
    """The simplest candidate within one standard error of the best, by the judges' agreement with the labels.

    Parameters
    ----------
    agreements : sequence of (name, share, ndarray of shape (n_samples,))
        For each candidate, the simplest first, the share of the judges that are right on each held-out row.
    weights : ndarray of shape (n_samples,)
        Of the rows.
    continuous : bool
        Whether labels are numbers, and agreement the share of their variance that the judges explain.
    """
    weights = weights / weights.sum()
    scores = [float(weights @ right) for _, _, right in agreements]
    best = int(np.argmax(scores))

    def error(right: np.ndarray) -> float:
        difference = agreements[best][2] - right
        return float(np.sqrt(np.square(weights * (difference - weights @ difference)).sum()))

    table = [
        Choice(name, share, score, error(right)) for (name, share, right), score in zip(agreements, scores, strict=True)
    ]
    words = "the judges explain {:.1%} of the labels"
    if not continuous:
        words = "the judges are right on {:.1%} of the held-out rows"
    return _simplest(table, best, "labels", words, None)


def decide_by_divergence(
    candidates: Sequence[tuple[str, float | None, np.ndarray]],
    divergence: Callable[[np.ndarray, np.ndarray], float],
    n_target: int,
    floor: float,
    rng: np.random.RandomState,
) -> Decision:
    """The simplest candidate within one standard error of the lowest divergence from the target; no label is needed.

    Parameters
    ----------
    candidates : sequence of (name, share, ndarray of shape (n_samples, n_features))
        Held-out rows, moved by each candidate, the simplest first.
    divergence : callable (moved rows, rows of the target by number) -> float
        What to compare by, see :func:`skflow.metrics.divergence`.
    n_target : int
        Rows of the target.
    floor : float
        The divergence between two halves of the target: what is below it counts for no less.
    rng : RandomState
        Draws the rows.
    """
    values = np.empty((len(candidates), DRAWS))
    for draw in range(DRAWS):
        size = max(2, min(DRAWN_ROWS, len(candidates[0][2]) // 2, n_target // 2))
        own, other = (rng.permutation(n)[:size] for n in (len(candidates[0][2]), n_target))
        for k, (_, _, moved) in enumerate(candidates):
            values[k, draw] = max(divergence(moved[own], other), floor)
    scores = -values.mean(axis=1)
    best = int(np.argmax(scores))
    errors = (values - values[best]).std(axis=1, ddof=1) / np.sqrt(DRAWS)
    table = [
        Choice(name, share, float(score), float(error))
        for (name, share, _), score, error in zip(candidates, scores, errors, strict=True)
    ]
    return _simplest(table, best, "divergence", "its divergence from the target is {:.3g}", floor)


def _simplest(table: list[Choice], best: int, judged_by: str, words: str, floor: float | None) -> Decision:
    """The first candidate that is within one standard error of the best."""

    def margin(candidate: Choice) -> float:
        worth = 0.0 if judged_by != "labels" else WORTH_MOVING if candidate.share is None else WORTH_MORE
        return max(candidate.standard_error, worth)

    chosen = next(c for c in table if c.score >= table[best].score - margin(c))

    def said(candidate: Choice) -> str:
        return words.format(candidate.score if judged_by == "labels" else -candidate.score)

    reason = f"{chosen.name!r} was chosen: {said(chosen)}"
    if chosen is table[best]:
        reason += ", the best of all candidates."
    else:
        error = chosen.standard_error
        reason += f", simpler than the best, {table[best].name!r} ({said(table[best])}; standard error {error:.2g})."
    if chosen.share is not None and table[0].share is None:
        left = table[0].score if judged_by == "labels" else -table[0].score
        reason += f" Left as they are: {left:.1%}." if judged_by == "labels" else f" Left as they are: {left:.3g}."
    return Decision(chosen, table, judged_by, reason, floor)
