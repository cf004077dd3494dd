"""Entropic optimal transport on a matrix, warm-started from one solve to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from .._points import CHUNK
from ._acceleration import HeavyBall
from ._base import TransportPlan

CHECK_EVERY = 5
"""Iterations between two looks at the marginal error once the first ones did not suffice."""
MOST_HALVINGS = 64
"""Of eps, in a cold start: beyond, single precision has no digits left that would tell the levels apart."""


class MatrixCost(Protocol):
    """A cost that can be asked for its matrix, again and again."""

    def matrix(self) -> Tensor: ...


class EntropicSolver:
    """Sinkhorn's algorithm in the scaling domain, for a sequence of similar costs.

    Solves ``min <P, C> + eps KL(P | a x b)`` over couplings P of `a` and `b` (Cuturi, 2013; section 3.2). The plan is
    ``diag(u) K diag(v)`` with the stabilised kernel ``K = a b^T exp((f + g - C) / eps)``, so that an iteration is two
    matrix-vector products. The potentials f and g survive from solve to solve: in a flow they hardly change, and a few
    iterations suffice. Scalings u, v that leave a safe range are absorbed into the potentials (Schmitzer, 2019).
    The first solve halves eps from the largest cost down to its value (eps-scaling). Where a cost has changed by more
    than the kernel can hold, one iteration in the log domain comes before the others. The kernel takes the place of the
    cost, which is asked for anew where the kernel has to be rebuilt: one matrix is held, not two.

    A symmetric cost between the same weights has a symmetric plan, and averaging the two potentials after each
    iteration at least halves the error every time, at any eps (Feydy et al., 2019): no other problem is as quick.

    Parameters
    ----------
    a, b : Tensor of shape (..., n), (..., m)
        Weights, each summing to one. A batch of problems has leading dimensions, in which a weight of zero is padding.
    eps : float
        Regularisation above 0, in units of the cost.
    tol : float
        Largest accepted marginal error (L1, the mass is one), of any problem.
    max_iter : int
        Iterations of one solve.
    symmetric : bool
        Whether costs are symmetric and `a` is `b`.
    first : callable (cost) -> (f, g), optional
        Potentials of the first solve; None: by eps-scaling.
    """

    holds_plan = True

    def __init__(
        self,
        a: Tensor,
        b: Tensor,
        eps: float,
        *,
        tol: float = 1e-3,
        max_iter: int = 2000,
        symmetric: bool = False,
        first: Callable | None = None,
    ) -> None:
        self.a, self.b, self.eps, self.tol, self.max_iter = a, b, eps, tol, max_iter
        self.symmetric, self.first = symmetric, first
        self.f: Tensor | None = None
        self.g: Tensor | None = None
        # A scaling beyond this moves entries of the kernel towards the ends of the floating-point range.
        self._u, self._v = torch.ones_like(a), torch.ones_like(b)
        self._safe = math.sqrt(math.sqrt(torch.finfo(a.dtype).max)) if a.dtype == torch.float32 else 1e30
        self._tiny = torch.finfo(a.dtype).tiny
        self._least = math.log(self._tiny) + math.log(self._safe)
        self._no_row, self._no_column = (None if w.dim() == 1 else w == 0 for w in (a, b))

    def solve(self, cost: MatrixCost) -> TransportPlan:
        """Solve for the cost; its matrix is overwritten, and may be asked for again."""
        if self.f is None and self.first is not None:
            self._keep(*self.first(cost))
        elif self.f is None:
            self._cold_start(cost)
        for bring_closer in (self._log_step, self._cold_start, None):
            plan, n_iter, error = self._iterate(cost, self.eps, self.tol, self.max_iter)
            if math.isfinite(error) or bring_closer is None:
                break
            bring_closer(cost)
        plan.mul_(self._u[..., None]).mul_(self._v[..., None, :])
        f, g = self._absorb(self.eps)
        value = torch.linalg.vecdot(self.a, f) + torch.linalg.vecdot(self.b, g)
        return self._solved(cost, TransportPlan(plan, value, error, error <= self.tol, n_iter))

    def _matrix(self, cost: MatrixCost) -> Tensor:
        """The matrix of the cost, (..., n, m), which the kernel will overwrite."""
        return cost.matrix()

    def _solved(self, cost: MatrixCost, solved: TransportPlan) -> TransportPlan:
        """The result in the form that was asked for."""
        return solved

    def _log_step(self, cost: MatrixCost) -> None:
        """One iteration in the log domain, where no potential is too far away: most of the warm start is kept."""
        assert self.g is not None
        matrix = self._matrix(cost)
        f = _softmin(matrix, self.g, self.b, self.eps)
        self._keep(f, _softmin(matrix.mT, f, self.a, self.eps))

    def _cold_start(self, cost: MatrixCost) -> None:
        """Potentials by eps-scaling: rough solves at halved regularisations."""
        self.f, self.g = torch.zeros_like(self.a), torch.zeros_like(self.b)
        ratio = self._matrix(cost).max().item() / self.eps
        if not 1 < ratio < math.inf:  # nothing to scale, or nothing that is a cost
            return
        level = self.eps * min(ratio, 2.0**MOST_HALVINGS)
        while level > self.eps:
            self._iterate(cost, level, tol=0.05, max_iter=20)
            self._absorb(level)
            level /= 2

    def _iterate(self, cost: MatrixCost, eps: float, tol: float, max_iter: int) -> tuple[Tensor, int, float]:
        """Scale the kernel until the column marginals are within `tol`; the row marginals are exact throughout.

        An error that is not finite says that the potentials are of no use for this cost.
        """
        kernel, n_iter, momentum = self._build_kernel(cost, eps), 0, HeavyBall()
        while True:
            column = _apply(kernel.mT, self._u).mul_(self._v)
            n_iter += 1
            if n_iter <= 3 or n_iter % CHECK_EVERY == 0 or n_iter >= max_iter:
                error, in_range = self._look(column)
                if n_iter == 1 and not in_range:
                    return kernel, n_iter, math.nan
                if error <= tol or n_iter >= max_iter or not math.isfinite(error):
                    return kernel, n_iter, error
                momentum.look(n_iter, error)
                if not in_range:
                    self._absorb(eps)
                    kernel = self._build_kernel(cost, eps)
                    continue
            if self.symmetric:
                self._v = (self._u * self._v).sqrt_()
            else:
                self._v = self._v * momentum(self._ratio(self.b, column, self._no_column))
            self._u = self._ratio(self.a, _apply(kernel, self._v), self._no_row)

    def _build_kernel(self, cost: MatrixCost, eps: float) -> Tensor:
        """``a b^T exp((f + g - C) / eps)`` in the place of the cost, and scalings that meet the row marginals."""
        assert self.f is not None
        assert self.g is not None
        row, column = self.f.div(eps).add_(self.a.log()), self.g.div(eps).add_(self.b.log())
        kernel = self._matrix(cost).div_(-eps).add_(row[..., None]).add_(column[..., None, :])
        exponential_(kernel, self._least)
        self._v = torch.ones_like(self.b)
        self._u = self._ratio(self.a, kernel.sum(-1), self._no_row)
        return kernel

    def _ratio(self, weight: Tensor, total: Tensor, padding: Tensor | None) -> Tensor:
        ratio = weight / total.clamp_(min=self._tiny)
        return ratio if padding is None else ratio.masked_fill_(padding, 1.0)

    def _look(self, column: Tensor) -> tuple[float, bool]:
        """The marginal error, and whether the scalings are in their safe range: all that is read from the device."""
        error = (column - self.b).abs().sum(-1).max()
        (u_low, u_high), (v_low, v_high) = self._u.aminmax(), self._v.aminmax()
        values = torch.stack([error, u_high.maximum(v_high), u_low.minimum(v_low)]).tolist()
        return values[0], values[1] <= self._safe and values[2] >= 1 / self._safe

    def _absorb(self, eps: float) -> tuple[Tensor, Tensor]:
        """The potentials, with what the scalings say, which are kept."""
        assert self.f is not None
        assert self.g is not None
        f = self.f + eps * self._u.clamp(min=self._tiny).log()
        g = self.g + eps * self._v.clamp(min=self._tiny).log()
        self._keep(f, g)
        return f, g

    def _keep(self, f: Tensor, g: Tensor) -> None:
        """Keep the potentials, one for both sides where they are the same: so that the kernel is symmetric."""
        self.f, self.g = ((f + g) / 2,) * 2 if self.symmetric else (f, g)


def exponential_(exponents: Tensor, least: float) -> Tensor:
    """The exponential, in place, with nothing where an exponent is below `least`.

    Numbers below the normal range are of no account, and cost a processor ten times the others in all that follows.
    """
    return torch.threshold_(exponents, least, -1e4).exp_()


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """The product of each matrix of a batch with its vector."""
    return matrix @ vector if vector.dim() == 1 else (matrix @ vector[..., None])[..., 0]


def _softmin(cost: Tensor, potential: Tensor, weight: Tensor, eps: float) -> Tensor:
    """``-eps log sum_j w_j exp((g_j - C_ij) / eps)`` of matrices (..., n, m), a few rows at a time."""
    scores, out = potential / eps + weight.log(), torch.empty_like(cost[..., 0])
    height = max(CHUNK * cost.shape[-2] // cost.numel(), 1)
    for start in range(0, cost.shape[-2], height):
        rows = slice(start, start + height)
        out[..., rows] = torch.logsumexp(scores[..., None, :] - cost[..., rows, :] / eps, -1).mul_(-eps)
    return out
