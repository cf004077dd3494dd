"""Wasserstein distances between Gaussian label distributions, by class factors (section 3.3).

A class with points x_i and weights w_i (summing to one) has the factor ``A = diag(sqrt(w)) (x - mu)``, so that its
covariance is ``A^T A``. With B the factor of another class,

    W2^2 = ||mu - nu||^2 + ||A||^2 + ||B||^2 - 2 ||A B^T||_*        (nuclear norm)
         = ||mu - nu||^2 + min_Q ||A - Q B||^2                      (over partial isometries Q)

and the minimiser Q is the orthogonal polar factor of ``A B^T``. No d x d root is taken, and singular covariances are
ordinary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._points import CHUNK

RESOLVED = 1e-7
"""Singular values that are resolved, relative to the norm; the rounding in null spaces grows by the inverse, and its
cube is left."""
ORTHOGONAL = 1e-7
"""Length beside the largest from which on a direction is no rounding error of a Gram matrix."""
ROUNDING = 16.0
"""Deviations from a class's mean, in units of rounding, up to which its points are one."""


def class_factor(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (..., d) and factor (..., n_k, d) of points `x` (..., n_k, d) with weights `w` (..., n_k) summing to one."""
    mu = (w[..., None, :] @ x)[..., 0, :]
    deviation = x - mu[..., None, :]
    # Equal points deviate by rounding, and any direction is as good as another to a polar factor.
    distinct = _largest(deviation) > ROUNDING * torch.finfo(x.dtype).eps * _largest(x)
    return mu, deviation.mul_((w.sqrt() * distinct[..., None])[..., None])


def _largest(x: Tensor) -> Tensor:
    """Largest absolute value (...,) of matrices (..., n, d)."""
    return torch.maximum(x.amax((-2, -1)), -x.amin((-2, -1)))  # without a copy of absolute values


def bures_wasserstein(mu: Tensor, factor: Tensor, nu: Tensor, other: Tensor) -> Tensor:
    """Squared W2 distance between ``N(mu, factor^T factor)`` and ``N(nu, other^T other)``."""
    nuclear = torch.linalg.svdvals(core(factor) @ core(other).T).sum()
    spread = factor.square().sum() + other.square().sum() - 2 * nuclear
    return ((mu - nu).square().sum() + spread).clamp(min=0.0)


def core(factor: Tensor) -> Tensor:
    """A factor of the same covariance with no more rows than columns."""
    return factor if factor.shape[-2] <= factor.shape[-1] else torch.linalg.qr(factor, mode="r").R


def orthogonal_core(factor: Tensor) -> tuple[Tensor | None, Tensor]:
    """Its core (..., d, d), and the matrix that makes orthonormal columns of the factor; None where it is the core.

    From the factor's Gram matrix in double precision: as exact as an orthogonalisation in single precision, quicker,
    and without a copy of the factor. Directions that are rounding errors beside the largest are left out.
    """
    if factor.shape[-2] <= factor.shape[-1]:
        return None, factor
    squares, axes = torch.linalg.eigh(_gram(factor))
    lengths = squares.clamp(min=0).sqrt()
    present = lengths > ORTHOGONAL * lengths.amax(-1, keepdim=True)
    inverse = present / torch.where(present, lengths, 1.0)
    return (axes * inverse[..., None, :]).to(factor), ((present * lengths)[..., None] * axes.mT).to(factor)


def _gram(factor: Tensor) -> Tensor:
    """``factor^T factor`` in double precision, some rows at a time."""
    height = max(CHUNK // factor[..., 0, :].numel(), 1)
    gram = factor.new_zeros(*factor.shape[:-2], *2 * factor.shape[-1:], dtype=torch.float64)
    for rows in factor.split(height, dim=-2):
        some = rows.double()
        gram += some.mT @ some
    return gram


def polar_factor(factor: Tensor, other: Tensor) -> Tensor:
    """The partial isometry Q (..., n_k, n_l) that maximises ``<Q, factor @ other.T>``.

    By Newton-Schulz iteration with the optimal scaling of Chen & Chow (2014): matrix products alone, which GPUs like
    better than an SVD. Singular values never pass one, so that what is not yet converged (those below the square root
    of the rounding unit, relative to the largest) makes ``W2^2`` larger, never smaller. Where a class has more points
    than dimensions the iteration runs on d x d cores.
    """
    if max(factor.shape[-2], other.shape[-2]) > factor.shape[-1]:
        left, r = torch.linalg.qr(factor)
        right, s = torch.linalg.qr(other)
        return left @ newton_schulz(r @ s.mT) @ right.mT
    return newton_schulz(factor @ other.mT)


def newton_schulz(m: Tensor) -> Tensor:
    """Orthogonal polar factors of matrices (..., p, q), see :func:`polar_factor`; null spaces are left out."""
    if m.shape[-2] > m.shape[-1]:
        return newton_schulz(m.mT).mT
    tiny = torch.finfo(m.dtype).tiny
    largest = torch.linalg.vector_norm(m, math.inf, dim=(-2, -1), keepdim=True)
    x = m / largest.clamp(min=tiny)  # whose squares neither over- nor underflow
    x = (x / torch.linalg.norm(x, dim=(-2, -1), keepdim=True).clamp(min=tiny)).view(-1, *m.shape[-2:])
    smallest = max(torch.finfo(m.dtype).eps ** 0.5, RESOLVED)
    while smallest < 1 - 1e-3:
        alpha = math.sqrt(3 / (1 + smallest + smallest**2))
        x = torch.baddbmm(x, x @ x.mT, x, beta=1.5 * alpha, alpha=-0.5 * alpha**3)
        smallest = 0.5 * alpha * smallest * (3 - (alpha * smallest) ** 2)
    # From here on it converges quadratically: 1e-3, 1e-6, 1e-12, rounding.
    for _ in range(1 if m.dtype == torch.float32 else 2):
        x = torch.baddbmm(x, x @ x.mT, x, beta=1.5, alpha=-0.5)
    # s -> (5 s^3 - 3 s^5) / 2 does so too, and leaves of null spaces the cube of their rounding errors: rows that are
    # the same stay the same, however many steps they flow.
    gram = x @ x.mT
    cube = gram @ x
    return torch.baddbmm(cube, gram, cube, beta=2.5, alpha=-1.5).view_as(m)


def gaussian_class_plan(x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
    """The Gaussian label distance written as a transport cost between the samples of two classes.

    ``R = w w'^T + diag(sqrt(w)) Q diag(sqrt(w'))``, with Q centred so that R has the marginals w and w'. R is signed,
    and ``sum_ij R_ij ||x_i - x'_j||^2 = W2^2(N(mu, Sigma), N(nu, Sigma'))``. For any other R of this form the sum is an
    upper bound: an R from an earlier step still gives a distance that is off in second order only.
    """
    return centred_plan(polar_factor(class_factor(x, w)[1], class_factor(x_target, w_target)[1]), w, w_target)


def centred_plan(q: Tensor, w: Tensor, w_target: Tensor) -> Tensor:
    """The plan R of a polar factor Q (..., n_k, n_l), see :func:`gaussian_class_plan`."""
    root, root_target = w.sqrt()[..., None], w_target.sqrt()[..., None, :]
    q = q - root * (root.mT @ q)  # (I - sqrt(w) sqrt(w)^T) Q: the factor's rows are orthogonal to sqrt(w)
    q = q - (q @ root_target.mT) * root_target
    return w[..., None] * w_target[..., None, :] + root * q * root_target
