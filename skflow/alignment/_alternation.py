"""The alternation of an entropic plan and the best map of its class (Alvarez-Melis et al., AISTATS 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._pair import Pair
from ._plan_moments import PlanMoments
from ._plan_step import PlanStep

Monitor = Callable[[int, float], bool]
"""Called as ``monitor(step, objective)`` after each turn; a true answer ends the alternation."""

MARGINAL_PENALTY, N_SCALINGS = 0.2, 6
"""Strength of the penalty on the target's marginal, in units of the cost, and scalings of each plan."""


@dataclass(frozen=True)
class Alternation:
    """Where an alternation ended: the map, the transport cost of the last plan, and that plan's column masses."""

    map: AffineMap
    objective: float
    columns: Array


def schedule(start: float, end: float, n_turns: int) -> Array:
    """Regularisations of the turns, from large to small, as shares of the mean cost between two aligned sides (2)."""
    return 2.0 * np.geomspace(start, end, n_turns)


def alternate(
    pair: Pair,
    invariance: Invariance,
    start: AffineMap,
    regs: Array,
    *,
    rho: float = MARGINAL_PENALTY,
    n_iter: int = N_SCALINGS,
    monitor: Monitor | None = None,
) -> Alternation:
    """Alternate the plan for the map and the map for the plan, from `start` on, one turn for each of `regs`.

    Parameters
    ----------
    rho : float
        Strength of the penalty on the target's marginal, in units of the cost.
    n_iter : int
        Scalings of each plan.
    """
    step = PlanStep(pair, rho, n_iter)
    h, reg = _take_turns(step, pair, invariance, start, regs, monitor)
    plan = step(pair.X, h, reg)
    return Alternation(h, plan.cost, plan.columns / plan.columns.sum())


def stay(pair: Pair, h: AffineMap, reg: float) -> Alternation:
    """What :func:`alternate` would say of a map that is left as it is."""
    plan = PlanStep(pair, MARGINAL_PENALTY, N_SCALINGS)(pair.X, h, reg)
    return Alternation(h, plan.cost, plan.columns / plan.columns.sum())


def fit_again(pair: Pair, invariance: Invariance, start: AffineMap, regs: Array) -> AffineMap:
    """The map that :func:`alternate` ends at, without its objective."""
    return _take_turns(PlanStep(pair, MARGINAL_PENALTY, N_SCALINGS), pair, invariance, start, regs)[0]


def _take_turns(
    step: PlanStep, pair: Pair, invariance: Invariance, start: AffineMap, regs: Array, monitor: Monitor | None = None
) -> tuple[AffineMap, float]:
    """The last map and regularisation."""
    h, reg = start, 0.0
    for turn, reg in enumerate(np.asarray(regs if invariance.uses_plan else regs[-1:]).tolist()):
        plan = step(pair.X, h, reg)
        masses = _masses(pair, plan.columns, invariance.whole_classes) if invariance.uses_plan else pair.b
        h = invariance.fit(PlanMoments(pair.X, pair.a, plan.images, pair.Y, masses, pair.zero))
        if monitor is not None and monitor(turn, plan.cost):
            break
    return h, reg


def _masses(pair: Pair, columns: Array, whole_classes: bool) -> Array:
    """The target's masses (m,), which sum to one: the plan's, or those of whole classes in the plan's proportions.

    Rows whose class nobody knows are one class.
    """
    masses = columns / columns.sum()
    if not whole_classes:
        return masses
    if pair.t is None:
        return pair.b
    codes = np.unique(pair.t, return_inverse=True)[1]
    share = np.bincount(codes, masses) / np.bincount(codes, pair.b)
    return pair.b * share[codes]
