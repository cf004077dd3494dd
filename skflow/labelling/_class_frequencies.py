"""How frequent the classes are: proportions that fit a graph."""

from __future__ import annotations

import numpy as np

from ._beliefs import balance
from ._graph import NeighbourGraph

CLEARLY_LESS = 0.7
"""A cut of the graph that is smaller by this factor is no accident."""


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
