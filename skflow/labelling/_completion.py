"""Labels for all rows, where few are known or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state

from .._warnings import warn
from ._beliefs import balance, confidence_of
from ._class_frequencies import class_prior
from ._clusters import name_clusters
from ._graph import NeighbourGraph
from ._places import beliefs_from_target, labelling_loss

HIDDEN = 5
"""Parts of the known labels that are hidden in turn."""
STABLE = 0.9
"""Share of the rows that get the same class from their half of the rows, below which there is a warning."""
LEAST_OF_A_HALF = 4
"""Rows for each class that half of the rows must hold for classes to be looked for in it."""


@dataclass(frozen=True)
class PseudoLabels:
    """Labels of all rows, see :func:`complete_labels`."""

    labels: np.ndarray
    """Of shape (n_samples,): the known ones, and what has been inferred; where nothing is known, target classes, or, of
    a clusterer that the user chose, clusters counted from 0."""
    confidence: np.ndarray
    """Trust in them, of shape (n_samples,), from 0 to 1; 1 for known labels. The lead of the first choice over the
    second."""
    clusterer: Any = None
    """The fitted clusterer, where the user's was used."""
    names: dict[Any, Any] | None = None
    """``{label: target label}`` where no label is known; None where labels are the user's own."""
    found: np.ndarray | None = None
    """Of shape (n_samples,): known labels that come out right when they are hidden, and the others spread; False where
    there is none, or none to hide. None where all labels are known."""
    stability: float | None = None
    """Where no label is known: share of the rows that get the same class from their half of the rows alone. None
    otherwise, of few rows, and of a clusterer of the user's."""


def complete_labels(
    X: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    *,
    target: tuple[np.ndarray, np.ndarray],
    own: np.ndarray | None = None,
    clusterer: Any = None,
    label_distance: str = "gaussian",
    random_state: int | np.random.RandomState | None = None,
) -> PseudoLabels:
    """Labels for rows that have none (section 6.3).

    Known labels stay, and spread over the neighbour graph. Where none is known, rows take the classes of the target
    that lie where they are, as far as these follow the rows' own clusters (:func:`beliefs_from_target`); by a clusterer
    of the user's, rows are clustered, and the clusters matched with the target's classes by optimal transport.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The rows; best aligned with the target.
    labels, known : ndarray of shape (n_known,), (n_samples,)
        Labels of the known rows, and which these are, see :func:`split_labels`.
    target : tuple of ndarray (X, y) or Reference
        The reference dataset, checked.
    own : ndarray of shape (n_samples, n_columns) or None, default=None
        The rows as their neighbours are found, where an alignment has lost some of what they hold; None is `X`.
    clusterer : clusterer or None, default=None
        Makes classes of rows where no label is known; it is cloned. Rows that it leaves out as noise (-1) take the
        cluster of their neighbours.
    label_distance : str, default="gaussian"
        By which clusters are matched with the target's classes.
    random_state : int, RandomState instance or None, default=None
        Of the clusters.

    Returns
    -------
    PseudoLabels

    Raises
    ------
    ValueError
        For a clusterer that finds no cluster or does not return a label for each row.
    """
    if known.all():
        return PseudoLabels(labels, np.ones(len(labels)))
    X_target, y_target = target
    if known.any():
        near = X if own is None else own
        spread = PseudoLabels(*_spread(near, labels, known, keep=1.0), found=_found_when_hidden(near, labels, known))
        classes = np.unique(y_target)
        without = np.setdiff1d(classes, labels).tolist() if np.isin(labels, classes).all() else []
        if not without:
            return spread
        return _with_classes_that_have_none(X, near, labels, known, target, spread, without, random_state)
    if clusterer is None:
        classes = np.unique(y_target)
        rng = check_random_state(random_state)
        beliefs = beliefs_from_target(X, X_target, y_target, rng, own)
        found = classes[beliefs.argmax(axis=1)]
        names = {name: name for name in np.unique(found).tolist()}
        stability = _same_by_halves(found, classes, X, target, rng, own)
        return PseudoLabels(found, confidence_of(beliefs), names=names, stability=stability)
    fitted = clone(clusterer)
    clusters = _checked(fitted.fit_predict(X.copy()), clusterer, len(X))
    # A cluster's own rows may be amid those of another: half from the neighbours, half from the clusterer.
    found, confidence = _spread(X, clusters[clusters >= 0], clusters >= 0, keep=0.5)
    return PseudoLabels(found, confidence, fitted, name_clusters(X, found, X_target, y_target, label_distance))


