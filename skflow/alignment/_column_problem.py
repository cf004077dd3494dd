"""How likely it is that two sets of columns are the same in a given order, and how that changes with the order."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._affine_map import Array
from ._column_summary import ColumnSummary, smooth_tests


class ColumnProblem:
    """``-2 log`` of the likelihood ratio of both sides having the same columns, over orders p and signs s.

    ``(n + m) log|(n A + m D) / (n + m)| - n log|A| - m log|D| + sum_r t_r(p_r, s_r)`` for the two sides' correlations A
    and B, ``D_rq = s_r s_q B_p(r)p(q)``, and t the smooth test of two columns.

    Parameters
    ----------
    source, target : ColumnSummary
        The source has at most as many columns as the target.
    shifted : bool
        Whether a column may have an offset: columns are compared about their means then.
    signs : bool
        Whether a column may be turned upside down.
    """

    def __init__(self, source: ColumnSummary, target: ColumnSummary, shifted: bool = True, signs: bool = True) -> None:
        self.shifted, self.signs, self.n, self.m = shifted, signs, source.n_rows, target.n_rows
        self._sides = source, target
        same, turned = (smooth_tests(source, target, shifted, sign) for sign in (1.0, -1.0))
        self.nodes = np.stack([same, turned if signs else np.full_like(same, np.inf)])
        self.shrink(len(source.correlation))

    def shrink(self, n_rows: float) -> None:
        """Take correlations as if either side had `n_rows` more rows without any."""
        self.A, self.B = (side.shrunk(n_rows) for side in self._sides)
        self._log_det = float(np.linalg.slogdet(self.A)[1])

    def value(self, p: Array, s: Array) -> float:
        """The objective of the order `p` with signs `s`."""
        return self.dependence(p, s) + float(self.nodes[_which(s), np.arange(len(p)), p].sum())

    def dependence(self, p: Array, s: Array) -> float:
        """The part of the objective that the correlations have."""
        D, n, m = self._placed(p, s), self.n, self.m
        both, own = (np.linalg.slogdet(M)[1] for M in ((n * self.A + m * D) / (n + m), D))
        return float((n + m) * both - n * self._log_det - m * own)

    def assign(self, costs: Array) -> tuple[Array, Array]:
        """The order and signs of least total cost (2, d, k), each column by itself."""
        _, p = linear_sum_assignment(costs.min(0))
        rows = np.arange(len(p))
        return p, np.where(costs[0, rows, p] <= costs[1, rows, p], 1.0, -1.0)

    def descend(self, p: Array, s: Array, n_iter: int = 500) -> tuple[Array, Array]:
        """Local search: moves of one column and exchanges of two, while there is one that helps.

        Of those that help, the best of each column are made at once, if together they help more than the best alone.
        """
        now = self.value(p, s)
        for _ in range(n_iter):
            moved, exchanged = self.changes(p, s)
            steps = self._disjoint(p, s, moved, exchanged)
            if not steps:
                break
            together, alone = self._after(p, s, steps), self._after(p, s, steps[:1])
            values = [self.value(*order) for order in (together, alone)]
            best = int(values[1] < values[0])
            if values[best] >= now:
                break
            (p, s), now = (together, alone)[best], values[best]
        return p, s

    def _disjoint(self, p: Array, s: Array, moved: Array, exchanged: Array) -> list[tuple[Array, Array, Array]]:
        """Columns, their new places and signs, for steps that help and share no column and no place, best first."""
        rows, k = np.arange(len(p)), moved.shape[2]
        stays = moved[:, rows, p]
        moved[:, :, np.isin(np.arange(k), p)] = np.inf
        moved[:, rows, p] = stays  # in its own place a column may change its sign
        changes = np.concatenate([moved.ravel(), exchanged.ravel()])
        order = np.flatnonzero(changes < -1e-6)
        order = order[np.argsort(changes[order])]
        steps: list[tuple[Array, Array, Array]] = []
        used, taken = np.zeros(len(p), dtype=bool), np.zeros(k, dtype=bool)
        for step in order[: 8 * len(p)]:
            if step < moved.size:
                sign, r, c = np.unravel_index(step, moved.shape)
                columns, places, signs = np.array([r]), np.array([c]), np.array([1.0 - 2.0 * sign])
            else:
                g, h, r, q = np.unravel_index(step - moved.size, exchanged.shape)
                columns, places, signs = np.array([r, q]), p[[q, r]], 1.0 - 2.0 * np.array([g, h])
            if not used[columns].any() and not taken[places].any():
                used[columns], taken[places] = True, True
                steps.append((columns, places, signs))
        return steps

    def _after(self, p: Array, s: Array, steps: list[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
        p, s = p.copy(), s.copy()
        for columns, places, signs in steps:
            p[columns], s[columns] = places, signs
        return p, s

    def changes(self, p: Array, s: Array) -> tuple[Array, Array]:
        """Changes of the objective.

        Returns
        -------
        moved : array of shape (2, d, k)
            When a column goes to each place with either sign while the others stay.
        exchanged : array of shape (2, 2, d, d)
            When columns r and q change places, r with either sign, q with either sign.
        """
        n, m, rows = self.n, self.m, np.arange(len(p))
        both, own = _Determinant(self, p, s, n, m), _Determinant(self, p, s, 0.0, 1.0)
        moved = (n + m) * both.of_moves() - m * own.of_moves()
        exchanged = (n + m) * both.of_exchanges() - m * own.of_exchanges()
        now = self.nodes[_which(s), rows, p]
        moved += self.nodes - now[:, None]
        at = self.nodes[:, :, p]
        exchanged += at[:, None] + at.transpose(0, 2, 1)[None] - now[:, None] - now
        exchanged[:, :, rows, rows] = np.inf
        return moved, exchanged

    def _placed(self, p: Array, s: Array) -> Array:
        return s[:, None] * s * self.B[np.ix_(p, p)]


class _Determinant:
    """Changes of ``log|M|``, M = alpha A + beta D, when rows and columns of D are replaced.

    With ``K = M^-1``, a set S of rows and columns replaced by W, and C the new block of S, the determinant changes by
    ``|K_SS| |C - W^T K W + (K W)_S^T K_SS^-1 (K W)_S|``: Schur complements, whatever W has in the rows of S.
    """

    def __init__(self, problem: ColumnProblem, p: Array, s: Array, alpha: float, beta: float) -> None:
        A, self.p, self.alpha, self.beta = problem.A, p, alpha, beta
        self.places = s[:, None] * problem.B[p]
        self.K = K = np.linalg.inv(alpha * A + beta * self.places[:, p] * s)
        self.KA, self.KB = K @ A, K @ self.places
        self.AKA, self.AKB, self.BKB = A @ self.KA, A @ self.KB, self.places.T @ self.KB
        self.A, self.B = A, problem.B

    def of_moves(self) -> Array:
        """Of log|M|, (2, d, k)."""
        a, b, g = self.alpha, self.beta, np.array([1.0, -1.0])[:, None, None]
        square = a * a * np.diag(self.AKA)[:, None] + 2 * a * b * g * self.AKB + b * b * np.diag(self.BKB)
        image = a * np.diag(self.KA)[:, None] + b * g * self.KB
        return _log(np.diag(self.K)[:, None] * (a + b - square) + image**2)

    def of_exchanges(self) -> Array:
        """Of log|M|, (2, 2, d, d)."""
        a, b, p = self.alpha, self.beta, self.p
        g, h = np.array([1.0, -1.0])[:, None, None, None], np.array([1.0, -1.0])[:, None, None]
        KA, KB, AKB, BKB = self.KA, self.KB[:, p], self.AKB[:, p], self.BKB[np.ix_(p, p)]
        AKA, own = np.diag(self.AKA), np.diag(BKB)
        # Column r stands at the place of q, with the sign g; q at that of r, with the sign h.
        square_r = a * a * AKA[:, None] + 2 * a * b * g * AKB + b * b * own
        square_q = a * a * AKA + 2 * a * b * h * AKB.T + b * b * own[:, None]
        product = a * a * self.AKA + a * b * (h * np.diag(AKB)[:, None] + g * np.diag(AKB)) + b * b * g * h * BKB.T
        # (K W)_S: images of the two new columns in the rows r and q.
        rr, qr = a * np.diag(KA)[:, None] + b * g * KB, a * KA.T + b * g * np.diag(KB)
        rq, qq = a * KA + b * h * np.diag(KB)[:, None], a * np.diag(KA) + b * h * KB.T
        K, k = self.K, np.diag(self.K)
        det = k[:, None] * k - K**2
        det_safe = np.where(det > 0, det, 1.0)

        def inner(x: Array, y: Array, u: Array, v: Array) -> Array:
            """(x, y) K_SS^-1 (u, v)^T."""
            return (k * x * u - K * (x * v + y * u) + k[:, None] * y * v) / det_safe

        first = a + b - square_r + inner(rr, qr, rr, qr)
        second = a + b - square_q + inner(rq, qq, rq, qq)
        across = a * self.A + b * g * h * self.B[np.ix_(p, p)] - product + inner(rr, qr, rq, qq)
        return _log(det * (first * second - across**2))


def _log(ratio: Array) -> Array:
    return np.log(ratio.clip(np.finfo(float).tiny))


def _which(s: Array) -> Array:
    return (s < 0).astype(int)
