"""The search for a good start: many are screened cheaply, few are refined, more are drawn while it may pay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ._affine_map import AffineMap, Array
from ._alternation import Alternation, Monitor, alternate, schedule, stay
from ._invariances import Orthogonal
from ._likely_rotations import Likely, likeliest, worth_likelihoods
from ._pair import Pair
from ._several_starts import alternate_from_each
from ._starts import starts
from ._views import principal_axes

SCREEN_ROWS, SCREEN_AXES = 350, 32
REFINE_ROWS = 700
LIKELY_STARTS = 64
"""Most starts where the likelihood goes on from there."""
ROUND = 16
"""Starts of one round."""
N_REFINED = 3
"""Starts of one round that are refined."""
NEAR_FLOOR = 1.06
"""Ratio of the objective to that of two halves of the target below which no better start is looked for."""
LAST = 2 * 0.01
"""Regularisation of a map's cost."""
AGREEMENT = 4
"""Starts that must lead to the same map for it to be taken for the best there is."""
SAME = 0.015
"""Relative difference between two objectives that are taken for the same."""
NOT_MUCH_HIGHER, MAX_OTHERS = 1.3, 5
"""Ends of the alternation that the divergence, which knows classes, may prefer to the one of lowest cost."""
AS_LIKELY, NOT_MUCH_LESS_LIKELY = 4.0, 10.0
"""How much less likely a map may be, in nats, that is chosen for its lower cost, and one that fits as well."""
RIVAL = 0.05
"""Relative excess of the objective up to which another map fits as well as the best."""
DISTINCT = 0.05
"""Mean squared distance between two maps' images, in units of the total variance, from which they are not the same."""
IN_PLACE = 0.5
"""The same distance from the identity or the inversion, within which a search has ended where it began."""


@dataclass(frozen=True)
class Found:
    """What a search found: the map, the start, how near the floor it is; and other ends of not much higher cost.

    Where the likelihood has chosen (`by_likelihood`), the others are not much less likely.
    """

    map: AffineMap
    start: str
    objective: float
    ratio: float
    n_starts: int
    others: tuple[Found, ...] = ()
    by_likelihood: bool = False

    @property
    def as_good(self) -> list[Found]:
        """The others that fit as well."""
        return [other for other in self.others if self.by_likelihood or as_good(other.objective, self.objective)]


def search(
    pair: Pair,
    rng: np.random.RandomState,
    *,
    same: Array | None,
    max_starts: int,
    monitor: Monitor | None = None,
) -> Found:
    """Find the rotation that leads to the lowest objective, in units in which both sides have total variance one."""
    pair = subsample(pair, rng, REFINE_ROWS)
    axes_x, axes_y = principal_axes(pair.X, pair.a, SCREEN_AXES), principal_axes(pair.Y, pair.b, SCREEN_AXES)
    coarse = Pair(pair.X @ axes_x, pair.Y @ axes_y, pair.a, pair.b, pair.y, pair.t)
    screened = subsample(coarse, rng, SCREEN_ROWS)
    source = starts(screened, rng, same=None if same is None else axes_x.T @ same @ axes_y)
    refined: list[tuple[Alternation, str]] = []
    ratio, n_starts = np.inf, 0
    # Of few rows, neither the objective nor its floor is well known, and starts are cheap.
    least = min(int(ROUND * REFINE_ROWS / min(len(pair.X), len(pair.Y))), max_starts)
    if worth_likelihoods(pair):
        max_starts = min(max_starts, LIKELY_STARTS)
    turns = schedule(0.3, 0.03, 10) if least <= ROUND else schedule(0.3, 0.01, 20)
    while n_starts < max_starts:
        names, begin = zip(*islice(source, ROUND), strict=True)
        ends = zip(alternate_from_each(screened, list(begin), turns), names, strict=True)
        n_starts += len(names)
        likely, names = zip(*sorted(ends, key=lambda pair: pair[0].objective)[:N_REFINED], strict=True)
        origins = np.zeros(len(axes_x)), np.zeros(len(axes_y))
        again = [end.map.between((axes_x,), (axes_y.T,), *origins) for end in likely]
        refined += zip(alternate_from_each(pair, again, schedule(0.05, 0.01, 8)), names, strict=True)
        refined.sort(key=lambda pair: pair[0].objective)
        best, name = refined[0]
        ratio = ratio_to_floor(pair, best.map, rng)
        alike = [end.map for end, _ in refined if end.objective < best.objective * (1 + SAME)]
        agreeing = sum(images_apart(pair, best.map, h) < DISTINCT for h in alike)
        stopped = monitor is not None and monitor(n_starts, best.objective)
        in_place = n_starts >= 2 * ROUND and same is not None and stays_in_place(pair, best.map, same)
        enough = ratio < NEAR_FLOOR or agreeing >= AGREEMENT or in_place
        if stopped or (enough and n_starts >= least):
            break
    turned = alternate_from_each(pair, _turned(best.map, axes_y), schedule(0.05, 0.01, 8))
    refined[1:] = sorted([*refined[1:], *((end, name) for end in turned)], key=lambda pair: pair[0].objective)
    distinct = _distinct(pair, [Found(end.map, name, end.objective, ratio, n_starts) for end, name in refined])
    if worth_likelihoods(pair):
        return _likeliest(pair, distinct)
    others = [end for end in distinct[1:] if end.objective <= best.objective * NOT_MUCH_HIGHER]
    return replace(distinct[0], others=tuple(others[:MAX_OTHERS]))


