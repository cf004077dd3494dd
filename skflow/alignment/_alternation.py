"""The alternation of an entropic plan and the best map of its class (Alvarez-Melis et al., AISTATS 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ._affine_map import AffineMap, Array
from ._base import Invariance
from ._pair import Pair
from ._plan_moments import PlanMoments

Monitor = Callable[[int, float], bool]
"""Called as ``monitor(step, objective)`` after each turn; a true answer ends the alternation."""

SMALLEST_MASS = 1e-30
"""Masses below this count as this much, in single precision."""
MOST_SPREADS = 1e9
"""Distance in spreads of the target beyond which rows are equally far: in single precision squares must stay finite."""


class PlanStep:
    """One entropic plan after another between moving rows and a fixed target, warm-started by the target's potential.

    The source's marginal is exact. The target's is held by a penalty ``rho KL(P^T 1 | b)`` alone (Chizat, Peyré,
    Schmitzer, Vialard, "Scaling algorithms for unbalanced optimal transport problems", 2018), so that a class may be
    rarer in the source than in the target. The first half-step is a softmax over each row; the iterations after it are
    matrix-vector products.
    """

    def __init__(self, pair: Pair, rho: float, n_iter: int) -> None:
        self.n_iter, self.rho = n_iter, rho
        self._axes = pair.axes
        seen = pair.Y if pair.axes is None else pair.Y @ pair.axes
        self._seen = torch.from_numpy(seen.astype(np.float32))
        self._squares = (self._seen**2).sum(1)
        self._a = torch.from_numpy(pair.a.astype(np.float32))
        self._b = torch.from_numpy(pair.b.astype(np.float32))
        self._Y = torch.from_numpy(pair.Y.astype(np.float32))
        self._forbidden = pair.forbidden()
        self.potential = torch.zeros_like(self._b)

    def __call__(self, Z: Array, reg: float) -> tuple[Array, Array, float]:
        """Barycentric images of the mapped rows `Z`, the plan's column masses, and its transport cost."""
        seen = torch.from_numpy(Z if self._axes is None else Z @ self._axes).clamp(-MOST_SPREADS, MOST_SPREADS).float()
        a, b, g = self._a, self._b, self.potential
        # |z|^2 is the same along a row, so a row's softmax does without it.
        K = torch.addmm((g - self._squares), seen, self._seen.T, alpha=2.0).div_(reg)
        K += b.clamp_min(SMALLEST_MASS).log()
        if self._forbidden is not None:
            K.masked_fill_(self._forbidden, -torch.inf)
        # Denormal numbers would slow the products down tenfold.
        K = torch.threshold_(torch.softmax(K, 1), 1e-20, 0.0)
        power = self.rho / (self.rho + reg)
        slack = torch.exp(-g * (1 - power) / reg)
        u = torch.ones_like(a)
        for _ in range(self.n_iter):
            v = (b / (K.T @ (a * u)).clamp_min(SMALLEST_MASS)) ** power * slack
            u = 1 / (K @ v).clamp_min(SMALLEST_MASS)
        self.potential = g + reg * v.clamp_min(SMALLEST_MASS).log()
        columns = v * (K.T @ (a * u))
        images = u[:, None] * (K @ (v[:, None] * self._Y))
        images_seen = images if self._axes is None else u[:, None] * (K @ (v[:, None] * self._seen))
        cost = a @ ((seen**2).sum(1) - 2 * (seen * images_seen).sum(1)) + columns @ self._squares
        return images.double().numpy(), columns.double().numpy(), float(cost)


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
    rho: float = 0.2,
    n_iter: int = 6,
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
    step, h = PlanStep(pair, rho, n_iter), start
    if not invariance.uses_plan:
        regs = regs[-1:]
    for turn, reg in enumerate(regs):
        images, columns, objective = step(h(pair.X), float(reg))
        masses = columns / columns.sum() if invariance.uses_plan else pair.b
        h = invariance.fit(PlanMoments(pair.X, pair.a, images, pair.Y, masses, pair.zero))
        if monitor is not None and monitor(turn, objective):
            break
    _, columns, objective = step(h(pair.X), float(reg))
    return Alternation(h, objective, columns / columns.sum())
