"""Rows as a frozen model is asked about them where labels are few: as they are, limited, or aligned."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._aligned import is_doubtful
from .._candidates import Moved, believed, unmoved
from .._learning import LearntMap
from .._target import Reference
from ..metrics import divergences_beside_floors
from ..safeguard import CentralRange, allowances, decide_by_divergence


class WayHome:
    """How rows come to where the model is at home, by one global map, by limits, or not at all.

    A change is made where it brings rows nearer to the target than they are, and they are farther than two parts of the
    target are from one another. Whether the model's answers are better then is for others to say.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The source.
    aligner : fitted aligner or None
        Of the flows.
    target : Reference
        The reference dataset.

    Attributes
    ----------
    at_home : bool
        Whether rows lie where the target's do, as they are or limited.
    is_known : bool
        Whether they do, or some map brings them nearer, be it taken or not.
    is_doubtful : bool
        Whether the map is an alignment that was not found, for others to judge.
    """

    def __init__(self, X: np.ndarray, aligner: Any, target: Reference) -> None:
        self._map, self.at_home, self.is_known = LearntMap(None, None, None), False, False
        self.is_doubtful = False
        if X.shape[1] != target.X.shape[1]:
            return
        limits = CentralRange(target.X)
        candidates = unmoved(X, limits)
        doubtful = aligner is not None and is_doubtful(aligner)
        if aligner is not None and not doubtful:
            candidates.append(Moved("align", 0.0, np.asarray(aligner.transform(X))))
        moved, names = [c.rows for c in candidates], [(c.name, c.share) for c in candidates]
        measured = divergences_beside_floors(moved, target.X, target.y, np.random.RandomState(0))
        decision = decide_by_divergence(names, *measured, believed(names, *measured, doubtful=False))
        k = decision.table.index(decision.chosen)
        divergences, floors = measured
        near = bool((divergences - floors)[k].mean() <= allowances(*measured)[k])
        if decision.chosen.name == "range":
            self._map = LearntMap(None, None, None, limits=limits)
        elif decision.chosen.name == "align":
            self._map = LearntMap(aligner, None, 0.0)
        self.at_home = decision.chosen.name == "range" or (near and decision.chosen.name == "leave")
        self.is_known = self.at_home or self.moves
        if doubtful and not self.is_known:
            self._map, self.is_doubtful = LearntMap(aligner, None, 0.0), True

    @property
    def is_limited(self) -> bool:
        """Whether rows are limited to the target's range, and not moved otherwise."""
        return self._map.limits is not None

    @property
    def moves(self) -> bool:
        """Whether rows do not stay as they are."""
        return self._map.limits is not None or self._map.aligner is not None

    def stay(self) -> None:
        """Leave rows as they are. If they lay where the target's do only within limits, they do no more."""
        self._map, self.at_home = LearntMap(None, None, None), False

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows as the model is asked about them."""
        return self._map(X)
