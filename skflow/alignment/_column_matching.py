"""Which column is which: two sets of columns matched by their distributions and by their covariances.

Rows need no counterparts for this. Up to an order and signs of the columns, two datasets have the same marginals and
the same covariance matrix, and the order that makes both agree solves a quadratic assignment problem (Koopmans and
Beckmann, 1957). It is the Gromov-Wasserstein problem between columns instead of rows, fused with a cost of its own for
each pair of columns (Vayer, Chapel, Flamary, Tavenard, Courty, "Optimal transport for structured data", 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._affine_map import Array

N_LEVELS = 32


@dataclass(frozen=True)
class Matching:
    """Columns of the source as columns of the target: entries -1, 0 and 1 of a (d, k) matrix, and what disagrees."""

    matrix: Array
    cost: float


@dataclass(frozen=True)
class ColumnMoments:
    """What a side says of its columns: its covariance (d, d) and the quantiles (d, q) of each centred column."""

    cov: Array
    quantiles: Array

    @classmethod
    def of(cls, X: Array, w: Array) -> ColumnMoments:
        """Of rows `X` with weights `w` that sum to one."""
        X = X - w @ X
        order = np.argsort(X, axis=0)
        mass = np.cumsum(w[order], axis=0)
        levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
        at = np.stack([np.searchsorted(column, levels).clip(max=len(X) - 1) for column in mass.T])
        quantiles = X[order.T[np.arange(X.shape[1])[:, None], at], np.arange(X.shape[1])[:, None]]
        return cls(X.T @ (w[:, None] * X), quantiles)


class ColumnProblem:
    """``½ sum_rs (A_rs - s_r s_s B_p(r)p(s))² + sum_r W2²(x_r, s_r y_p(r))`` over orders p and signs s.

    Both terms have the same sampling error in columns of variance one, which is why they are added as they are.

    Parameters
    ----------
    source, target : ColumnMoments
        The source has at most as many columns as the target.
    signs : bool
        Whether a column may be turned upside down.
    """

    def __init__(self, source: ColumnMoments, target: ColumnMoments, signs: bool = True) -> None:
        self.A, self.B = source.cov, target.cov
        self._off = self.A - np.diag(np.diag(self.A))
        variances = 0.5 * (np.diag(self.A)[:, None] - np.diag(self.B)) ** 2
        same = _squared_distances(source.quantiles, target.quantiles) / N_LEVELS
        turned = _squared_distances(source.quantiles, -target.quantiles[:, ::-1]) / N_LEVELS
        self.nodes = np.stack([same + variances, turned + variances if signs else np.full_like(same, np.inf)])

    def value(self, p: Array, s: Array) -> float:
        """The objective of the order `p` with signs `s`."""
        D = s[:, None] * s * self.B[np.ix_(p, p)]
        off = self._off - (D - np.diag(np.diag(D)))
        return float(0.5 * (off**2).sum() + self.nodes[_which(s), np.arange(len(p)), p].sum())

    def assign(self, costs: Array) -> tuple[Array, Array]:
        """The order and signs of least total cost (2, d, k), each column by itself."""
        _, p = linear_sum_assignment(costs.min(0))
        rows = np.arange(len(p))
        return p, np.where(costs[0, rows, p] <= costs[1, rows, p], 1.0, -1.0)

    def moves(self, p: Array, s: Array) -> Array:
        """Cost (2, d, k) of each column at each place and sign while the others stay."""
        rows = self.B[p]
        cross = (self._off * s) @ rows
        own = (self._off**2).sum(1)[:, None] + (rows**2).sum(0) - rows**2
        return self.nodes + own + np.stack([-2 * cross, 2 * cross])

    def descend(self, p: Array, s: Array, n_iter: int = 500) -> tuple[Array, Array]:
        """Local search: the best move of one column or exchange of two, while there is one that helps."""
        rows = np.arange(len(p))
        for _ in range(n_iter):
            costs = self.moves(p, s)
            now = costs[_which(s), rows, p]
            tolerance = -1e-9 * max(now.sum(), np.finfo(float).tiny)
            moved = costs - now[:, None]
            moved[:, :, p] = np.inf
            moved[:, rows, p] = costs[:, rows, p] - now  # in its own place a column may change its sign
            exchanged = self._exchanges(p, s, costs, now)
            if min(moved.min(), exchanged.min()) >= tolerance:
                break
            if moved.min() <= exchanged.min():
                sign, r, c = np.unravel_index(moved.argmin(), moved.shape)
                p[r], s[r] = c, 1.0 - 2.0 * sign
            else:
                first, second, r, q = np.unravel_index(exchanged.argmin(), exchanged.shape)
                p[r], p[q] = p[q], p[r]
                s[r], s[q] = 1.0 - 2.0 * first, 1.0 - 2.0 * second
        return p, s

    def _exchanges(self, p: Array, s: Array, costs: Array, now: Array) -> Array:
        """Change of the objective (2, 2, d, d) when columns r and q change places, each with either sign."""
        at = costs[:, :, p]  # (2, r, q): column r at the place of q, while q stays
        places = self.B[np.ix_(p, p)]
        signs = np.array([1.0, -1.0])[:, None, None]
        # Terms of the pair itself, counted with places that change: taken out, and put back once.
        at = at - (self._off - signs * s * np.diag(places)) ** 2
        pair = (self._off - s[:, None] * s * places) ** 2
        change = at[:, None] + at.transpose(0, 2, 1)[None] - (now[:, None] + now - pair)
        product = signs[:, None] * signs[None]
        change = change + (self._off - product * places) ** 2
        diagonal = np.arange(len(p))
        change[:, :, diagonal, diagonal] = np.inf
        return change


def match_columns(
    source: ColumnMoments,
    target: ColumnMoments,
    rng: np.random.RandomState,
    *,
    signs: bool = True,
    n_starts: int = 40,
    n_agreeing: int = 3,
) -> list[Matching]:
    """Local optima of the matching of columns, the best first.

    Parameters
    ----------
    source, target : ColumnMoments
        Of d and k columns, in units in which the target's columns have mean variance one.
    rng : RandomState
        Draws the starts.
    signs : bool
        Whether a column may be turned upside down.
    n_starts : int
        Most starts. The first is the assignment by the columns' distributions alone, the others disturb it more and
        more.
    n_agreeing : int
        Starts that must lead to the lowest cost for it to be taken for the lowest there is.
    """
    if len(source.cov) > len(target.cov):
        flipped = match_columns(target, source, rng, signs=signs, n_starts=n_starts, n_agreeing=n_agreeing)
        return [Matching(matching.matrix.T, matching.cost) for matching in flipped]
    problem = ColumnProblem(source, target, signs)
    typical = problem.nodes[0].mean()
    ends: list[Matching] = []
    agreeing = 0
    for start in range(n_starts):
        noise = rng.exponential(typical * start / n_starts, problem.nodes.shape) if start else 0.0
        p, s = problem.descend(*problem.assign(problem.nodes + noise))
        matrix = np.zeros((len(p), len(target.cov)))
        matrix[np.arange(len(p)), p] = s
        ends.append(Matching(matrix, problem.value(p, s)))
        lowest = min(end.cost for end in ends)
        agreeing = sum(_same(end.cost, lowest) for end in ends)
        if agreeing >= n_agreeing:
            break
    ends.sort(key=lambda end: end.cost)
    # Columns that do not vary may stand anywhere, at the same cost.
    return [
        end for before, end in zip([None, *ends], ends, strict=False) if not before or not _same(end.cost, before.cost)
    ]


def _same(cost: float, other: float) -> bool:
    return abs(cost - other) <= 1e-6 * max(cost, other)


def _squared_distances(A: Array, B: Array) -> Array:
    return (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T


def _which(s: Array) -> Array:
    return (s < 0).astype(int)
