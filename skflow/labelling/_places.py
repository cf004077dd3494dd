"""Classes of unlabelled rows from where they lie: the target's classes are one voice, the rows' clusters another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from .._proportions import estimate_proportions
from ..metrics import label_distances
from ._beliefs import TINY, balance, combine, rows_to_one, temper
from ._class_frequencies import class_prior
from ._clusters import SpectralMixture, embed_graph, name_clusters
from ._graph import NeighbourGraph

BORDERS = 1.5
"""Weight of the share of the graph that labels cut, beside what is left to move, in units of the target's variance."""

MISSING = 0.5
"""What it costs to find none of the target's classes, in the same units; each has its share."""

SIMPLER = 0.95
"""Rows stay where they are unless another scale, or blind clusters, leave less than this share of the costs."""

TEMPERS = 0.25, 0.1, 0.5
"""Weights: of predictions that are spread, beside what they say when spread, and of the clusters."""

N_NEIGHBORS, N_CLASS_AXES = 10, 50
"""Of the quick models of the target."""


def beliefs_from_target(
    X: np.ndarray,
    X_target: np.ndarray,
    y_target: np.ndarray,
    rng: np.random.RandomState,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Beliefs (n_samples, n_target_classes) about rows of which no label is known.

    Candidates are what quick models of the target say of the rows, as they are and rescaled to the target's means and
    variances; the same spread over the rows' graph; that together with clusters which start from it; and blind clusters
    matched with the target's classes by optimal transport. What counts is what a class would still have to move, beyond
    a common translation, and how much of the graph its border cuts: a blind cluster cannot overrule plain evidence,
    and classes that cut through clusters are not believed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The rows.
    X_target, y_target : ndarray of shape (m_samples, n_features), (m_samples,)
        The target.
    rng : RandomState
        Of the clusters.
    own : ndarray of shape (n_samples, n_columns) or None
        The rows as their neighbours are found, where an alignment has lost some of what they hold.
    """
    near = X if own is None else own
    near = near / (np.abs(near).max() or 1.0)
    X, X_target = _in_units(np.asarray(X, dtype=np.float64), np.asarray(X_target, dtype=np.float64))
    classes, codes = np.unique(y_target, return_inverse=True)
    K = len(classes)
    if K == 1:
        return np.ones((len(X), 1))
    graph = NeighbourGraph(near)
    points = _cluster_space(near, K, rng)
    best, least = np.full((len(X), K), 1 / K), np.inf
    for rows, rescaled in ((X, False), (_rescaled(X, X_target), True)):
        predictions = _quick_predictions(rows, X_target, codes)
        for beliefs in _candidates(graph, predictions, np.bincount(codes) / len(codes), points):
            loss = labelling_loss(rows, beliefs.argmax(axis=1), X_target, codes, graph)
            if loss < least * (SIMPLER if rescaled else 1):
                best, least = beliefs, loss
    blind = _blind(near, X, X_target, codes, rng)
    if blind is not None:
        evidence = graph.spread(np.eye(K)[blind], alpha=0.5)
        if labelling_loss(X, blind, X_target, codes, graph) < SIMPLER * least:
            return evidence
    return best


def _candidates(
    graph: NeighbourGraph, predictions: np.ndarray, shares: np.ndarray, points: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Beliefs from predictions: as they are, spread, and with clusters that start from them."""
    yield predictions
    once, beside, of_clusters = TEMPERS
    spread = graph.spread(temper(predictions, once))
    priors = (
        class_prior(graph, spread, predictions.mean(axis=0)),
        np.maximum(estimate_proportions(predictions, np.maximum(shares, TINY)), 1 / len(predictions)),
    )
    for prior in priors:
        beliefs = combine(temper(predictions, beside), balance(spread, prior / prior.sum()))
        yield beliefs
        if points is not None:
            clusters = _clusters_from(points, beliefs)
            if clusters is not None:
                yield combine(beliefs, temper(clusters, of_clusters))


def _quick_predictions(X: np.ndarray, X_target: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean probabilities of a linear model and of nearest neighbours of the target, classes equally frequent."""
    K = codes.max() + 1
    axes = PCA(min(N_CLASS_AXES, *X_target.shape), random_state=0).fit(X_target)
    rows, home = axes.transform(X), axes.transform(X_target)
    counts = np.bincount(codes)
    neighbours = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(home)), algorithm="brute").fit(home)
    distances, near = neighbours.kneighbors(rows)
    closeness = 1 / np.maximum(distances, TINY * (1 + distances.max()))
    votes = np.zeros((len(rows), K))
    for k in range(near.shape[1]):
        votes[np.arange(len(rows)), codes[near[:, k]]] += closeness[:, k] / counts[codes[near[:, k]]]
    votes = rows_to_one(votes + TINY * votes.max())
    if len(home) <= K:  # a linear model needs more than one row in some class
        return votes
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(K, 1 / K)).fit(home, codes)
    scores = linear.decision_function(rows)
    scores = np.stack([np.zeros(len(rows)), scores], axis=1) if K == 2 else scores
    return (votes + softmax(np.maximum(scores - scores.max(axis=1, keepdims=True), -100.0), axis=1)) / 2


def labelling_loss(
    X: np.ndarray, labels: np.ndarray, X_target: np.ndarray, codes: np.ndarray, graph: NeighbourGraph
) -> float:
    """How badly labels fit: what classes still have to move, what of the graph they cut, and what is missing.

    Parameters
    ----------
    X, X_target : ndarray of shape (n_samples, n_features), (m_samples, n_features)
        The rows, and the target's.
    labels, codes : ndarray of shape (n_samples,), (m_samples,)
        Codes of the target's classes, believed and true.
    graph : NeighbourGraph
        Of the rows.

    Returns
    -------
    float
        Mean squared Wasserstein distance of classes beyond a common translation, in units of the target's total
        variance, and weighted shares of the graph that is cut and of classes that are missing; lower is better.
    """
    found, K = np.unique(labels), codes.max() + 1
    X, X_target = _in_units(np.asarray(X, dtype=np.float64), np.asarray(X_target, dtype=np.float64))
    centre = np.mean([X[labels == k].mean(axis=0) for k in found], axis=0)
    centre_target = np.mean([X_target[codes == k].mean(axis=0) for k in found], axis=0)
    distances = label_distances(X - centre, labels, X_target - centre_target, codes)
    left = distances[np.arange(len(found)), found].mean() / (X_target.var(axis=0).sum() or 1.0)
    return float(left + BORDERS * graph.cut(labels) + MISSING * (1 - len(found) / K))


def _clusters_from(points: np.ndarray, beliefs: np.ndarray) -> np.ndarray | None:
    """Clusters (n, K) of the points that start from the classes believed in; None where a class has no row."""
    K = beliefs.shape[1]
    if len(np.unique(beliefs.argmax(axis=1))) < K:
        return None
    means = (beliefs / beliefs.sum(axis=0)).T @ points
    mixture = GaussianMixture(K, covariance_type="tied", reg_covar=1e-4, means_init=means, random_state=0)
    with np.errstate(under="ignore"):  # of far classes, whose probabilities are zero
        return mixture.fit(points).predict_proba(points)


def _cluster_space(X: np.ndarray, K: int, rng: np.random.RandomState) -> np.ndarray | None:
    """Coordinates in which classes are compact; None for too few rows."""
    if len(X) < 2 * K + 2:
        return None
    points = normalize(embed_graph(NeighbourGraph(X, N_NEIGHBORS), K, rng))
    return points / max(points.std(), TINY)


def _blind(
    near: np.ndarray, X: np.ndarray, X_target: np.ndarray, codes: np.ndarray, rng: np.random.RandomState
) -> np.ndarray | None:
    """Codes of the target's classes for rows by clusters that have not seen the target."""
    K = codes.max() + 1
    if len(X) < K:
        return None
    clusters = SpectralMixture(K, random_state=rng).fit_predict(near)
    names = name_clusters(X, clusters, X_target, codes)
    return np.array([names[cluster] for cluster in clusters.tolist()])


def _rescaled(X: np.ndarray, X_target: np.ndarray) -> np.ndarray:
    """Rows with the target's means and variances; columns that hardly vary are not blown up."""
    own, other = (Z.std(axis=0) + 1e-2 * Z.std() + TINY for Z in (X, X_target))
    return (X - X.mean(axis=0)) / own * other + X_target.mean(axis=0)


def _in_units(X: np.ndarray, X_target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both around the target's mean, in units of the target's spread: no overflow, whatever the user's units."""
    centre = X_target.mean(axis=0)
    X, X_target = X - centre, X_target - centre
    unit = float(np.abs(X_target).max()) or float(np.abs(X).max()) or 1.0
    return X / unit, X_target / unit
