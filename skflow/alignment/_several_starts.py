"""The alternation from several starts at once: with few rows, most of the time of one is overhead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._affine_map import AffineMap, Array
from ._alternation import MARGINAL_PENALTY, N_SCALINGS, Alternation, alternate
from ._invariances import Orthogonal
from ._matrices import nearest_orthogonal
from ._pair import Pair
from ._plan_step import PlanStep


def alternate_from_each(pair: Pair, starts: list[AffineMap], regs: Array) -> list[Alternation]:
    """Where :func:`~skflow.alignment._alternation.alternate`, up to rotations, ends from each of some starts."""
    n, (stacked, apart) = len(starts), _stacked(pair, len(starts))
    step = PlanStep(stacked, MARGINAL_PENALTY, N_SCALINGS) if apart else None
    if step is None or step.n_blocks % n:
        return [alternate(pair, Orthogonal(), start, regs) for start in starts]
    center, as_they_are = pair.a @ pair.X, AffineMap(*2 * (np.zeros(pair.Y.shape[1]),))
    X = pair.X - center
    weighted, mapped = (pair.a[:, None] * X).T, np.stack([start(pair.X) for start in starts])
    for reg in regs.tolist():
        plan = step(np.concatenate(mapped), as_they_are, reg)
        masses = plan.columns.reshape(n, -1)
        means = masses @ pair.Y / masses.sum(axis=1, keepdims=True)
        turns = nearest_orthogonal(weighted @ plan.images().reshape(n, *mapped.shape[1:]))
        mapped = X @ turns + means[:, None]
    plan = step(np.concatenate(mapped), as_they_are, reg)
    costs, masses = plan.costs.reshape(n, -1).sum(1).tolist(), plan.columns.reshape(n, -1)
    maps = [AffineMap(center, mean, (turn,)) for mean, turn in zip(means, turns, strict=True)]
    return [Alternation(h, cost, mass / mass.sum()) for h, cost, mass in zip(maps, costs, masses, strict=True)]


def _stacked(pair: Pair, n: int) -> tuple[Pair, bool]:
    """The pair `n` times, each told from the others by its codes; and whether all of its own codes are known."""
    y, t = pair.y, pair.t
    if y is None or t is None:
        y, t = np.zeros(len(pair.X), int), np.zeros(len(pair.Y), int)
    apart = np.arange(n)[:, None] * (1 + max(y.max(), t.max()))
    known = bool((y >= 0).all() and (t >= 0).all())
    X, Y, a, b = (np.concatenate([part] * n) for part in (pair.X, pair.Y, pair.a, pair.b))
    return replace(pair, X=X, Y=Y, a=a, b=b, y=(apart + y).ravel(), t=(apart + t).ravel()), known