def _distinct(pair: Pair, ends: list[Found]) -> list[Found]:
    """Ends without those whose map is that of one before."""
    kept: list[Found] = []
    for end in ends:
        if all(images_apart(pair, end.map, other.map) > DISTINCT for other in kept):
            kept.append(end)
    return kept


def _likeliest(pair: Pair, ends: list[Found]) -> Found:
    """Of the likeliest maps, which are about as likely, that of lowest cost, and the others.

    The map near the end of lowest cost is always one of these: where plan and likelihood speak for different ones, the
    answer is not clear.
    """
    maps, near_lowest = likeliest(pair, [Likely(end.map, end.start, end.objective) for end in ends])

    def found(h: Likely) -> Found:
        return replace(
            ends[0], map=h.map, start=h.start, objective=stay(pair, h.map, LAST).objective, by_likelihood=True
        )

    # Of one map at several stages of its refinement, the likeliest stands for all.
    near = _distinct(pair, [found(h) for h in maps if h.cost < maps[0].cost + AS_LIKELY])
    as_likely = sorted(near, key=lambda end: end.objective)
    less_likely = [found(h) for h in maps if AS_LIKELY <= h.cost - maps[0].cost < NOT_MUCH_LESS_LIKELY]
    best, *others = _distinct(pair, [as_likely[0], found(near_lowest), *as_likely[1:], *less_likely])
    return replace(best, others=tuple(others[:MAX_OTHERS]))


def as_good(objective: float, best: float) -> bool:
    """Whether an objective is hardly higher than the best."""
    return objective < best * (1 + RIVAL)


def images_apart(pair: Pair, h: AffineMap, other: AffineMap) -> float:
    """Mean squared distance between two maps' images of the source, in units of the total variance."""
    return float(pair.a @ ((h(pair.X) - other(pair.X)) ** 2).sum(1))


def _turned(h: AffineMap, axes: Array) -> list[AffineMap]:
    """Maps that send rows to the other side of one of the target's leading axes, or a quarter turn further.

    Where classes lie symmetrically, one of these fits as well; starts need not have led to it.
    """
    leading = axes[:, :2]
    turns = [np.diag(signs) for signs in ((-1.0, 1.0), (1.0, -1.0))] + [np.array([[0.0, 1.0], [-1.0, 0.0]])]
    if leading.shape[1] < 2:
        turns = [-np.eye(leading.shape[1])]
    factors = [np.eye(len(axes)) + leading @ (turn - np.eye(len(turn))) @ leading.T for turn in turns]
    return [AffineMap(h.center, h.image @ factor, (*h.factors, factor)) for factor in factors]


def stays_in_place(pair: Pair, h: AffineMap, same: Array) -> bool:
    """Whether a map is near the identity or the inversion."""
    image, origin = h(pair.X), pair.X @ same
    return any(float(pair.a @ ((image - sign * origin) ** 2).sum(1)) < IN_PLACE for sign in (1.0, -1.0))


def ratio_to_floor(pair: Pair, h: AffineMap, rng: np.random.RandomState) -> float:
    """The objective of `h`, refitted, as a multiple of that of two halves of the target on as many rows a side."""
    n = min(len(pair.X), len(pair.Y) // 2)
    i, j = rng.permutation(len(pair.X))[:n], rng.permutation(len(pair.Y))
    first, second = np.sort(j[:n]), np.sort(j[n : 2 * n])
    regs = schedule(0.02, 0.01, 4)
    moved = alternate(pair.rows(np.sort(i), first), Orthogonal(), h, regs)
    halves = Pair(pair.Y, pair.Y, pair.b, pair.b, pair.t, pair.t).rows(second, first)
    zero = np.zeros(pair.Y.shape[1])
    floor = alternate(halves, Orthogonal(), AffineMap(zero, zero), regs)
    return moved.objective / max(floor.objective, np.finfo(float).tiny)


def subsample(pair: Pair, rng: np.random.RandomState, n_rows: int) -> Pair:
    i, j = (np.sort(rng.permutation(len(Z))[:n_rows]) for Z in (pair.X, pair.Y))
    return pair.rows(i, j)
