"""From label distributions back to discrete labels: embedding, noise, names (section 6.1, jd-vl)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..transport import GaussianLabels

ROOT_DIMENSIONS = 32
"""Features up to which covariances are embedded by their square roots, with d (d + 1) / 2 numbers each."""


def embed(labels: GaussianLabels) -> Tensor:
    """Points whose Euclidean distances stand in for W2 between label distributions, shape (L, q).

    ``[mu, Sigma^(1/2)]``, the upper triangle of the root with off-diagonal entries times the square root of two. Then
    ``||Sigma^(1/2) - Sigma'^(1/2)||`` is at least the Bures distance, and equal to it where the two commute. For
    diagonal covariances, and for full ones of many dimensions, ``[mu, sqrt(diag Sigma)]``: exact for diagonal ones,
    at most W2 for others.
    """
    mean, factor = labels.mean, labels.factor
    if labels.covariance == "means":
        return mean
    if labels.covariance == "diag":
        return torch.cat([mean, factor.abs()], 1)
    d = mean.shape[1]
    if d > ROOT_DIMENSIONS:
        return torch.cat([mean, torch.linalg.vector_norm(factor, dim=1)], 1)
    _, s, v = torch.linalg.svd(factor, full_matrices=False)
    root = v.mT @ (s[:, :, None] * v)
    i, j = torch.triu_indices(d, d, device=mean.device)
    return torch.cat([mean, root[:, i, j] * torch.where(i == j, 1.0, 2**0.5).to(mean.dtype)], 1)


def absorb_noise(clusters: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Clusters with noise (-1) put into the one of the nearest centroid; None where all is noise."""
    noise = clusters == -1
    if noise.all():
        return None
    if noise.any():
        ids = np.unique(clusters[~noise])
        centroids = np.array([points[clusters == c].mean(axis=0) for c in ids])
        distances = ((points[noise, None] - centroids) ** 2).sum(axis=2)
        clusters = clusters.copy()
        clusters[noise] = ids[distances.argmin(axis=1)]
    return clusters


def keep_names(clusters: np.ndarray, before: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Name (n,) of each particle's cluster: that of the class it overlaps most, one to one, or a new one.

    Parameters
    ----------
    clusters : ndarray of shape (n,)
        Cluster ids, of no meaning from one clustering to the next.
    before : ndarray of shape (n,)
        Names of the classes so far.
    used : ndarray
        All names that there have been; a new class gets none of these.
    """
    _, cluster = np.unique(clusters, return_inverse=True)
    classes, code = np.unique(before, return_inverse=True)
    overlap = np.zeros((cluster.max() + 1, len(classes)), dtype=int)
    np.add.at(overlap, (cluster, code), 1)
    names: list = [None] * len(overlap)
    for row, column in zip(*linear_sum_assignment(-overlap)):
        if overlap[row, column]:
            names[row] = classes[column].item()
    taken = used.tolist()
    for row in (row for row, name in enumerate(names) if name is None):
        names[row] = _new_name(classes[overlap[row].argmax()].item(), taken)
        taken.append(names[row])
    return np.array(names)[cluster]


def _new_name(parent: object, taken: list) -> object:
    """The next number, or the parent's name with one: "cat" splits into "cat" and "cat-2"."""
    if isinstance(parent, int | float) and not isinstance(parent, bool):
        return type(parent)(max(taken) + 1)
    number = 2
    while f"{parent}-{number}" in taken:
        number += 1
    return f"{parent}-{number}"
