"""Labels where there are few or none: beliefs spread over a neighbour graph, clusters, and which class they are."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment, minimize
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.manifold import spectral_embedding
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from ._graph import TINY, NeighbourGraph, rows_to_one
from .metrics import class_coupling, label_distances

CLEARLY_LESS = 0.7
"""A cut of the graph that is smaller by this factor is no accident."""


def combine(*beliefs: np.ndarray) -> np.ndarray:
    """Product of beliefs, renormalised: what independent witnesses say together."""
    return rows_to_one(np.exp(sum(np.log(b + TINY) for b in beliefs)))


def temper(beliefs: np.ndarray, power: float) -> np.ndarray:
    """Beliefs raised to a power and renormalised: below one less sure of themselves, with zero silent."""
    return rows_to_one((beliefs + TINY) ** power)


def balance(beliefs: np.ndarray, prior: np.ndarray, n_iter: int = 50) -> np.ndarray:
    """Beliefs scaled by a factor for each class until the mean belief is `prior` (Sinkhorn's iteration)."""
    for _ in range(n_iter):
        beliefs = rows_to_one(beliefs * (prior / np.maximum(beliefs.mean(axis=0), TINY)))
    return beliefs


def class_prior(graph: NeighbourGraph, beliefs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Class frequencies to balance `beliefs` to: uniform, `shares`, or halfway between.

    Spread beliefs flood the small classes, and the frequencies that they claim cannot be trusted; nor is it known that
    all classes are equally frequent. Borders between classes run where data are sparse: uniform frequencies are
    replaced where others cut clearly less of the graph, unless the labels' own frequencies are far from these, as where
    one class takes all.
    """

    def badness(power: float) -> tuple[bool, float]:
        prior = priors[power]
        labels = balance(beliefs, prior).argmax(axis=1)
        found = np.bincount(labels, minlength=len(prior)) / len(labels)
        return np.abs(found - prior).sum() > 1, graph.cut(labels) * (CLEARLY_LESS if power == 0 else 1)

    priors = {power: shares**power / np.sum(shares**power) for power in (0.0, 0.5, 1.0)}
    return priors[min(priors, key=badness)]


def weigh(
    witnesses: list[np.ndarray], codes: np.ndarray, expected: ArrayLike, doubt: ArrayLike
) -> tuple[np.ndarray, float]:
    """Powers under which the product of the witnesses makes the true classes likeliest.

    Penalised maximum likelihood (stacking): witnesses that mislead, or that add nothing to the others, are silenced.

    Parameters
    ----------
    witnesses : list of ndarray of shape (n_samples, n_classes)
        Beliefs about rows whose class is known, none of them formed from the row's own label.
    codes : ndarray of shape (n_samples,)
        The true classes.
    expected, doubt : array-like of shape (n_witnesses,)
        Mean and standard deviation of the powers before any row was seen.

    Returns
    -------
    powers : ndarray of shape (n_witnesses,)
        Non-negative, for :func:`temper`.
    surprise : float
        Minus the penalised logarithm of the likelihood of the true classes.
    """
    logs = np.log(np.stack(witnesses) + TINY)
    rows, expected, doubt = np.arange(len(codes)), np.asarray(expected, dtype=float), np.asarray(doubt, dtype=float)

    def loss(powers: np.ndarray) -> tuple[float, np.ndarray]:
        scores = log_softmax(np.einsum("w,wnk->nk", powers, logs), axis=1)
        slope = (np.exp(scores) * logs).sum(axis=2).sum(axis=1) - logs[:, rows, codes].sum(axis=1)
        surprise = (powers - expected) / doubt
        return -scores[rows, codes].sum() + surprise @ surprise / 2, slope + surprise / doubt

    found = minimize(loss, expected, jac=True, bounds=[(0, None)] * len(logs), method="L-BFGS-B")
    return found.x, float(found.fun)


def confidence_of(beliefs: np.ndarray) -> np.ndarray:
    """How far the first choice is ahead of the second: 0 where they tie, 1 where there is no second."""
    if beliefs.shape[1] == 1:
        return np.ones(len(beliefs))
    second, first = np.partition(beliefs, -2, axis=1)[:, -2:].T
    return 1 - second / first


def is_unlabelled(y: np.ndarray, unlabelled: Any) -> np.ndarray:
    """Rows of `y` that are marked as unlabelled; none where the marker is None or cannot be among such labels.

    Labels -1 and 1 alone are signs: with one class there would be nothing to tell apart.
    """
    if unlabelled is None or (y.dtype.kind != "O" and (y.dtype.kind in "US") != isinstance(unlabelled, str)):
        return np.zeros(len(y), dtype=bool)
    marked = np.asarray(y == unlabelled, dtype=bool)
    signs = marked.any() and not marked.all() and np.asarray(y[~marked] == 1).all() and np.all(unlabelled == -1)
    return marked & (not signs)


def align(
    X: np.ndarray, labels: np.ndarray, X_target: np.ndarray, y_target: np.ndarray, label_distance: str = "gaussian"
) -> dict:
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
        "n_init": [Interval(Integral, 1, None, closed="left")],
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

    @_fit_context(prefer_skip_nested_validation=True)
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
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if len(X) < self.n_clusters:
            raise ValueError(f"n_clusters={self.n_clusters} is more than n_samples={len(X)}.")
        rng = check_random_state(self.random_state)
        self.labels_ = np.zeros(len(X), dtype=int)
        if self.n_clusters > 1:
            graph = NeighbourGraph(X.astype(np.float64), self.n_neighbors)
            n_components = min(self.n_clusters, len(X) - 2) or 1
            with warnings.catch_warnings():  # parts that do not hang together are clusters, which is what is asked for
                warnings.filterwarnings("ignore", message="Graph is not fully connected")
                embedding = spectral_embedding(graph.weights, n_components=n_components, random_state=rng)
            points = normalize(embedding)
            mixture = GaussianMixture(
                self.n_clusters, covariance_type="tied", n_init=self.n_init, random_state=rng, reg_covar=1e-4
            )
            self.labels_ = mixture.fit_predict(points / max(points.std(), TINY))
        return self
