"""How frequent the classes are: proportions that fit a graph, or a model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import helmert

from .._proportions import estimate_proportions
from ._beliefs import TINY, balance
from ._graph import NeighbourGraph

CLEARLY_LESS = 0.7
"""A cut of the graph that is smaller by this factor is no accident."""


@dataclass(frozen=True)
class Proportions:
    """Estimated proportions of classes, see :func:`proportions_with_errors`."""

    values: np.ndarray
    """Of shape (n_classes,); they sum to one."""
    standard_errors: np.ndarray
    """Of shape (n_classes,), from the curvature of the likelihood. They hold if the probabilities are right but for the
    proportions."""
    covariance: np.ndarray
    """Of shape (n_classes, n_classes)."""


def proportions_with_errors(probabilities: np.ndarray, prior: np.ndarray) -> Proportions:
    """Class proportions of rows by :func:`~skflow._proportions.estimate_proportions`, and how sure they are."""
    prior = np.maximum(prior, TINY)
    values = estimate_proportions(probabilities, prior)
    return Proportions(values, *_uncertainty(probabilities / prior, values))


def _uncertainty(ratios: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and covariance: the inverse of the likelihood's curvature along directions that sum to zero."""
    slopes = ratios / np.maximum(ratios @ values, TINY)[:, None]
    along = helmert(len(values)).T if len(values) > 1 else np.zeros((1, 0))
    covariance = along @ np.linalg.pinv(along.T @ slopes.T @ slopes @ along, hermitian=True) @ along.T
    return np.sqrt(np.maximum(np.diag(covariance), 0)), covariance


def class_prior(graph: NeighbourGraph, beliefs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Class proportions to balance `beliefs` to: uniform, `shares`, or halfway between.

    Spread beliefs flood the small classes, and the proportions that they claim cannot be trusted; nor is it known that
    all classes are equally frequent. Borders between classes run where data are sparse: uniform proportions are
    replaced where others cut clearly less of the graph, unless the labels' own proportions are far from these, as where
    one class takes all.
    """

    def badness(power: float) -> tuple[bool, float]:
        prior = priors[power]
        labels = balance(beliefs, prior).argmax(axis=1)
        found = np.bincount(labels, minlength=len(prior)) / len(labels)
        return bool(np.abs(found - prior).sum() > 1), graph.cut(labels) * (CLEARLY_LESS if power == 0 else 1)

    priors = {power: shares**power / np.sum(shares**power) for power in (0.0, 0.5, 1.0)}
    return priors[min(priors, key=badness)]
