"""The search for a good start: many are screened cheaply, few are refined, more are drawn while it may pay."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from ._affine_map import AffineMap, Array
from ._alternation import Alternation, Monitor, alternate, schedule
from ._invariances import Orthogonal
from ._pair import Pair
from ._several_starts import alternate_from_each
from ._starts import starts
from ._views import principal_axes

SCREEN_ROWS, SCREEN_AXES = 350, 32
REFINE_ROWS = 700
ROUND = 16
"""Starts of one round."""
N_REFINED = 3
"""Starts of one round that are refined."""
NEAR_FLOOR = 1.06
"""Ratio of the objective to that of two halves of the target below which no better start is looked for."""
AGREEMENT = 4
"""Starts that must lead to the same map for it to be taken for the best there is."""
SAME = 0.015
"""Relative difference between two objectives that are taken for the same."""
NOT_MUCH_HIGHER, MAX_OTHERS = 1.3, 5
"""Ends of the alternation that the divergence, which knows classes, may prefer to the one of lowest cost."""
DISTINCT = 0.05
"""Mean squared distance between two maps' images, in units of the total variance, from which they are not the same."""
IN_PLACE = 0.5
"""The same distance from the identity or the inversion, within which a search has ended where it began."""


@dataclass(frozen=True)
class Found:
    """What a search found: the map, the start, how near the floor it is; and other ends of not much higher cost."""

    map: AffineMap
    start: str
    objective: float
    ratio: float
    n_starts: int
    others: tuple[Found, ...] = ()


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
        in_place = n_starts >= 2 * ROUND and same is not None and _in_place(pair, best.map, same)
        enough = ratio < NEAR_FLOOR or agreeing >= AGREEMENT or in_place
        if stopped or (enough and n_starts >= least):
            break
    turned = alternate_from_each(pair, _turned(best.map, axes_y), schedule(0.05, 0.01, 8))
    refined[1:] = sorted([*refined[1:], *((end, name) for end in turned)], key=lambda pair: pair[0].objective)
    others: list[Found] = []
    for end, other in refined[1:]:
        if end.objective > best.objective * NOT_MUCH_HIGHER or len(others) == MAX_OTHERS:
            break
        if all(images_apart(pair, end.map, h) > DISTINCT for h in (best.map, *(found.map for found in others))):
            others.append(Found(end.map, other, end.objective, ratio, n_starts))
    return Found(best.map, name, best.objective, ratio, n_starts, tuple(others))


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


def _in_place(pair: Pair, h: AffineMap, same: Array) -> bool:
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
