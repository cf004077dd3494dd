"""Clusters of unlabelled rows, and which target class each of them is."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.linalg import null_space
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from .._inputs import FLOATS
from .._sklearn import Interval, fit_context
from ..metrics import class_coupling, label_distances
from ._beliefs import TINY
from ._graph import NeighbourGraph

SMALL = 300
"""Rows up to which all eigenvectors of a graph are found at once."""


def name_clusters(
    X: np.ndarray, labels: np.ndarray, X_target: np.ndarray, y_target: np.ndarray, label_distance: str = "gaussian"
) -> dict[Any, Any]:
    """Target class of each cluster, by optimal transport between the classes under the label distances (section 6.4).

    One to one where the target has enough classes; else each cluster goes where most of its mass goes.

    Returns
    -------
    dict
        ``{cluster: target label}``.
    """
    if label_distance == "exact":
        label_distance = "gaussian"  # of whole clusters, which are large
    distances = label_distances(X, labels, X_target, y_target, label_distance=label_distance)
    if len(distances) <= distances.shape[1]:
        goes_to = linear_sum_assignment(distances)[1]
    else:
        coupling = class_coupling(X, labels, X_target, y_target, label_distance=label_distance)
        goes_to = coupling.argmax(axis=1)
    return dict(zip(np.unique(labels).tolist(), np.unique(y_target)[goes_to].tolist(), strict=True))


class SpectralMixture(ClusterMixin, BaseEstimator):
    """Clusters of the neighbour graph: a Gaussian mixture on its spectral embedding.

    K-means on pixels cuts classes that are long and bent, as those of images are; the embedding straightens them.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters, and of coordinates of the embedding.
    n_neighbors : int, default=10
        Neighbours in the graph.
    n_init : int, default=5
        Starts of the mixture; the likeliest is kept.
    random_state : int, RandomState instance or None, default=None
        Of the embedding and of the mixture.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each sample.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.metrics import adjusted_rand_score
    >>> from skflow.labelling import SpectralMixture
    >>> X, y = make_moons(200, noise=0.05, random_state=0)
    >>> labels = SpectralMixture(2, random_state=0).fit_predict(X)
    >>> round(adjusted_rand_score(y, labels), 1)
    1.0
    """

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, 1000, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_neighbors: int = 10,
        n_init: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.n_init = n_init
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: None = None) -> SpectralMixture:
        """Cluster the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        self : SpectralMixture

        Raises
        ------
        ValueError
            For fewer samples than clusters, or parameters out of range.
        """
        rows: np.ndarray = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        if len(rows) < self.n_clusters:
            raise ValueError(f"n_clusters={self.n_clusters} is more than n_samples={len(rows)}.")
        rng = check_random_state(self.random_state)
        self.labels_ = np.zeros(len(rows), dtype=np.int64)
        if self.n_clusters > 1:
            graph = NeighbourGraph(rows, self.n_neighbors)
            points = normalize(embed_graph(graph, min(self.n_clusters, len(rows) - 2) or 1, rng))
            mixture = GaussianMixture(
                self.n_clusters, covariance_type="tied", n_init=self.n_init, random_state=rng, reg_covar=1e-4
            )
            with np.errstate(under="ignore"):  # of far clusters, whose probabilities are zero
                self.labels_ = mixture.fit_predict(points / max(points.std(), TINY))
        return self


def embed_graph(graph: NeighbourGraph, n_components: int, rng: np.random.RandomState) -> np.ndarray:
    """Leading eigenvectors of the graph's random walk, without the constant one: coordinates (n, n_components).

    As :func:`sklearn.manifold.spectral_embedding`, which warns of parts that do not hang together; here these are
    clusters, which is what is asked for.
    """
    root = np.sqrt(graph.degrees)
    n_parts, part = connected_components(graph.weights)
    parts = normalize(np.eye(n_parts)[part] * root[:, None], axis=0)  # whose eigenvalue is the largest, 1, for each
    sizes = np.square(root @ parts)
    constant = np.sqrt(sizes / sizes.sum())
    # An iteration finds eigenvectors of one eigenvalue only by luck: parts are taken as known, and out of the way.
    free = null_space(constant[None])[:, :n_components] if n_parts > 1 else np.zeros((1, 0))
    vectors, missing = parts @ free, n_components - free.shape[1]
    if missing:
        others = _leading_eigenvectors(graph.normalised, parts, missing, rng)
        vectors = np.column_stack([vectors, others])
    return vectors / root[:, None]


def _leading_eigenvectors(
    matrix: sparse.csr_array, without: np.ndarray, n_vectors: int, rng: np.random.RandomState
) -> np.ndarray:
    """Eigenvectors (n, n_vectors) of the largest eigenvalues that are orthogonal to the eigenvectors `without`."""
    n = matrix.shape[0]
    if n <= max(SMALL, 4 * n_vectors):
        vectors = np.linalg.eigh(matrix.toarray() - 3 * without @ without.T)[1]
    else:
        deflated = LinearOperator((n, n), matvec=lambda v: matrix @ v - 3 * without @ (without.T @ v), dtype=np.float64)
        vectors = eigsh(deflated, n_vectors, which="LA", v0=rng.uniform(-1, 1, n), tol=1e-6)[1]
    return vectors[:, ::-1][:, :n_vectors]
