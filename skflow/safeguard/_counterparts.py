"""Rows and classes without a counterpart on the other side, once both sides lie in one space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from .._proportions import estimate_proportions
from ._side_by_side import NEAREST, SideBySide

AT_HOME = 0.75
"""Share of a class's rows that are amid one target class, from which on it is at home there whatever else is."""
MOSTLY = 0.5
"""Share from which on a class goes to the target class that the assignment leaves it."""
RARE = 0.12
"""Share of an even class below which a target class has no rows in the source."""
RESAMPLES, N_ASCENTS = 40, 50
"""Of the bootstrap, and of expectation maximisation in each."""


class ClassShare(NamedTuple):
    """How frequent a class is on either side."""

    label: Any
    source: float
    target: float
    """NaN where it is not known which class of the target it is."""
    standard_error: float
    """Of the source's share."""


@dataclass(frozen=True)
class Counterparts:
    """What each side has on the other, see :func:`find_counterparts`."""

    row_mass: np.ndarray
    """Of shape (n_samples,): 1 for rows that belong to the target, 0 for those that belong nowhere."""
    unmatched: dict[str, list]
    """Names of classes without a counterpart, under "source" and "target"."""
    proportions: list[ClassShare]
    shares: dict[Any, float]
    """Share of the source in each target class."""


def find_counterparts(
    X: np.ndarray,
    labels: np.ndarray | None,
    X_target: np.ndarray,
    y_target: np.ndarray,
    names: dict[Any, Any],
    *,
    weight: np.ndarray | None = None,
    mass: str | float = "auto",
    comparable: bool = True,
    seed: int = 0,
) -> Counterparts:
    """Find rows and classes that have no counterpart.

    With free masses on the target's side the optimal partial plan (Figalli, "The optimal partial transport problem",
    2010) leaves the rows that are farthest from it. How far a row is off is measured in two ways, each in standard
    deviations of rows that belong: its distance from the target's rows beside that of the target's rows from one
    another, and beside its distance from other rows of the source, averaged over these, which tells a group of rows
    that the target lacks. A class with a name of its own is judged by its median row, and once it is left out, the
    other rows are judged among themselves. Where most rows of a class that both sides have by name are far off, that
    is what has changed, and none of them is left out.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Aligned rows of the source.
    labels : ndarray of shape (n_samples,) or None
        Their labels; None where none is known.
    X_target, y_target : ndarray of shape (m_samples, n_features), (m_samples,)
        The target.
    names : dict
        Target label of the source labels whose name says it.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows, above zero.
    mass : "auto" or float
        Share of the rows that belong; "auto" lets the rows tell, and 1 takes all of them.
    comparable : bool
        Whether both sides lie in one space. If not, only names tell, and no row is left out but by its class.
    seed : int
        Of the subsamples.
    """
    weights = np.ones(len(X)) if weight is None else weight
    classes, codes_target = np.unique(y_target, return_inverse=True)
    row_mass = np.ones(len(X))
    near: SideBySide | None = None
    if comparable and len(X) > NEAREST and len(X_target) > NEAREST and (mass == "auto" or mass != 1 or labels is None):
        near = SideBySide(X, X_target, codes_target, seed)
        row_mass = near.row_mass(mass)
    belongs = row_mass > 0
    if labels is None:
        return _without_labels(near, weights * belongs, row_mass, classes, codes_target, seed)
    unmatched, goes_to = _match_classes(near, labels, classes, names)
    if mass == "auto" and unmatched:
        rest = ~np.isin(labels, np.array(unmatched, dtype=labels.dtype))
        row_mass = rest.astype(np.float64)
        if rest.sum() > NEAREST:
            row_mass[rest] = SideBySide(X[rest], X_target, codes_target, seed).row_mass(mass)
    if mass == "auto":
        once = np.ones(len(labels), dtype=bool) if near is None else near.once(labels)
        for of_class in (labels == name for name in goes_to if name in names):
            if row_mass[once & of_class].mean() < 1 / 2:  # a class that both sides have lies elsewhere
                row_mass[of_class] = 1.0
    return _with_labels(labels, weights, row_mass, unmatched, goes_to, classes, codes_target)


def _without_labels(
    near: SideBySide | None,
    weights: np.ndarray,
    row_mass: np.ndarray,
    classes: np.ndarray,
    codes_target: np.ndarray,
    seed: int,
) -> Counterparts:
    K = len(classes)
    target = np.bincount(codes_target, minlength=K) / len(codes_target)
    if near is None or K < 2:
        shares, errors = target, np.full(K, np.nan if K > 1 else 0.0)
        return Counterparts(
            row_mass, {"source": [], "target": []}, _table(classes.tolist(), shares, target, errors), {}
        )
    votes = near.probabilities(K)[weights > 0]
    found = estimate_proportions(votes, target)
    absent = classes[found < RARE * np.minimum(target, 1 / K)].tolist()
    table = _table(classes.tolist(), found, target, _bootstrap_errors(votes / target, found, seed))
    return Counterparts(row_mass, {"source": [], "target": absent}, table, _as_shares(classes, found))