def _same_by_halves(
    found: np.ndarray,
    classes: np.ndarray,
    X: np.ndarray,
    target: tuple[np.ndarray, np.ndarray],
    rng: np.random.RandomState,
    own: np.ndarray | None,
) -> float | None:
    """Share of the rows that get the class `found` from their half of the rows alone; None of few rows."""
    if len(classes) < 2 or len(X) < 2 * LEAST_OF_A_HALF * len(classes):
        return None
    same, order = np.empty(len(X), dtype=bool), rng.permutation(len(X))
    for half in np.array_split(order, 2):
        beliefs = beliefs_from_target(X[half], *target, rng, None if own is None else own[half])
        same[half] = classes[beliefs.argmax(axis=1)] == found[half]
    stability = float(same.mean())
    if stability < STABLE:
        warn(
            f"The classes found without labels are not stable: {stability:.0%} of the rows get the same class when "
            "each half of them is looked at alone. Some are likely wrong. Label a few rows of each class."
        )
    return stability


def _found_when_hidden(X: np.ndarray, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which known labels come out right where they are hidden in turn, and the others spread."""
    rows, (classes, codes) = np.flatnonzero(known), np.unique(labels, return_inverse=True)
    found, fewest = np.zeros(len(X), dtype=bool), np.bincount(codes).min()
    if fewest < 2:
        return found
    folds = list(StratifiedKFold(min(int(fewest), HIDDEN)).split(rows, codes))
    evidence = np.zeros((len(folds), len(X), len(classes)))
    for piece, (kept, _) in zip(evidence, folds, strict=True):
        piece[rows[kept], codes[kept]] = 1
    uniform = np.full(len(classes), 1 / len(classes))
    for (_, hidden), spread in zip(folds, NeighbourGraph(X).spread(evidence), strict=True):
        found[rows[hidden]] = balance(spread, uniform)[rows[hidden]].argmax(axis=1) == codes[hidden]
    return found


def _checked(clusters: Any, clusterer: Any, n_samples: int) -> np.ndarray:
    clusters = np.asarray(clusters)
    if clusters.shape != (n_samples,) or clusters.dtype.kind not in "iu":
        raise ValueError(
            f"clusterer={clusterer!r} must return {n_samples} integers, one cluster a row; its fit_predict returned an "
            f"array of shape {clusters.shape} and dtype {clusters.dtype}."
        )
    if (clusters < 0).all():
        raise ValueError(f"clusterer={clusterer!r} found no cluster: all {n_samples} rows are noise.")
    return clusters


def _with_classes_that_have_none(
    X: np.ndarray,
    near: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    target: tuple[np.ndarray, np.ndarray],
    spread: PseudoLabels,
    without: list,
    random_state: int | np.random.RandomState | None,
) -> PseudoLabels:
    """`spread`, or what the target says beside the known labels, where that fits better: it knows all classes."""
    X_target, y_target = target
    classes, codes = np.unique(y_target, return_inverse=True)
    beliefs = beliefs_from_target(X, X_target, y_target, check_random_state(random_state), near)
    found, confidence = classes[beliefs.argmax(axis=1)], confidence_of(beliefs)
    found[known], confidence[known] = labels, 1.0
    graph = NeighbourGraph(near)

    def loss(labels: np.ndarray) -> float:
        return labelling_loss(X, np.searchsorted(classes, labels), X_target, codes, graph)

    better = loss(found) < loss(spread.labels)
    how = "are looked for where the target's lie" if better else "will not be found: label a row of each that is there"
    warn(f"No row is labelled as {without}, {len(without)} of {len(classes)} classes of the target. Its rows {how}.")
    return PseudoLabels(found, confidence, found=spread.found) if better else spread


def _spread(X: np.ndarray, labels: np.ndarray, known: np.ndarray, keep: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all rows and the confidence in them; `keep` is the least confidence of the given labels."""
    classes, codes = np.unique(labels, return_inverse=True)
    evidence = np.zeros((len(X), len(classes)))
    evidence[np.flatnonzero(known), codes] = 1
    graph = NeighbourGraph(X)
    if keep == 1:
        beliefs = graph.spread(evidence)
        shares = evidence.sum(axis=0) / evidence.sum()
        beliefs = balance(beliefs, class_prior(graph, beliefs, shares))
    else:
        beliefs = graph.spread(evidence, alpha=0.5)
    found, confidence = classes[beliefs.argmax(axis=1)], confidence_of(beliefs)
    own = beliefs[known, codes] / beliefs[known].max(axis=1)
    found[known] = labels
    confidence[known] = np.maximum(keep, np.minimum(own, confidence[known]))
    return found, confidence
