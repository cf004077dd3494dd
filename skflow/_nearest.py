"""Which of several movements brings rows to where the target's lie, where no label tells."""

from __future__ import annotations

import numpy as np

from ._target import Reference
from .metrics import divergences_beside_floors
from .safeguard import allowances, decide_by_divergence


def nearest(candidates: list[np.ndarray], target: Reference) -> tuple[int, bool]:
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
