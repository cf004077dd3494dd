"""Matrices that are best for given moments: orthogonal, Gaussian, or filled in by regression."""

from __future__ import annotations

from typing import cast

import numpy as np

from ._affine_map import Array
from ._plan_moments import PlanMoments

EPS = 1e-12
"""Smallest variance that counts, as a share of the mean one."""


def nearest_orthogonal(M: Array) -> Array:
    """The nearest (semi-)orthogonal matrix, ``U V^T`` of the singular value decomposition ``U S V^T``.

    Directions of which M says nothing (constant columns) would be turned by rounding errors alone. There it is the
    nearest one to the identity. Of a stack of matrices (..., d, k) each is taken by itself.
    """
    U, values, Vt = np.linalg.svd(M, full_matrices=False)
    none = values <= 1e-10 * values.max(axis=-1, keepdims=True, initial=0.0)
    if not none.any():
        return cast(Array, U @ Vt)
    if M.ndim > 2:
        return np.stack([nearest_orthogonal(part) for part in M])
    left, right = U[:, none], Vt[none]
    u, _, vt = np.linalg.svd(left.T @ np.eye(*M.shape) @ right.T)
    return cast(Array, U[:, ~none] @ Vt[~none] + left @ u @ vt @ right)


def gain_of(Q: Array, moments: PlanMoments) -> float:
    """Ratio of the target's spread to the source's in the directions that Q can carry."""
    carried_x = np.einsum("ik,ij,jk->", Q, moments.cov_x, Q, optimize=True)
    carried_y = np.einsum("ik,kl,il->", Q, moments.cov_y, Q, optimize=True)
    return float(np.sqrt(carried_y / carried_x)) if carried_x > 0 and carried_y > 0 else 1.0


def completed(Q: Array, cov_y: Array, shrinkage: float = 0.01) -> Array:
    """A map to more columns, (d, k) with orthonormal rows, followed by the regression of the target on what it reaches.

    Where ``x = y Q^T``, the best linear guess at y is ``x (Q cov_y Q^T)^-1 Q cov_y``.
    """
    reached = Q @ cov_y
    gram = reached @ Q.T
    gram += (shrinkage * np.trace(gram) / len(gram) + np.finfo(float).tiny) * np.eye(len(gram))
    return cast(Array, np.linalg.solve(gram, reached))


def gaussian_map(cov_x: Array, cov_y: Array, shrinkage: float) -> Array:
    """The symmetric positive matrix that carries one covariance into the other, once both are shrunk alike."""
    variance = shrinkage * (np.trace(cov_x) + np.trace(cov_y)) / (2 * len(cov_x))
    added = (variance + np.finfo(float).tiny) * np.eye(len(cov_x))
    root, inverse_root = powers(cov_x + added, 0.5, -0.5)
    (middle,) = powers(root @ (cov_y + added) @ root, 0.5)
    return inverse_root @ middle @ inverse_root


def powers(S: Array, *exponents: float) -> list[Array]:
    """Powers of a symmetric positive matrix; eigenvalues below rounding are lifted to it."""
    values, V = np.linalg.eigh((S + S.T) / 2)
    values = values.clip(max(values.max(), 0.0) * EPS + np.finfo(float).tiny)
    return [(V * values**exponent) @ V.T for exponent in exponents]
