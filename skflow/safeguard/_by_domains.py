"""A choice for one domain by what candidates gained at other domains, and by its own labels as far as it has some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ._decision import WORTH_MORE, WORTH_MOVING, Choice, Decision, Named

OTHERS_ROWS = 30
"""Labelled rows of a domain that say as much of it as the other domains do together."""
HARM_OF_OTHERS = 2.0
"""How much the domain that loses most counts: two or three domains that gain on the mean are weak evidence for one
more where one of them lost."""


@dataclass(frozen=True)
class Gains:
    """What candidates gain at one domain beside leaving its rows as they are.

    Parameters
    ----------
    gains, errors : dict of str to float
        By the candidate's name, the share of the rows (or of the labels' variance) and its standard error.
    n_rows : int
        Labelled rows that it was measured on.
    score : float
        The share itself for rows that are left.
    """

    gains: Mapping[str, float]
    errors: Mapping[str, float]
    n_rows: int
    score: float = 0.0


def measure_gains(names: Sequence[str], rights: Sequence[np.ndarray], classes: np.ndarray | None) -> Gains:
    """Gains of candidates beside the first of them, each class counting the same.

    Parameters
    ----------
    names : sequence of str
        Of the candidates.
    rights : sequence of ndarray of shape (n_samples,)
        For each, the judges' mean agreement with each row's label.
    classes : ndarray of shape (n_samples,) or None
        Labels; None where they are continuous.
    """
    n = len(rights[0])
    weights = np.full(n, 1 / n)
    if classes is not None:
        _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
        weights = 1 / (len(counts) * counts[codes])
    gains, errors = {}, {}
    for name, right in zip(names, rights, strict=True):
        difference = right - rights[0]
        gains[name] = float(weights @ difference)
        errors[name] = float(np.sqrt(np.square(weights * (difference - gains[name])).sum()))
    return Gains(gains, errors, n, float(weights @ rights[0]))


def decide_by_domains(candidates: Named, others: Sequence[Gains], own: Gains | None) -> Decision:
    """The simplest candidate that is not worse than the best, by gains at other domains and at this one.

    The domain's own labels weigh as ``n / (n + 30)``: with few of them it is taken to be like the others. The loss of
    the domain that loses most counts against a candidate.

    Parameters
    ----------
    candidates : sequence of (name, share)
        The simplest first; that one is leaving rows as they are, or what stands for it.
    others : sequence of Gains
        Of domains whose labels are known.
    own : Gains or None
        Of this one's labelled rows.
    """
    if not others and own is None:
        raise ValueError("decide_by_domains needs the gains of another domain, or of this one.")
    weight = 0.0 if own is None else own.n_rows / (own.n_rows + OTHERS_ROWS) if others else 1.0
    table = []
    for name, share in candidates:
        score, harm, variance = 0.0, 0.0, 0.0
        if others:
            gains = [other.gains[name] for other in others]
            score = (1 - weight) * float(np.mean(gains))
            harm = (1 - weight) * HARM_OF_OTHERS * max(-min(gains), 0.0)
            variance = np.square([(1 - weight) * other.errors[name] / len(others) for other in others]).sum()
        if own is not None:
            score += weight * own.gains[name]
            variance += (weight * own.errors[name]) ** 2
        table.append(Choice(name, share, score, float(np.sqrt(variance)), harm))
    best = max(table, key=lambda choice: choice.score - choice.harm)

    def margin(choice: Choice) -> float:
        return max(best.standard_error, WORTH_MOVING) if choice is table[0] else WORTH_MORE

    chosen = next(c for c in table if c.score - c.harm >= best.score - best.harm - margin(c))
    by = [f"{len(others)} other domain{'s' * (len(others) > 1)}"] if others else []
    by += [f"{own.n_rows} labelled rows of its own"] if own is not None else []
    reason = f"{chosen.name!r} was chosen: by {' and '.join(by)} it gains {chosen.score:.1%} of the rows"
    if chosen is not best:
        reason += f", beside {best.score:.1%} by the best candidate, {best.name!r}"
    if best.harm and chosen is not best:
        reason += f", which harms one of the other domains ({best.harm:.1%} are counted against it)"
    return Decision(chosen, table, "other domains" if own is None else "labels and other domains", f"{reason}.")
