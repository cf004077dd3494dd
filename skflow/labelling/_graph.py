"""A graph of nearest neighbours, over which beliefs spread."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ._beliefs import TINY, rows_to_one

FARTHEST = 5.0
"""Distance, in median ones, from which on neighbours have the least weight."""

MAX_ITER = 1000
"""Most iterations of conjugate gradients; about a hundred are enough at ``alpha=0.99``."""


class NeighbourGraph:
    """Nearest neighbours in the leading principal components, with weights that fall with the distance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        At least two samples.
    n_neighbors : int, default=5
        Neighbours of each sample; fewer where there are not so many.
    n_components : int, default=50
        Principal components in which neighbours are sought.

    Attributes
    ----------
    weights : csr_array of shape (n_samples, n_samples)
        Symmetric; ``exp(-(distance / median distance)^2)`` between neighbours.

    Raises
    ------
    ValueError
        For fewer than two samples.
    """

    def __init__(self, X: np.ndarray, n_neighbors: int = 5, n_components: int = 50) -> None:
        n = len(X)
        if n < 2:
            raise ValueError(f"A neighbour graph needs at least 2 samples, got n_samples={n}.")
        X = np.asarray(X, dtype=np.float64)
        # Lengths in units of the data's own spread: squares of distances neither overflow nor vanish.
        self._centre, self._unit = X.mean(axis=0), float(np.abs(X - X.mean(axis=0)).max()) or 1.0
        X, self._pca = (X - self._centre) / self._unit, None
        if X.any():  # constant rows have no variance to explain
            self._pca = PCA(min(n_components, *X.shape), random_state=0).fit(X)
        rows = X if self._pca is None else self._pca.transform(X)
        # scikit-learn's trees run in joblib's threads, which set the process's warning filters.
        self._neighbours = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1), algorithm="brute").fit(rows)
        self._own = distances, columns = self._neighbours.kneighbors()
        self._scale = float(np.median(distances)) or 1.0
        indptr = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)  # scikit-learn takes no int64 here
        directed = sparse.csr_array(
            (self._kernel(distances).ravel(), columns.ravel().astype(np.int32), indptr), shape=(n, n)
        )
        self.weights = directed.maximum(directed.T).tocsr()
        self.degrees = np.asarray(self.weights.sum(axis=1)).ravel()
        root = sparse.diags_array(self.degrees**-0.5)
        self.normalised = (root @ self.weights @ root).tocsr()

    def _kernel(self, distances: np.ndarray) -> np.ndarray:
        lengths = np.minimum(distances / self._scale, FARTHEST)
        return np.exp(-(lengths**2)) + 1e-6  # an outlier, too, hangs on to something

    def spread(self, evidence: np.ndarray, alpha: float = 0.99) -> np.ndarray:
        """Spread evidence over the graph, as :class:`sklearn.semi_supervised.LabelSpreading` spreads labels.

        Parameters
        ----------
        evidence : ndarray of shape (n_samples, n_classes) or (n_pieces, n_samples, n_classes)
            Non-negative; a row of zeros knows nothing. Several pieces are spread at once, in the time of few.
        alpha : float, default=0.99
            Share that each sample takes from its neighbours.

        Returns
        -------
        ndarray of the shape of `evidence`
            Beliefs: rows that sum to one.
        """
        pieces = evidence if evidence.ndim == 3 else evidence[None]
        n_pieces, n, n_classes = pieces.shape
        solved = self._solve(pieces.transpose(1, 0, 2).reshape(n, -1), alpha)
        beliefs = rows_to_one(np.maximum(solved.reshape(-1, n_classes), TINY)).reshape(n, n_pieces, n_classes)
        return beliefs.transpose(1, 0, 2).reshape(evidence.shape)

    def _solve(self, columns: np.ndarray, alpha: float, rtol: float = 1e-6) -> np.ndarray:
        """``(1 - alpha) (I - alpha S)^-1 columns`` by conjugate gradients, all columns side by side."""
        solved, rest = np.zeros_like(columns), (1 - alpha) * columns
        direction, left = rest, np.square(rest).sum(axis=0)
        goal = rtol**2 * left
        for _ in range(MAX_ITER):
            going = left > goal
            if not going.any():
                break
            image = direction - alpha * (self.normalised @ direction)
            step = np.where(going, left, 0) / np.where(going, (direction * image).sum(axis=0), 1)
            solved, rest = solved + step * direction, rest - step * image
            before, left = np.where(going, left, 1), np.square(rest).sum(axis=0)
            direction = rest + np.where(going, left, 0) / before * direction
        return solved

    def extend(self, X: np.ndarray, beliefs: np.ndarray) -> np.ndarray:
        """Beliefs about unseen rows `X`, from those about their nearest neighbours in the graph."""
        X = (np.asarray(X, dtype=np.float64) - self._centre) / self._unit
        distances, columns = self._neighbours.kneighbors(X if self._pca is None else self._pca.transform(X))
        return rows_to_one(np.einsum("nj,njk->nk", self._kernel(distances), beliefs[columns]))

    def left_out(self, beliefs: np.ndarray) -> np.ndarray:
        """Beliefs about the graph's own rows, from those about their nearest neighbours alone."""
        distances, columns = self._own
        return rows_to_one(np.einsum("nj,njk->nk", self._kernel(distances), beliefs[columns]))

    def cut(self, labels: np.ndarray) -> float:
        """Share of the graph's weight that lies between samples of different labels (codes from 0)."""
        edges = self.weights.tocoo()
        return float(edges.data[labels[edges.row] != labels[edges.col]].sum() / edges.data.sum())
