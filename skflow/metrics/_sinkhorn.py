"""Entropic transport costs between weighted points, all in memory and in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from ..transport import squared_distances

MOST_ITERATIONS = 500
LOOK_EVERY = 10
"""Iterations between two looks at the marginal error."""
COARSER = 4.0
"""Factor between the regularisations of the start."""
COARSE_ITER = 50
"""Iterations at most at each of these."""
OVERRELAXED = 1.9
"""Exponent of the updates at the last regularisation; plain ones take many times as many steps between distant groups.

A. Thibault, L. Chizat, C. Dossal, N. Papadakis, "Overrelaxed Sinkhorn-Knopp Algorithm for Regularized Optimal
Transport", Algorithms, 2021.
"""
SAFE = 1e30
"""Scalings beyond this, or below its inverse, are moved into the kernel before products of them leave the range."""
LEAST_EXPONENT = -300.0
"""Exponents below this are those of zeros: products with numbers near the least float are slow."""


def transport_cost(x: Tensor, y: Tensor, a: Tensor, b: Tensor, reg: float, tol: float) -> tuple[float, float]:
    """Optimal value of ``<P, C> + reg KL(P | a b^T)``, C being squared distances, and the marginal error of the plan.

    Sinkhorn's iteration on the kernel of a few regularisations, from coarse to fine: the coarse ones settle how much
    mass goes from one group of points to another, which takes the fine one long. The value is that of the dual problem,
    which is off by the square of what the plan is off.

    Parameters
    ----------
    x, y : Tensor of shape (n, d), (m, d)
        Points.
    a, b : Tensor of shape (n,), (m,)
        Weights, positive; each sums to one.
    reg : float
        Entropic regularisation, in units of the cost.
    tol : float
        Accepted marginal error, L1.
    """
    shift = b @ y - a @ x  # what all rows share costs its square, whatever the plan
    cost = squared_distances(x - a @ x, y - b @ y)
    f = cost.min(dim=1).values
    g = (cost - f[:, None]).min(dim=0).values
    *coarse, last = _schedule(cost.max().item(), reg)
    for eps in coarse:
        f, g, _ = _iterate(f, g, cost, a, b, eps, 10 * tol, COARSE_ITER)
    f, g, error = _iterate(f, g, cost, a, b, last, tol, MOST_ITERATIONS, OVERRELAXED)
    return (a @ f + b @ g + shift @ shift).item(), error


def self_transport_cost(x: Tensor, a: Tensor, reg: float, tol: float) -> tuple[float, float]:
    """:func:`transport_cost` of points to themselves: one potential, by the symmetric iteration, in a few steps."""
    kernel = (-squared_distances(x, x) / reg).exp()
    u, error = 1 / (kernel @ a).sqrt(), 2.0
    for _ in range(MOST_ITERATIONS):
        row_sums = u * (kernel @ (a * u))
        error = (a * (row_sums - 1)).abs().sum().item()
        if error <= tol:
            break
        u = u / row_sums.sqrt()
    return 2 * (a @ (reg * u.log())).item(), error


def _schedule(coarsest: float, reg: float) -> list[float]:
    """Regularisations, from one as large as the cost down to `reg`."""
    schedule = [reg]
    while schedule[-1] < coarsest:
        schedule.append(COARSER * schedule[-1])
    return schedule[::-1]


def _iterate(
    f: Tensor,
    g: Tensor,
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    eps: float,
    tol: float,
    max_iter: int,
    relaxation: float = 1.0,
) -> tuple[Tensor, Tensor, float]:
    """Potentials at the regularisation `eps`, from those of another, and their marginal error."""
    f = f + (cost - f[:, None] - g).min(dim=1).values  # a one in each row of the kernel, and in each column
    g = g + (cost - f[:, None] - g).min(dim=0).values
    kernel, u, v, error, power = _kernel(f, g, cost, eps), torch.ones_like(a), torch.ones_like(b), 2.0, 1.0
    for step in range(1, max_iter + 1):
        u = u ** (1 - power) / (kernel @ (b * v)) ** power
        v = v ** (1 - power) / ((a * u) @ kernel) ** power
        if max(u.max(), v.max()) > SAFE or min(u.min(), v.min()) < 1 / SAFE:
            f, g = f + eps * u.log(), g + eps * v.log()
            kernel, u, v = _kernel(f, g, cost, eps), torch.ones_like(a), torch.ones_like(b)
        if step % LOOK_EVERY == 0:
            before, error = error, (a * (u * (kernel @ (b * v)) - 1)).abs().sum().item()
            if error <= tol:
                break
            power = relaxation if error < 2 * before else 1.0
    v = 1 / ((a * u) @ kernel)  # the dual value is the sum of the potentials where the plan has a mass of one
    return f + eps * u.log(), g + eps * v.log(), error


def _kernel(f: Tensor, g: Tensor, cost: Tensor, eps: float) -> Tensor:
    exponents = (f[:, None] + g - cost) / eps
    return exponents.masked_fill_(exponents < LEAST_EXPONENT, -torch.inf).exp_()
