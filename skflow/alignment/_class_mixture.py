"""Classes as heavy-tailed distributions about a mean, fitted to rows of which some have labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ._affine_map import Array

DEGREES = 5.0
"""Degrees of freedom of each class's t distribution: a row far out tells little of its class."""
LEAST = 1e-9
"""Mass below which a class counts as this much."""


@dataclass(frozen=True)
class ClassMixture:
    """A t distribution for each of K classes.

    Parameters
    ----------
    means : Tensor of shape (K, d)
    roots : Tensor of shape (K, d, d)
        Lower triangular Cholesky factors of the scatter matrices.
    """

    means: Tensor
    roots: Tensor

    @classmethod
    def of(cls, Z: Tensor, shares: Tensor, ridge: Tensor) -> ClassMixture:
        """From rows (n, d), each of which belongs to the classes with some shares (n, K).

        Moments, then once more with rows weighted by how far out they are (Peel and McLachlan, "Robust mixture
        modelling using the t distribution", 2000). A class's scatter is estimated as if it had d more rows of what all
        classes have together; `ridge` (d,) is added to the columns' variances.
        """
        first = cls._of_weighted(Z, shares, shares, ridge)
        weights = (DEGREES + Z.shape[1]) / (DEGREES + first._squared_distances(Z))
        return cls._of_weighted(Z, shares, shares * weights, ridge)

    @classmethod
    def _of_weighted(cls, Z: Tensor, shares: Tensor, weights: Tensor, ridge: Tensor) -> ClassMixture:
        mass, d = shares.sum(0).clamp_min(LEAST), Z.shape[1]
        means = weights.T @ Z / weights.sum(0).clamp_min(LEAST)[:, None]
        scatters = [(Z - means[k]).T @ (weights[:, k, None] * (Z - means[k])) for k in range(len(means))]
        scatter = torch.stack(scatters)
        scatter = (scatter + d * scatter.sum(0) / mass.sum()) / (mass + d)[:, None, None]
        return cls(means, torch.linalg.cholesky(scatter + torch.diag(ridge)))

    def log_densities(self, Z: Tensor) -> Tensor:
        """Of rows (n, d) in each class, (n, K), up to a constant."""
        log_determinants = self.roots.diagonal(dim1=1, dim2=2).log().sum(1)
        return -(DEGREES + Z.shape[1]) / 2 * torch.log1p(self._squared_distances(Z) / DEGREES) - log_determinants

    def _squared_distances(self, Z: Tensor) -> Tensor:
        """Mahalanobis distances of rows (n, d) from each class, squared, (n, K)."""
        whitened = torch.linalg.solve_triangular(self.roots, (Z[None] - self.means[:, None]).mT, upper=False)
        return cast(Tensor, (whitened**2).sum(1).T)


def class_shares(codes: Array | None, classes: Array, n: int) -> tuple[Tensor, Tensor]:
    """Shares (n, K), one in the class of each row's code, and whether a row's code is known, (n,)."""
    shares = np.zeros((n, len(classes)))
    if codes is not None:
        shares[codes[:, None] == classes] = 1.0
    return torch.from_numpy(shares), torch.from_numpy(shares.sum(1) > 0)
