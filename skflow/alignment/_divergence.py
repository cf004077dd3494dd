"""The debiased Sinkhorn divergence between weighted rows, with what each row contributes to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._affine_map import Array

LEAST_SUM = 1e-300
"""Sums below this count as this much, in double precision: nothing is divided by zero."""
LOOK_EVERY, SETTLED = 10, 1e-7
"""Iterations between two looks, and the relative change of the scalings from one to the next that ends them."""


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
    cross = _potentials(A, B, a, b, reg, codes, n_iter)
    own_a = _symmetric_potential(A, a, reg, None if codes is None else codes[0], n_iter // 4)
    own_b = _symmetric_potential(B, b, reg, None if codes is None else codes[1], n_iter // 4)
    f, g = cross[0] - own_a, cross[1] - own_b
    return Divergence(float(a @ f + b @ g), f, g)


def _class_by_class(
    A: Array, B: Array, a: Array, b: Array, reg: float, codes: tuple[Array, Array], n_iter: int
) -> Divergence:
    """The same where no class is coupled with another: each is a problem of its own, and one alone is none."""
    f, g = np.zeros(len(A)), np.zeros(len(B))
    for code in np.intersect1d(*codes):
        i, j = codes[0] == code, codes[1] == code
        part = sinkhorn_divergence(A[i], B[j], a[i], b[j], reg, None, n_iter)
        f[i], g[j] = part.of_rows, part.of_target
    return Divergence(float(a @ f + b @ g), f, g)


def _costs(A: Array, B: Array, codes: tuple[Array, Array] | None) -> Tensor:
    P, Q = torch.from_numpy(A), torch.from_numpy(B)
    C = torch.addmm((Q**2).sum(1), P, Q.T, alpha=-2.0).add_((P**2).sum(1)[:, None]).clamp_min_(0)
    if codes is not None:
        y, t = codes[0][:, None], codes[1]
        C[torch.from_numpy((y != t) & (y >= 0) & (t >= 0))] = torch.inf
    return C


def _potentials(
    A: Array, B: Array, a: Array, b: Array, reg: float, codes: tuple[Array, Array] | None, n_iter: int
) -> tuple[Array, Array]:
    """Potentials (f, g): a softmin over each row, then scalings of that stabilised kernel."""
    C = _costs(A, B, codes)
    wa, wb = torch.from_numpy(a), torch.from_numpy(b)
    log_b = wb.clamp_min(LEAST_SUM).log()
    f = -reg * torch.logsumexp(log_b - C / reg, 1)
    f = torch.where(f.isfinite(), f, 0.0)
    K = torch.exp((f[:, None] - C) / reg)
    u, v = torch.ones_like(wa), torch.ones_like(wb)
    for turn in range(n_iter):
        before, v = v, 1 / (K.T @ (wa * u)).clamp_min(LEAST_SUM)
        u = 1 / (K @ (wb * v)).clamp_min(LEAST_SUM)
        if turn % LOOK_EVERY == LOOK_EVERY - 1 and torch.allclose(v, before, rtol=SETTLED, atol=0.0):
            break
    return (f + reg * u.log()).numpy(), (reg * v.log()).numpy()


def _symmetric_potential(A: Array, a: Array, reg: float, codes: Array | None, n_iter: int) -> Array:
    """The potential of a problem between rows and themselves, by averaged updates (Feydy et al., 2019, eq. 3.24)."""
    C = _costs(A, A, None if codes is None else (codes, codes))
    wa = torch.from_numpy(a)
    K = torch.exp(-C / reg)
    u = torch.ones_like(wa)
    for turn in range(n_iter):
        before, u = u, (u / (K @ (wa * u)).clamp_min(LEAST_SUM)).sqrt()
        if turn % LOOK_EVERY == LOOK_EVERY - 1 and torch.allclose(u, before, rtol=SETTLED, atol=0.0):
            break
    return (reg * u.log()).numpy()


def typical_reg(A: Array, B: Array, share: float = 0.05) -> float:
    """A regularisation that is a `share` of the mean squared distance between two sets of rows."""
    spread = A.var(0).sum() + B.var(0).sum() + ((A.mean(0) - B.mean(0)) ** 2).sum()
    return float(share * spread + np.finfo(float).tiny)
