"""Alignment of two datasets: the search, the best map of each class, and the choice between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from .._threads import one_thread
from ._affine_map import AffineMap, Array
from ._alternation import Monitor
from ._base import Invariance
from ._choice import AMBIGUOUS, Candidate, Judge, Posterior, choose
from ._fitting import Fit, Fitter
from ._invariance_names import Classes, read_invariance
from ._permutation import columns_correspond
from ._reading import read_pair
from ._search import Found, search, stays_in_place, subsample
from ._views import Views

MAX_ROWS = 3000
"""Rows a side that a map is fitted on; a subsample of more."""
COMPARED_ROWS = 1000
"""Rows a side that classes of maps are compared on where columns are many: the best of them alone sees the others."""
MISSED = 0.15
"""Excess of the divergence over its floor, in units of the target's total variance, that counts as not found."""
NEARLY_FOUND = 0.25
"""The same as a share of the excess that unrelated rows have; where rows are compared by label, that is much."""
CLEARLY_UNRELATED = 0.1
"""Excess of the divergence of unrelated rows over the floor, relative, from which the divergence tells something."""
TURNED = 0.5
"""Mean squared distance from where the identity sends rows, in units of the total variance, that counts as a turn."""


@dataclass(frozen=True)
class Alignment:
    """One global map from the source to the target, and how it was found.

    Parameters
    ----------
    map : AffineMap
        The map between rows in the user's units.
    invariance : str
        Name of its class.
    start : str
        Where the alternation began.
    n_starts : int
        Number of starts that were tried.
    objective : float
        Transport cost of the last plan, in units of the target's total variance.
    divergence : float
        Debiased Sinkhorn divergence between held-out mapped rows and the target's, in units of the target's total
        variance in its leading principal axes.
    floor : float
        The divergence between two halves of the target.
    unrelated : float
        The divergence between two halves of the target of which one is turned over in some of its principal axes: what
        a wrong map may have. Where it is near the floor, the divergence tells little.
    ambiguity : float
        Largest share of the source's rows that another map of the same class, which fits as well, sends to another
        class of the target; without classes, how far it sends them, as a share of the distance of unrelated rows.
    verdict : {"aligned", "identity", "not found"}
        "identity": rows are best left as they are. "not found": the divergence stays far above its floor, so that the
        two sides are not the same up to any map that was tried; or the map is ambiguous.
    candidates : list of Candidate
        All classes of maps that were tried.
    """

    map: AffineMap
    invariance: str
    start: str
    n_starts: int
    objective: float
    divergence: float
    floor: float
    unrelated: float
    ambiguity: float
    verdict: str
    candidates: list[Candidate] = field(repr=False)

    @property
    def matrix(self) -> Array:
        """A of ``h(x) = x A + offset``, shape (d, k)."""
        return self.map.matrix

    @property
    def offset(self) -> Array:
        """Offset of ``h(x) = x A + offset``, shape (k,)."""
        return self.map.offset

    def transform(self, X: ArrayLike) -> Array:
        """Rows of the source (n, d) as rows of the target (n, k)."""
        return self.map(X)

    def inverse_transform(self, Z: ArrayLike) -> Array:
        """Rows of the target (n, k) as rows of the source (n, d): least squares where the map cannot be undone."""
        return self.map.inverse(Z)


