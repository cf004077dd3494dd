"""From label distributions back to discrete labels: embedding, noise, names (section 6.1, jd-vl)."""

from __future__ import annotations

from itertools import chain, count

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
    if factor is None:
        return mean
    if labels.covariance == "diag":
        return torch.cat([mean, factor.abs()], 1)
    d = mean.shape[1]
    if d > ROOT_DIMENSIONS:
        return torch.cat([mean, torch.linalg.vector_norm(factor, dim=1)], 1)
    _, s, v = torch.linalg.svd(factor, full_matrices=False)
    root = v.mT @ (s[:, :, None] * v)
    i, j = torch.triu_indices(d, d, device=mean.device)
    return torch.cat([mean, root[:, i, j] * torch.where(i == j, mean.new_tensor(1.0), mean.new_tensor(2**0.5))], 1)


def check_clusters(clusterer: object, clusters: object, n: int) -> np.ndarray:
    """What a clusterer answered for `n` points, as integers; raises ValueError where it is not one for each."""
    found = np.asarray(clusters)
    if found.shape != (n,):
        came = "None" if clusters is None else f"an array of shape {found.shape}"
    elif found.dtype.kind in "iub" or (found.dtype.kind == "f" and (found == np.rint(found)).all()):
        return found.astype(np.int64)
    else:
        came = f"values such as {found.tolist()[0]!r}" if found.dtype.kind != "f" else "numbers that are not whole"
    raise ValueError(
        f"clusterer={clusterer!r}: fit_predict must return an integer for each of {n} points (-1 is noise), got {came}."
    )


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


def keep_names(
    clusters: np.ndarray, before: np.ndarray, classes: np.ndarray, used: list
) -> tuple[np.ndarray, np.ndarray]:
    """Names (K,) of the clusters and the code (n,) of each particle's.

    A cluster is named after the class that it overlaps most, one to one; one that is left over gets a new name.

    Parameters
    ----------
    clusters : ndarray of shape (n,)
        Cluster ids, of no meaning from one clustering to the next.
    before : ndarray of shape (n,)
        Codes of the classes so far.
    classes : ndarray
        Their names.
    used : list
        All names that there have been; a new class gets none of these.

    Returns
    -------
    names : ndarray of shape (K,)
        Sorted, where their kind allows, in the dtype of `classes`, where that holds them.
    codes : ndarray of shape (n,)
    """
    _, cluster = np.unique(clusters, return_inverse=True)
    overlap = np.zeros((cluster.max() + 1, len(classes)), dtype=int)
    np.add.at(overlap, (cluster, before), 1)
    names: list = [None] * len(overlap)
    named = np.zeros(len(overlap), dtype=bool)
    for row, column in zip(*linear_sum_assignment(-overlap)):
        if overlap[row, column]:
            names[row], named[row] = classes[column : column + 1].tolist()[0], True
    taken = list(used)
    for row in np.flatnonzero(~named):
        names[row] = _new_name(classes[overlap[row].argmax()], classes.dtype, taken)
        taken.append(names[row])
    array = _as_array(names, classes.dtype)
    try:
        order = np.argsort(array, kind="stable")
    except TypeError:  # objects of several kinds
        order = np.arange(len(array))
    return array[order], order.argsort()[cluster]


def _new_name(parent: object, dtype: np.dtype, taken: list) -> object:
    """The next number, or the parent's name with one: "cat" splits into "cat" and "cat-2"."""
    if isinstance(parent, int | float | np.number | np.bool_):
        kind = int if isinstance(parent, int | np.integer | np.bool_) else float
        numbers = [name for name in taken if isinstance(name, int | float)]
        largest = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
        # From the largest on; where there is no next number, the smallest that is free.
        candidates = map(kind, chain([max(numbers) + 1], count()))
        return next(number for number in candidates if number not in taken and number <= largest)
    return next(name for i in count(2) if (name := f"{parent}-{i}") not in taken)


def _as_array(names: list, dtype: np.dtype) -> np.ndarray:
    """The names in `dtype` where that holds them, in a wider one of its kind, or as objects."""
    array = np.empty(len(names), dtype=object)
    array[:] = names
    if dtype.kind in "US":
        return array.astype(dtype.kind)
    try:
        same = array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return array
    return same if same.tolist() == names else array
