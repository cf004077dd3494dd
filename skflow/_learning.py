"""The map that a flow leaves behind: a regressor from where particles started to where they ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from ._support import Support


def learn_map(
    pushforward: Any,
    start: np.ndarray,
    end: np.ndarray,
    labels: np.ndarray | None,
    sample_weight: np.ndarray | None,
) -> Any:
    """A clone of the regressor, fitted to the particles, and asked once so that errors come here.

    Parameters
    ----------
    pushforward : regressor
        With `fit` and `predict`; labels and weights are passed where its `fit` has `labels` and `sample_weight`.
    start, end : ndarray of shape (n_particles, n_features)
        Features of the particles.
    labels, sample_weight : ndarray of shape (n_particles,) or None
        Their classes and weights.

    Raises
    ------
    ValueError
        If what it predicts are no finite numbers, one row for each row.
    """
    regressor = clone(pushforward)
    optional = {"labels": labels, "sample_weight": sample_weight}
    known = {name: v for name, v in optional.items() if v is not None and has_fit_parameter(regressor, name)}
    if not _is_own(regressor):  # who writes, writes into a copy
        start, end = start.copy(), end.copy()
    regressor.fit(start, end, **known)
    some = start[:2].copy()
    moved = np.asarray(regressor.predict(some))
    shape = moved.reshape(len(moved), -1).shape if moved.ndim and moved.size else ()
    if moved.dtype.kind not in "fiu" or shape != (len(some), end.shape[1]):
        raise ValueError(
            f"pushforward={pushforward!r} predicts an array of shape {moved.shape} and dtype {moved.dtype} for "
            f"{len(some)} rows; it must predict numbers of shape {(len(some), end.shape[1])}."
        )
    if not np.isfinite(moved).all():
        raise ValueError(f"pushforward={pushforward!r} predicts values that are not finite.")
    return regressor


class LearntMap:
    """An alignment and the push-forward after it as a map of rows, in their own dtype; it pickles.

    Parameters
    ----------
    aligner : DomainAligner or None
        Fitted.
    regressor : regressor
        Fitted to aligned rows.
    share : float or None, default=1.0
        Of the regressor's movement; None uses neither alignment nor regressor.
    local_mass : callable (aligned rows) -> ndarray of shape (n_samples,) or None, default=None
        Share of the movement that each row takes part in.
    support : Support or None, default=None
        Values that the target's columns may take.
    limits : callable (rows) -> rows or None, default=None
        What is done with rows where `share` is None; they stay as they are by default.
    """

    def __init__(
        self,
        aligner: Any,
        regressor: Any,
        share: float | None = 1.0,
        local_mass: Any = None,
        support: Support | None = None,
        limits: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.aligner, self.regressor, self.share, self.local_mass = aligner, regressor, share, local_mass
        self.support, self.limits = support, limits

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Where the rows are carried."""
        rows = self._unmoved(X) if self.share is None else self._carried(X, self.share)
        return rows if self.support is None else self.support.project(rows)

    def _unmoved(self, X: np.ndarray) -> np.ndarray:
        return X if self.limits is None else self.limits(X)

    def _carried(self, X: np.ndarray, share: float) -> np.ndarray:
        rows = X if self.aligner is None else np.asarray(self.aligner.transform(X)).astype(X.dtype, copy=False)
        if share == 0:
            return rows
        given = rows if _is_own(self.regressor) else rows.copy()  # who writes, writes into a copy
        moved = np.asarray(self.regressor.predict(given)).reshape(len(X), -1)
        if not np.isfinite(moved).all():
            raise ValueError(f"The map of {type(self.regressor).__name__} is not finite for some rows of X.")
        if share < 1:
            moved = moved - rows
            moved *= share
            moved += rows
        if self.local_mass is not None:
            moved = rows + self.local_mass(rows)[:, None] * (moved - rows)
        return moved.astype(X.dtype, copy=False)


class PartOfTheWay:
    """Rows on the straight lines to where a map takes them; it pickles.

    Parameters
    ----------
    row_map : callable (rows) -> rows
        Where they go.
    t : float
        How far, from 0 to 1.
    """

    def __init__(self, row_map: Callable[[np.ndarray], np.ndarray], t: float) -> None:
        self.row_map, self.t = row_map, t

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows there."""
        return X if self.t == 0 else (X + self.t * (self.row_map(X) - X)).astype(X.dtype, copy=False)


class LazyRegressor:
    """A regressor that is learnt when it is first used.

    Parameters
    ----------
    unfitted : regressor or None
        What is fitted.
    learn : callable () -> regressor
        Makes the fitted regressor.
    """

    def __init__(self, unfitted: Any, learn: Callable[[], Any]) -> None:
        self.unfitted, self._learn = unfitted, learn

    @cached_property
    def regressor(self) -> Any:
        """The fitted regressor."""
        return self._learn()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Where the map takes the rows of `X`."""
        return self.regressor.predict(X)


def train_nets(flow: Any) -> None:
    """Learn now what a flow has left to be learnt when it is first used."""
    for name, regressor in vars(flow).items():
        if isinstance(regressor, LazyRegressor):
            setattr(flow, name, regressor.regressor)


def _is_own(regressor: Any) -> bool:
    """Whether it is one of this package's, which write into nothing that they are given."""
    return type(regressor).__module__.startswith(f"{__package__}.")