@one_thread()  # of many small products, for which two take more than twice as long
def align(
    X: ArrayLike,
    X_target: ArrayLike,
    *,
    y: ArrayLike | None = None,
    y_target: ArrayLike | None = None,
    invariance: Classes = "auto",
    sample_weight: ArrayLike | None = None,
    posterior: Posterior | None = None,
    max_starts: int = 128,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Alignment:
    """Align source rows with target rows up to a global map, with full, coarse, few or no labels.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Source rows.
    X_target : array-like of shape (m, k)
        Target rows; k may differ from d.
    y : array-like of integers of shape (n,), optional
        Codes of the source rows, in the same coding as `y_target`; -1 where unknown. A row whose code the target does
        not have has no counterpart and is left out; if no code is shared at all, `y` says nothing and is not used.
    y_target : array-like of integers of shape (m,), optional
        Codes of the target rows. Without `y` they still tell a change of class proportions from a movement.
    invariance : str, Invariance or sequence of them, default="auto"
        Names of :data:`INVARIANCES` or objects. Of several, held-out rows choose. "auto" tries all that make sense.
    sample_weight : array-like of shape (n,), optional
        Weights of the source rows.
    posterior : callable, optional
        Probabilities (n, K) of the target's sorted codes for rows in the target's columns, from any classifier of the
        target.
    max_starts : int
        Most starts to be tried.
    seed : int
        Seed of the subsamples and halves.
    monitor : callable, optional
        Called as ``monitor(step, objective)`` after each round of starts and each class of maps; a true answer ends
        the work.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        For arrays of wrong shape or values that are not finite, and for a class of maps that needs the same columns on
        both sides where they differ.
    """
    pair = read_pair(X, X_target, y, y_target, sample_weight)
    classes = read_invariance(invariance, pair.X.shape[1], pair.Y.shape[1])
    rng = np.random.RandomState(seed)
    all_rows = work = Views.of(subsample(pair, rng, MAX_ROWS))
    if all_rows.are_narrow:
        work = all_rows.subsample(rng, COMPARED_ROWS)
    judge = Judge(work.columns, posterior, rng)
    classes, surely_in_place = _sensible(classes, work, rng)
    fitter, found = Fitter(work, judge, rng), None
    fits: dict[str, Fit] = {}
    turned_away = False
    for step, (name, needs_search) in enumerate(_stages(classes)):
        c = classes[name]
        if needs_search and found is None:
            # Where a class that treats column by column reaches the floor, nothing is left to look for. The Gaussian
            # map matches all second moments, and may be near the floor and wrong.
            if _is_settled([fit for fit in fits.values() if fit.candidate.invariance.by_column], judge):
                break
            found = search(work.scaled.pair, rng, same=work.scaled.same, max_starts=max_starts, monitor=monitor)
            found = _preferred(found, work, judge)
            turned_away = surely_in_place and not _stays(found, work)
        if needs_search and turned_away and fits and not c.by_column:  # correlations say that the search is wrong
            continue
        if c.last_resort and len(classes) > 1:
            of_columns = [fit for fit in fits.values() if fit.candidate.invariance.by_column]
            if _is_settled(of_columns, judge) or not any(p.credible for p in fitter.proposals(name, c)):
                continue
        if not needs_search and c.turns and not fitter.proposed(name, c):
            continue
        variants = c.variants() if len(classes) > 1 else [c]  # who names the class means it
        fits[name] = _preferred_variant([fitter.fit(name, variant, found) for variant in variants])
        if monitor is not None and monitor(step, fits[name].candidate.objective):
            break
    turned = found is not None and _turns(found, work)
    judgements = [fit.judgement for fit in fits.values()]
    chosen, candidates = choose([fit.candidate for fit in fits.values()], judgements, judge.floor, turned)
    if work is not all_rows:
        candidates[chosen] = fitter.on_all_rows(list(fits.values())[chosen], candidates[chosen], all_rows)
    best = candidates[chosen]
    searched = found is not None and best.invariance.turns
    likely = list(fits.values())[chosen].likely
    return Alignment(
        best.map,
        best.name,
        found.start if found is not None and searched else "moments",
        found.n_starts if found is not None and searched else 1,
        best.objective,
        best.divergence,
        judge.floor,
        judge.unrelated,
        best.ambiguity,
        _verdict(best, judge, likely),
        candidates,
    )


def _preferred_variant(fits: list[Fit]) -> Fit:
    """The first, unless held-out rows clearly prefer another."""
    best = min(fits, key=lambda fit: fit.judgement.score)
    clear = best.judgement.score < fits[0].judgement.score - best.judgement.standard_error(fits[0].judgement)
    return best if clear else fits[0]


def _is_settled(fits: list[Fit], judge: Judge) -> bool:
    """Whether a map reaches the floor, or leaves no more than chance while no other one lies clearly nearer."""
    lowest = min((fit.candidate.divergence for fit in fits), default=0.0)
    return any(
        (fit.likely and fit.candidate.divergence <= lowest + MISSED) or _reaches(fit.candidate, judge) for fit in fits
    )


def _stays(found: Found, work: Views) -> bool:
    """Whether the search ended near the identity or the inversion."""
    assert work.scaled.same is not None
    return stays_in_place(work.scaled.pair, found.map, work.scaled.same)


def _turns(found: Found, work: Views) -> bool:
    """Whether the search left the neighbourhood of the identity."""
    pair, same = work.scaled.pair, work.scaled.same
    if same is None:
        return True
    return float(pair.a @ ((found.map(pair.X) - pair.X @ same) ** 2).sum(1)) > TURNED


def _preferred(found: Found, work: Views, judge: Judge) -> Found:
    """The first end, unless it was chosen by its cost and the divergence, which knows classes, speaks for another."""
    if not found.others or found.by_likelihood or work.columns.same is None:
        return found
    first, *others = (judge.appraise(work.scaled, end.map) for end in (found, *found.others))
    best = min(range(len(others)), key=lambda k: others[k].score)
    if others[best].score >= first.score - 2 * first.standard_error(others[best]):
        return found
    rest = tuple(end for end in (replace(found, others=()), *found.others) if end is not found.others[best])
    return replace(found.others[best], others=rest)


def _sensible(
    classes: dict[str, Invariance], work: Views, rng: np.random.RandomState
) -> tuple[dict[str, Invariance], bool]:
    """Without the classes that leave columns in their places, if they are not in their places and others may turn.

    If they may be in their places, without the last resorts; and whether they surely are, of several classes.
    """
    if work.columns.same is None or not any(c.turns for c in classes.values()):
        return classes, False
    in_place = columns_correspond(work.columns.pair, np.random.RandomState(rng.randint(2**31 - 1)))
    if in_place.maybe:
        kept = {name: c for name, c in classes.items() if not c.last_resort} or classes
        return kept, in_place.surely and len(kept) > 1
    return {name: c for name, c in classes.items() if c.turns or name == "identity"}, False


def _stages(classes: dict[str, Invariance]) -> list[tuple[str, bool]]:
    """Classes in the order in which they are fitted, and whether a search must have gone before."""
    still = [name for name, c in classes.items() if not c.turns]
    turning = sorted((name for name, c in classes.items() if c.turns), key=lambda name: classes[name].by_column)
    return [*((name, False) for name in still + turning), *((name, True) for name in turning)]


def _verdict(candidate: Candidate, judge: Judge, likely: bool) -> str:
    if candidate.name == "identity":
        return "identity"
    allowed = max(MISSED, NEARLY_FOUND * (judge.unrelated - judge.floor))
    missed = candidate.divergence > judge.floor + allowed or candidate.ambiguity > AMBIGUOUS
    # A map that leaves no more than chance, or a search in all columns that finds one alone, is evidence of its own.
    shape = len(candidate.map.center), len(candidate.map.image)
    alone = likely or (candidate.invariance.turns and shape[0] >= shape[1])
    return "not found" if missed or not (alone or _tells(judge)) else "aligned"


def _tells(judge: Judge) -> bool:
    """Whether the divergence of a wrong map would stand out from the floor."""
    return judge.unrelated > (1 + CLEARLY_UNRELATED) * judge.floor


def _reaches(candidate: Candidate, judge: Judge) -> bool:
    """Whether the divergence is at its floor and says something, without classes that would have to change much."""
    # Of all orders of the columns, none comes near the floor by chance.
    slack = 1.1 if candidate.invariance.turns else 1.0
    at_floor = candidate.divergence <= slack * judge.floor and candidate.score <= 1.25 * judge.floor
    return at_floor and candidate.ambiguity <= AMBIGUOUS and _tells(judge)