def _bootstrap_errors(ratios: np.ndarray, found: np.ndarray, seed: int) -> np.ndarray:
    """Standard errors (K,) of proportions that maximise the likelihood ``ratios @ proportions``; rows are resampled."""
    n = len(ratios)
    times = np.random.RandomState(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
    draws = np.tile(np.maximum(found, 1 / n), (RESAMPLES, 1))
    for _ in range(N_ASCENTS):
        draws *= (times / (draws @ ratios.T)) @ ratios
    return (draws / draws.sum(axis=1, keepdims=True)).std(axis=0)


def _match_classes(
    near: SideBySide | None, labels: np.ndarray, classes: np.ndarray, names: dict[Any, Any]
) -> tuple[list, dict[Any, Any]]:
    """Source classes without a counterpart, and the target class of the others as far as that is known."""
    own = np.unique(labels).tolist()
    goes_to = {name: names[name] for name in own if name in names}
    left = [name for name in own if name not in goes_to]
    if not left or near is None:
        return [], goes_to
    chosen, once = near.votes(len(classes)).argmax(axis=1), near.once(labels)
    counts = [np.bincount(chosen[once & (labels == name)], minlength=len(classes)) for name in left]
    shares = np.stack([count / count.sum() for count in counts])
    free = ~np.isin(classes, np.array(list(goes_to.values()), dtype=classes.dtype)) if goes_to else shares[0] >= 0
    rows, columns = linear_sum_assignment(-shares[:, free])
    open_classes = np.flatnonzero(free)
    clear = {
        left[row]: classes[open_classes[column]].item()
        for row, column in zip(rows, columns, strict=True)
        if shares[row, open_classes[column]] >= MOSTLY
    }
    if len(goes_to) + len(clear) < min(len(own), len(classes)) / 2:  # nothing matches: no class says anything
        return [], goes_to
    foreign = near.foreign_classes(labels, left)
    alone = [
        name for row, name in enumerate(left) if name in foreign or (name not in clear and shares[row].max() < AT_HOME)
    ]
    return alone, goes_to | {name: goal for name, goal in clear.items() if name not in foreign}


def _with_labels(
    labels: np.ndarray,
    weights: np.ndarray,
    row_mass: np.ndarray,
    unmatched: list,
    goes_to: dict[Any, Any],
    classes: np.ndarray,
    codes_target: np.ndarray,
) -> Counterparts:
    """Shares by counting: rows that belong nowhere count for no class."""
    own, codes = np.unique(labels, return_inverse=True)
    alone = np.isin(own, np.array(unmatched, dtype=own.dtype)) if unmatched else np.zeros(len(own), bool)
    weights = weights / weights.max()  # the squares of tiny weights are zero
    counted = np.bincount(codes, weights * np.where(alone[codes], 1.0, row_mass), minlength=len(own))
    shares, size = counted / counted.sum(), counted.sum() ** 2 / np.square(weights).sum()
    errors = np.sqrt(shares * (1 - shares) / size)
    target = np.bincount(codes_target, minlength=len(classes)) / len(codes_target)
    place = {name: k for k, name in enumerate(classes.tolist())}
    theirs = np.array([target[place[goes_to[name]]] if name in goes_to else np.nan for name in own.tolist()])
    theirs[alone] = 0.0
    taken, known = set(goes_to.values()), len(goes_to) + len(unmatched) == len(own)
    absent = [name for name in classes.tolist() if name not in taken] if known else []
    table = _table(
        [*own.tolist(), *absent],
        np.concatenate([shares, np.zeros(len(absent))]),
        np.concatenate([theirs, [target[place[name]] for name in absent]]),
        np.concatenate([errors, np.zeros(len(absent))]),
    )
    per_target: dict[Any, float] = dict.fromkeys(classes.tolist(), 0.0)
    for name, share in zip(own.tolist(), shares, strict=True):
        if name in goes_to:
            per_target[goes_to[name]] += float(share)
    return Counterparts(row_mass, {"source": unmatched, "target": absent}, table, per_target if known else {})


def _as_shares(classes: np.ndarray, values: np.ndarray) -> dict[Any, float]:
    return dict(zip(classes.tolist(), values.tolist(), strict=True))


def _table(labels: list, source: np.ndarray, target: np.ndarray, errors: np.ndarray) -> list[ClassShare]:
    figures = (values.tolist() for values in (source, target, errors))
    return [ClassShare(*row) for row in zip(labels, *figures, strict=True)]
