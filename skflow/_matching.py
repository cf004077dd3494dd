"""Which rows and classes of a flow have a counterpart on the other side, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ._repeats import each_row_once
from ._target import Reference
from ._warnings import warn
from .safeguard import CentralRange, Counterparts, Nearest, find_counterparts, lie_amid

NEIGHBOURS = 5
"""Fitted rows that tell whether an unseen row belongs."""


def match_sides(
    X: np.ndarray,
    aligned: np.ndarray,
    labels: np.ndarray | None,
    target: Reference,
    aligner: Any,
    correspondence: str | Mapping[Any, Any],
    mass: str | float,
    weight: np.ndarray | None,
) -> Counterparts:
    """Counterparts of a flow's rows and classes, see :func:`~skflow.safeguard.find_counterparts`.

    Both sides are compared where rows came if they lie amid the target's there: a class that one side lacks misleads
    the alignment. What is out of the target's range in some column is limited to it, since that is no class of its own.
    Else they are compared once aligned.

    Parameters
    ----------
    X, aligned : ndarray of shape (n_samples, n_features), (n_samples, n_columns)
        The source's rows as they came, and in the target's columns.
    labels : ndarray of shape (n_samples,), (n_samples, n_labels) or None
        Their labels; None where some are missing. Continuous ones, in columns, make no classes: rows alone are matched.
    target : Reference
        The reference dataset.
    aligner : DomainAligner or None
        The fitted alignment. Without one, or where it found nothing, both sides lie in no common space.
    correspondence, mass
        The flow's parameters.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    """
    if weight is not None and not (present := weight > 0).all():  # a row without weight is no row
        own = None if labels is None else labels[present]
        came, went = X[present], aligned[present]
        sides = match_sides(came, went, own, target, aligner, correspondence, mass, weight[present])
        row_mass = np.zeros(len(aligned))
        row_mass[present] = sides.row_mass
        return replace(sides, row_mass=row_mass)
    found = getattr(aligner, "alignment_", None)
    comparable = found is not None and found.verdict != "not found"
    looked_at = found is not None and found.verdict != "identity" and (mass == "auto" or labels is None)
    if looked_at and X.shape[1] == target.X.shape[1] and lie_amid(X, target.X):
        aligned, comparable = CentralRange(target.X)(X), True
    if labels is not None and labels.ndim == 2:
        one, other = (np.zeros(len(rows), dtype=int) for rows in (aligned, target.X))
        rows = find_counterparts(aligned, one, target.X, other, {0: 0}, weight=weight, mass=mass, comparable=comparable)
        return Counterparts(rows.row_mass, {"source": [], "target": []}, [], {})
    return find_counterparts(
        aligned,
        labels,
        target.X,
        target.y,
        {} if labels is None else _known_names(labels, target.y, correspondence),
        weight=weight,
        mass=mass,
        comparable=comparable,
    )


def _known_names(labels: np.ndarray, y_target: np.ndarray, correspondence: str | Mapping[Any, Any]) -> dict[Any, Any]:
    """Target label of each source label whose name says it."""
    own, theirs = np.unique(labels).tolist(), set(np.unique(y_target).tolist())
    if isinstance(correspondence, Mapping):
        return {name: correspondence[name] for name in own if correspondence.get(name) in theirs}
    return {name: name for name in own if name in theirs} if correspondence in ("auto", "same") else {}


def set_matching(estimator: BaseEstimator, found: Counterparts, weight: np.ndarray | None) -> np.ndarray:
    """Set what a flow tells of counterparts, warn of what is left alone, and return the mask of the rows that flow."""
    present = np.ones(len(found.row_mass), bool) if weight is None else weight > 0
    estimator.row_mass_ = found.row_mass
    estimator.unmatched_rows_ = alone = (found.row_mass == 0) & present
    estimator.unmatched_classes_ = found.unmatched
    estimator.class_proportions_ = found.proportions
    if alone.any() and estimator.mass == "auto":
        classes = found.unmatched["source"]
        of_classes = f", among them those of {classes}, which the target lacks" if classes else ""
        warn(
            f"{alone.sum()} of {present.sum()} rows ({alone.sum() / present.sum():.1%}) belong to nothing in the "
            f"target{of_classes}. They stay where the alignment takes them; unmatched_rows_ says which they are. With "
            "mass=1.0 all rows flow."
        )
    return ~alone


class LocalMass:
    """Share of the flow's movement for rows: the mean mass of the nearest of those that were fitted.

    A row that is there several times is one neighbour. Neighbours weigh by the inverse of their distance, so that a
    fitted row has its own mass. It pickles.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_columns)
        Aligned rows that were fitted.
    row_mass : ndarray of shape (n_samples,)
        Their masses.
    """

    def __init__(self, rows: np.ndarray, row_mass: np.ndarray) -> None:
        first, _ = each_row_once(rows)
        self._near, self._row_mass = Nearest(rows[first]), row_mass[first]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Shares (n_samples,)."""
        distances, neighbours = self._near.of(rows, NEIGHBOURS)
        closeness = (distances[:, :1] + np.finfo(float).tiny) / (distances + np.finfo(float).tiny)
        return np.average(self._row_mass[neighbours], axis=1, weights=closeness)


def estimate_classes(estimator: BaseEstimator, rows: np.ndarray, aligned: np.ndarray) -> None:
    """Replace a flow's counts of pseudo-labels by proportions that are estimated from where the rows lie.

    Parameters
    ----------
    estimator : PseudoLabelFlow
        With the attributes of its fitted flow.
    rows, aligned : ndarray of shape (n_samples, n_features), (n_samples, n_columns)
        The source's rows as they came, and aligned.
    """
    decision = estimator.decision_
    if decision is not None and decision.chosen.share is None:
        aligned = rows if decision.limits is None else decision.limits(rows)
    found = match_sides(
        rows,
        aligned,
        None,
        estimator.target_,
        aligner=estimator.aligner_,
        correspondence="auto",
        mass=getattr(estimator.flow_, "mass", "auto"),
        weight=None,
    )
    estimator.class_proportions_ = found.proportions
    estimator.unmatched_classes_ = {**estimator.unmatched_classes_, "target": found.unmatched["target"]}
