"""Rows as a frozen model is asked about them where some class has no label: as they are, or aligned."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._aligned import is_doubtful
from .._target import Reference
from ..metrics import divergences_beside_floors
from ..safeguard import allowances, decide_by_divergence


class WayHome:
    """How rows come to where the model is at home, by one global map or none.

    No label says whether the alignment helps: it is taken where it brings rows nearer to the target than they are, and
    they are farther than two parts of the target are from one another.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The source.
    aligner : fitted aligner or None
        Of the flows.
    target : Reference
        The reference dataset.
    """

    def __init__(self, X: np.ndarray, aligner: Any, target: Reference) -> None:
        self.aligner, self.at_home = None, False
        if X.shape[1] != target.X.shape[1]:
            return
        candidates = [X] if aligner is None or is_doubtful(aligner) else [X, np.asarray(aligner.transform(X))]
        chosen, near = _nearest(candidates, target)
        self.at_home = near and chosen == 0
        if chosen:
            self.aligner = aligner

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows as the model is asked about them."""
        return X if self.aligner is None else np.asarray(self.aligner.transform(X)).astype(X.dtype, copy=False)


def _nearest(candidates: list[np.ndarray], target: Reference) -> tuple[int, bool]:
    """Which of the same rows, moved by each candidate, to take without labels, the simplest first.

    Parameters
    ----------
    candidates : list of ndarray of shape (n_samples, n_columns)
        The rows, in the target's columns.
    target : Reference
        The reference dataset.

    Returns
    -------
    index : int
        See :func:`~skflow.safeguard.decide_by_divergence`.
    at_home : bool
        Whether they are as near to the target then as two parts of it are to one another.
    """
    divergences, floors = divergences_beside_floors(candidates, target.X, target.y, np.random.RandomState(0))
    decision = decide_by_divergence([(f"{k}", float(k)) for k in range(len(candidates))], divergences, floors)
    k = int(decision.chosen.name)
    return k, bool((divergences - floors)[k].mean() <= allowances(divergences, floors)[k])
