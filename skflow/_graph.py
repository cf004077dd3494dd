"""A graph of nearest neighbours, over which beliefs spread."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

TINY = 1e-12
"""Keeps logarithms and quotients of beliefs finite."""


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
    """

    def __init__(self, X: np.ndarray, n_neighbors: int = 5, n_components: int = 50) -> None:
        n = len(X)
        if n < 2:
            raise ValueError(f"A neighbour graph needs at least 2 samples, got n_samples={n}.")
        with np.errstate(invalid="ignore"):  # constant rows have no variance to explain
            self._project = PCA(min(n_components, *X.shape), random_state=0).fit(X)
        rows = self._project.transform(X)
        self._neighbours = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1)).fit(rows)
        distances, columns = self._neighbours.kneighbors()
        self._scale = float(np.median(distances)) or 1.0
        indptr = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)  # scikit-learn takes no int64 here
        directed = sparse.csr_array(
            (self._kernel(distances).ravel(), columns.ravel().astype(np.int32), indptr), shape=(n, n)
        )
        self.weights = directed.maximum(directed.T).tocsr()
        root = sparse.diags_array(np.asarray(self.weights.sum(axis=1)).ravel() ** -0.5)
        self._normalised = (root @ self.weights @ root).tocsr()

    def _kernel(self, distances: np.ndarray) -> np.ndarray:
        return np.exp(-((distances / self._scale) ** 2)) + 1e-6  # an outlier, too, hangs on to something

    def spread(self, evidence: np.ndarray, alpha: float = 0.99) -> np.ndarray:
        """Spread evidence over the graph, as :class:`sklearn.semi_supervised.LabelSpreading` spreads labels.

        Parameters
        ----------
        evidence : ndarray of shape (n_samples, n_classes)
            Non-negative; a row of zeros knows nothing.
        alpha : float, default=0.99
            Share that each sample takes from its neighbours.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Beliefs: rows that sum to one.
        """
        system = sparse.eye_array(len(evidence)) - alpha * self._normalised
        solved = [cg(system, (1 - alpha) * column, rtol=1e-6)[0] for column in evidence.T]
        return rows_to_one(np.maximum(np.stack(solved, axis=1), TINY))

    def extend(self, X: np.ndarray, beliefs: np.ndarray) -> np.ndarray:
        """Beliefs about unseen rows `X`, from those about their nearest neighbours in the graph."""
        distances, columns = self._neighbours.kneighbors(self._project.transform(X))
        return rows_to_one(np.einsum("nj,njk->nk", self._kernel(distances), beliefs[columns]))

    def cut(self, labels: np.ndarray) -> float:
        """Share of the graph's weight that lies between samples of different labels (codes from 0)."""
        edges = self.weights.tocoo()
        return float(edges.data[labels[edges.row] != labels[edges.col]].sum() / edges.data.sum())


def rows_to_one(values: np.ndarray) -> np.ndarray:
    """Rows divided by their sums."""
    return values / values.sum(axis=1, keepdims=True)
