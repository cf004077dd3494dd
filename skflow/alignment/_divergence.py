"""The debiased Sinkhorn divergence between weighted rows, with what each row contributes to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._affine_map import Array
from ._plan_step import Blocks

LEAST_SUM = 1e-300
"""Sums below this count as this much, in double precision: nothing is divided by zero."""
COMPARE_EVERY, SETTLED = 10, 1e-7
"""Iterations between two looks, and the relative change of the scalings from one to the next that ends them."""
FILLED, SMALL_PROBLEM = 1.5, 2**17
"""Size of classes that are filled up to be solved together, over their own; and up to which it is of no account."""


@dataclass(frozen=True)
class Divergence:
    """A debiased Sinkhorn divergence as a sum over the rows of both sides.

    Parameters
    ----------
    value : float
        ``S(A, B) = OT(A, B) - OT(A, A) / 2 - OT(B, B) / 2`` (Genevay, Peyré, Cuturi, 2018; Feydy et al., 2019).
    of_rows : array of shape (n,)
    of_target : array of shape (m,)
        The potentials of the three problems put together, whose weighted means add up to `value`. They are the
        divergence's influence function, so that their spread gives its standard error (Mena and Niles-Weed, 2019).
    """

    value: float
    of_rows: Array
    of_target: Array


def sinkhorn_divergence(
    A: Array, B: Array, a: Array, b: Array, reg: float, codes: tuple[Array, Array] | None = None, n_iter: int = 100
) -> Divergence:
    """Divergence between rows `A` with weights `a` and rows `B` with weights `b`, for the squared distance.

    Parameters
    ----------
    reg : float
        Regularisation, in units of the squared distance.
    codes : pair of integer arrays, optional
        Codes of either side's rows: only rows whose codes are equal, or of which one is -1, are coupled.
    """
    if codes is not None and (codes[0] >= 0).all() and (codes[1] >= 0).all():
        return _class_by_class(A, B, a, b, reg, codes, n_iter)
    P, Q = torch.from_numpy(A), torch.from_numpy(B)
    own = (None, None) if codes is None else tuple((side, side) for side in codes)
    costs = _costs(P, Q, codes), _costs(P, P, own[0]), _costs(Q, Q, own[1])
    f, g = (part.numpy() for part in _debiased(*costs, torch.from_numpy(a), torch.from_numpy(b), reg, n_iter))
    return Divergence(float(a @ f + b @ g), f, g)


def _class_by_class(
    A: Array, B: Array, a: Array, b: Array, reg: float, codes: tuple[Array, Array], n_iter: int
) -> Divergence:
    """The same where no class is coupled with another: each is a problem of its own, and one alone is none.

    Classes of about the same size are solved together, filled up with rows without weight.
    """
    f, g = np.zeros(len(A)), np.zeros(len(B))
    for classes in _alike(*codes):
        rows, cols = (Blocks.of_codes(own, classes) for own in codes)
        P, Q = rows.split(torch.from_numpy(A)), cols.split(torch.from_numpy(B))
        weights = rows.masses(torch.from_numpy(a)), cols.masses(torch.from_numpy(b))
        parts = _debiased(_costs(P, Q), _costs(P, P), _costs(Q, Q), *weights, reg, n_iter)
        f, g = f + rows.joined(parts[0]), g + cols.joined(parts[1])
    return Divergence(float(a @ f + b @ g), f, g)


def _alike(y: Array, t: Array) -> Iterator[Array]:
    """Classes that both sides have, the larger first, in groups that filling up does not blow up."""
    classes = np.intersect1d(y, t)
    sizes = np.array([[(y == code).sum(), (t == code).sum()] for code in classes]).reshape(-1, 2)
    order = np.argsort(-sizes.max(axis=1), kind="stable")
    while len(order):
        n, m = np.maximum.accumulate(sizes[order]).T
        filled, own = np.arange(1, len(order) + 1) * n * m, sizes[order].prod(axis=1).cumsum()
        fit = filled <= np.maximum(FILLED * own, SMALL_PROBLEM)
        end = len(fit) if fit.all() else max(int(fit.argmin()), 1)
        yield classes[order[:end]]
        order = order[end:]


def _costs(P: Tensor, Q: Tensor, codes: tuple[Array, Array] | None = None) -> Tensor:
    """Squared distances (..., n, m)."""
    C = (P**2).sum(-1)[..., None] + (Q**2).sum(-1)[..., None, :]
    C = C.sub_(P @ Q.mT, alpha=2).clamp_min_(0)
    if codes is not None:
        y, t = codes[0][:, None], codes[1]
        C[torch.from_numpy((y != t) & (y >= 0) & (t >= 0))] = torch.inf
    return C


def _debiased(
    cross: Tensor, own_a: Tensor, own_b: Tensor, a: Tensor, b: Tensor, reg: float, n_iter: int
) -> tuple[Tensor, Tensor]:
    """What each row contributes, (..., n) and (..., m), by the costs between both sides and within either."""
    f, g = _potentials(cross, a, b, reg, n_iter)
    return f - _symmetric_potential(own_a, a, reg, n_iter // 4), g - _symmetric_potential(own_b, b, reg, n_iter // 4)


def _potentials(C: Tensor, a: Tensor, b: Tensor, reg: float, n_iter: int) -> tuple[Tensor, Tensor]:
    """Potentials (f, g): a softmin over each row, then scalings of that stabilised kernel."""
    log_b = b.clamp_min(LEAST_SUM).log()
    f = -reg * torch.logsumexp(log_b[..., None, :] - C / reg, -1)
    f = torch.where(f.isfinite(), f, 0.0)
    K = torch.exp((f[..., None] - C) / reg)
    u, v = torch.ones_like(a), torch.ones_like(b)
    for turn in range(n_iter):
        before, v = v, 1 / _times(K.mT, a * u).clamp_min(LEAST_SUM)
        u = 1 / _times(K, b * v).clamp_min(LEAST_SUM)
        if turn % COMPARE_EVERY == COMPARE_EVERY - 1 and torch.allclose(v, before, rtol=SETTLED, atol=0.0):
            break
    return f + reg * u.log(), reg * v.log()


def _symmetric_potential(C: Tensor, a: Tensor, reg: float, n_iter: int) -> Tensor:
    """The potential of a problem between rows and themselves, by averaged updates (Feydy et al., 2019, eq. 3.24)."""
    K = torch.exp(-C / reg)
    u = torch.ones_like(a)
    for turn in range(n_iter):
        before, u = u, (u / _times(K, a * u).clamp_min(LEAST_SUM)).sqrt()
        if turn % COMPARE_EVERY == COMPARE_EVERY - 1 and torch.allclose(u, before, rtol=SETTLED, atol=0.0):
            break
    return reg * u.log()


def _times(K: Tensor, vectors: Tensor) -> Tensor:
    """Each matrix times its vector."""
    return (K @ vectors[..., None])[..., 0]


def typical_reg(A: Array, B: Array, share: float = 0.05) -> float:
    """A regularisation that is a `share` of the mean squared distance between two sets of rows."""
    spread = A.var(0).sum() + B.var(0).sum() + ((A.mean(0) - B.mean(0)) ** 2).sum()
    return float(share * spread + np.finfo(float).tiny)
