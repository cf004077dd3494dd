"""Nearest neighbours in the target's leading principal axes."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

AXES = 60
"""Principal axes of the target that distances are taken in."""


def common_axes(X: np.ndarray, X_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sides centred, in units of the target's spread, in its leading principal axes and how far off these."""
    target = X_target.astype(np.float64)
    centre = target.mean(axis=0)
    target = target - centre
    unit = float(np.abs(target).max()) or 1.0
    target, source = target / unit, (X.astype(np.float64) - centre) / unit
    axes = min(AXES, target.shape[1], len(target) - 1)
    if axes == target.shape[1] or not target.any():
        return source, target
    project = PCA(axes, random_state=0).fit(target)

    def seen(rows: np.ndarray) -> np.ndarray:
        inside = project.transform(rows)
        left = np.square(rows - project.mean_).sum(axis=1) - np.square(inside).sum(axis=1)
        return np.column_stack([inside, np.sqrt(np.maximum(left, 0))])

    return seen(source), seen(target)


class Nearest:
    """Neighbours among given rows; scikit-learn's trees would run in threads that set the process's warning filters."""

    def __init__(self, rows: np.ndarray) -> None:
        self.n_rows = len(rows)
        self._search = NearestNeighbors(algorithm="brute").fit(rows)

    def of_own(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and numbers of the `k` nearest others of each row."""
        return self._search.kneighbors(n_neighbors=k)

    def of(self, X: np.ndarray, k: int, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distances and numbers of the `k` nearest of the rows `X`; `own` says which of these the rows are."""
        if own is None:
            return self._search.kneighbors(X, n_neighbors=min(k, self.n_rows))
        distances, numbers = self._search.kneighbors(X, n_neighbors=k + 1)
        itself = own[numbers] == np.arange(len(X))[:, None]
        last = ~itself.any(axis=1)
        itself[last, -1] = True
        return distances[~itself].reshape(len(X), k), numbers[~itself].reshape(len(X), k)
