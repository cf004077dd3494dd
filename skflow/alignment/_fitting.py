"""The best map of one class, from where the search ended and from what the class itself proposes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np

from ._affine_map import AffineMap
from ._alternation import Alternation, alternate, schedule, stay
from ._base import Invariance, Proposal
from ._choice import Candidate, Judge, Judgement
from ._invariances import Turned
from ._plan_moments import PlanMoments
from ._search import LAST, Found, as_good
from ._views import Views

TURNS, TURNS_OF_MANY = 12, 6
"""Of the alternation of a class of maps, and where columns are many and each turn is long."""


@dataclass(frozen=True)
class Fit:
    """The best map of a class, its held-out score, the map in working coordinates; whether it leaves only chance."""

    candidate: Candidate
    judgement: Judgement
    found: AffineMap
    likely: bool = False


class Fitter:
    """Fits classes of maps in the view of the rows that suits each.

    Parameters
    ----------
    work : Views
    judge : Judge
    rng : RandomState
        Draws what classes propose.
    """

    def __init__(self, work: Views, judge: Judge, rng: np.random.RandomState) -> None:
        self._work, self._judge, self._rng = work, judge, rng
        self._lowest = np.inf  # objective of a rotation so far
        self._proposals: dict[str, list[Proposal]] = {}
        self._proposed: dict[str, list[tuple[Alternation, bool]]] = {}

    def proposals(self, name: str, invariance: Invariance) -> list[Proposal]:
        """What a class proposes without a plan."""
        if name not in self._proposals:
            rng = deepcopy(self._rng) if invariance.last_resort else self._rng  # others draw as without it
            self._proposals[name] = invariance.proposals(self._work.of_class(invariance).pair, rng)
        return self._proposals[name]

    def proposed(self, name: str, invariance: Invariance) -> list[tuple[Alternation, bool]]:
        """The proposals with the objective of each map, and whether it is likely."""
        if name not in self._proposed:
            pair = self._work.of_class(invariance).pair
            self._proposed[name] = [
                (alternate(pair, invariance.near(p.map, pair), p.map, schedule(0.05, 0.01, 6), n_iter=10), p.likely)
                for p in self.proposals(name, invariance)
            ]
        return self._proposed[name]

    def fit(self, name: str, invariance: Invariance, found: Found | None) -> Fit:
        """The best map of a class near where the search ended, near its own proposals, or near the sides' moments."""
        view = self._work.of_class(invariance)
        proposed = self.proposed(name, invariance)
        ends = list(proposed)
        rivals: list[AffineMap] = []
        judged = invariance
        if found is not None and invariance.turns:
            starts = [self._work.between(found.map, view)]
            rivals = [self._work.between(other.map, view) for other in found.as_good]
            # The plan's rotation is worse than the likeliest, which only lacks its gain.
            likeliest = invariance.closest(starts[0]) if found.by_likelihood else None
            if likeliest is not None:
                starts, ends = [], [(stay(view.pair, likeliest, LAST), False)]
                judged = Turned(likeliest.matrix)
        else:
            starts = (
                [] if ends else [invariance.fit(PlanMoments.of_marginals(view.pair.X, view.pair.Y, view.pair.zero))]
            )
        for start in starts:
            regs = schedule(0.05, 0.01, TURNS_OF_MANY if self._work.are_narrow else TURNS)
            ends.append((alternate(view.pair, invariance, start, regs, n_iter=10), False))
        ends.sort(key=lambda end: end[0].objective)
        best, likely = ends[0]
        if not invariance.by_column and invariance.turns:
            self._lowest = min(self._lowest, best.objective)
        if invariance.by_column and as_good(best.objective, self._lowest):
            # What fits as well as a rotation may not as an order of columns, or may be the same order. Where the
            # class does worse than rotations, it is not chosen, and that costs too much.
            refitted = [alternate(view.pair, invariance, h, schedule(0.02, 0.01, 3), n_iter=10) for h in rivals]
            rivals = [end.map for end in refitted if as_good(end.objective, best.objective)]
        if proposed:
            rivals = [end.map for end, _ in ends[1:] if as_good(end.objective, best.objective)]
        ambiguity = max((self._judge.disagreement(view, best.map, h) for h in rivals), default=0.0)
        judgement = self._judge.judge(view, judged, best.map)
        n_features = self._work.columns.pair.X.shape[1], self._work.columns.pair.Y.shape[1]
        candidate = Candidate(
            name,
            invariance,
            view.lift(best.map),
            best.objective,
            invariance.n_parameters(*n_features),
            judgement.divergence,
            judgement.change,
            judgement.score,
            ambiguity,
        )
        return Fit(candidate, judgement, best.map, likely)

    def on_all_rows(self, fit: Fit, candidate: Candidate, all_rows: Views) -> Candidate:
        """The candidate, fitted on from its map to all rows."""
        view = all_rows.of_class(candidate.invariance)
        end = alternate(view.pair, candidate.invariance, fit.found, schedule(0.02, 0.01, 4), n_iter=10)
        return replace(candidate, map=view.lift(end.map), objective=end.objective)
