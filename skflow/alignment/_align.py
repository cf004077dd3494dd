"""Alignment of two datasets: the search, the best map of each class, and the choice between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from ._affine_map import AffineMap, Array
from ._alternation import Monitor, alternate, schedule
from ._choice import Candidate, Judge, Judgement, Posterior, choose
from ._invariance_names import Classes, read_invariance
from ._invariances import Invariance
from ._plan_moments import PlanMoments
from ._reading import read_pair
from ._search import Found, search, subsample
from ._views import View, Views

MAX_ROWS = 3000
"""Rows a side that a map is fitted on; a subsample of more."""
MISSED = 0.15
"""Excess of the divergence over its floor, in units of the target's total variance, that counts as not found."""


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
    verdict : {"aligned", "identity", "not found"}
        "identity": rows are best left as they are. "not found": the divergence stays far above its floor, so that the
        two sides are not the same up to any map that was tried.
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
    work = Views.of(subsample(pair, rng, MAX_ROWS))
    judge = Judge(work.columns, posterior, rng)
    found: Found | None = None
    candidates: list[Candidate] = []
    judgements: list[Judgement] = []
    # Classes that need no search come first. Where one that treats column by column reaches the floor, nothing is
    # left to look for; the Gaussian map matches all second moments, and may be near the floor and wrong.
    for step, (name, c) in enumerate(sorted(classes.items(), key=lambda item: item[1].turns)):
        if c.turns and found is None:
            if any(done.invariance.by_column and _reaches(done, judge.floor) for done in candidates):
                break
            found = search(work.scaled.pair, rng, same=work.scaled.same, max_starts=max_starts, monitor=monitor)
            if found.others and work.columns.same is not None:
                found = min((found, *found.others), key=lambda end: judge.appraise(work.scaled, end.map))
        candidate, judgement = _candidate(name, c, work, found, judge)
        candidates.append(candidate)
        judgements.append(judgement)
        if monitor is not None and monitor(step, candidate.objective):
            break
    turned = found is not None and found.start != "identity"
    chosen, candidates = choose(candidates, judgements, judge.floor, turned)
    return _alignment(candidates, chosen, found, judge.floor)


def _alignment(candidates: list[Candidate], chosen: int, found: Found | None, floor: float) -> Alignment:
    best = candidates[chosen]
    searched = found is not None and best.invariance.turns
    missed = best.divergence > floor + MISSED
    verdict = "identity" if best.name == "identity" else "not found" if missed else "aligned"
    return Alignment(
        best.map,
        best.name,
        found.start if found is not None and searched else "moments",
        found.n_starts if found is not None and searched else 1,
        best.objective,
        best.divergence,
        floor,
        verdict,
        candidates,
    )


def _reaches(candidate: Candidate, floor: float) -> bool:
    """Whether the divergence is at its floor, without classes that would have to change much."""
    return candidate.divergence <= floor and candidate.score <= 1.25 * floor


def _candidate(
    name: str, invariance: Invariance, work: Views, found: Found | None, judge: Judge
) -> tuple[Candidate, Judgement]:
    """The best map of a class near where the search ended, or near the map of the two sides' moments."""
    at = work.columns if invariance.by_column else work.own if invariance.turns else cast(View, work.common)
    if invariance.turns:
        start = work.between(cast(Found, found).map, at)
    else:
        start = invariance.fit(PlanMoments.of_marginals(at.pair.X, at.pair.Y, at.pair.zero))
    end = alternate(at.pair, invariance, start, schedule(0.05, 0.01, 12), n_iter=10)
    judgement = judge.judge(at, invariance, end.map)
    n_features = work.columns.pair.X.shape[1], work.columns.pair.Y.shape[1]
    candidate = Candidate(
        name,
        invariance,
        at.lift(end.map),
        end.objective,
        invariance.n_parameters(*n_features),
        judgement.divergence,
        judgement.change,
        judgement.score,
    )
    return candidate, judgement
