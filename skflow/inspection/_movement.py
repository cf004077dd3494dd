"""How far rows moved: by columns and by classes, and how far from the target they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics import divergence
from ._subject import Subject

DRAWN = 400
"""Rows a side that a distance is taken on."""


@dataclass(frozen=True)
class ColumnMovement:
    """Columns in order of their share of the movement.

    Parameters
    ----------
    order : ndarray of int of shape (k,)
        Numbers of the columns.
    share : ndarray of shape (k,)
        Of the squared movement of all rows, in that order.
    before, after, target : ndarray of shape (k,) or None
        Means, in that order; `before` where the columns are the same, `target` where there is one.
    """

    order: np.ndarray
    share: np.ndarray | None
    before: np.ndarray | None
    after: np.ndarray
    target: np.ndarray | None


def column_movement(subject: Subject) -> ColumnMovement | None:
    """Which columns moved most; None without rows. Where the columns are others, those that vary most come first."""
    if subject.before is None or subject.after is None:
        return None
    before, after = subject.before, subject.after
    target = None if subject.target_rows is None else subject.target_rows.mean(axis=0)
    if not subject.same_columns:
        order = np.argsort(-after.var(axis=0), kind="stable")
        return ColumnMovement(order, None, None, after.mean(axis=0)[order], None if target is None else target[order])
    moved = np.square(after - before).sum(axis=0)
    order = np.argsort(-moved, kind="stable")
    share = moved[order] / moved.sum() if moved.sum() > 0 else np.zeros(len(order))
    means = before.mean(axis=0)[order], after.mean(axis=0)[order], None if target is None else target[order]
    return ColumnMovement(order, share, *means)


@dataclass(frozen=True)
class Distances:
    """Distances to the target, in units of its total variance.

    Parameters
    ----------
    before, aligned, after : float or None
        Debiased Sinkhorn divergence of the rows at each stage, the target's class proportions re-estimated.
    floor : float
        The divergence between two halves of the target.
    """

    before: float | None
    aligned: float | None
    after: float
    floor: float


def distances(subject: Subject) -> Distances | None:
    """How far rows are from the target at each stage; None without rows or a target of some rows."""
    Z = subject.target_rows
    if Z is None or subject.after is None or min(len(Z), len(subject.after)) < 4:
        return None
    rng = np.random.RandomState(0)
    some = rng.permutation(len(subject.after))[:DRAWN]
    size = min(DRAWN, len(Z) // 2)
    own, other = np.array_split(rng.permutation(len(Z))[: 2 * size], 2)
    labels = subject.target_labels
    variance = float(Z.var(axis=0).sum()) or 1.0
    weighed = labels is not None and len(set(labels[own].tolist())) > 1 and None not in labels[own].tolist()

    def to_target(rows: np.ndarray | None) -> float | None:
        if rows is None:
            return None
        if not weighed or labels is None:
            return divergence(rows[some], Z[own]) / variance
        classes = np.asarray(labels[own].tolist())
        return divergence(rows[some], Z[own], classes, class_weight="estimated") / variance

    floor = divergence(Z[other], Z[own]) / variance
    aligned = subject.aligned if flows_on(subject) else None
    after = to_target(subject.after)
    before = to_target(subject.before) if subject.same_columns else None
    return Distances(before, to_target(aligned), float("nan") if after is None else after, floor)


def flows_on(subject: Subject) -> bool:
    """Whether rows move on after the alignment."""
    return subject.decision is None or bool(subject.decision.chosen.share)


@dataclass(frozen=True)
class ClassMovement:
    """One class of the source.

    Parameters
    ----------
    label : object
    goes_to : object
        The target's class, or None.
    share : float
        Of the source's rows with a label.
    target_share : float or None
        Of the target's rows.
    moved : float or None
        Root mean square movement of its rows, in units of the target's spread.
    before, after : float or None
        Distance of its mean from that of the target's class, in those units.
    """

    label: object
    goes_to: object
    share: float
    target_share: float | None
    moved: float | None
    before: float | None
    after: float | None


def class_movement(subject: Subject) -> list[ClassMovement]:
    """Each class of the rows, in order; empty where they have no labels."""
    labels = subject.labels
    if labels is None or subject.after is None or subject.before is None:
        return []
    goes_to = getattr(subject.flow, "label_map_", None) or {}
    Z, wanted = subject.target_rows, subject.target_labels
    spread = float(np.sqrt((subject.after if Z is None else Z).var(axis=0).sum())) or 1.0
    n_known = sum(label is not None for label in labels.tolist())
    found = []
    for label in ordered(labels):
        rows = np.array([value == label for value in labels.tolist()])
        to = goes_to.get(label, label if wanted is not None and label in wanted.tolist() else None)
        there = np.array([value == to for value in wanted.tolist()]) if wanted is not None and to is not None else None
        goal = Z[there].mean(axis=0) if Z is not None and there is not None and there.any() else None

        def apart(stage: np.ndarray, rows: np.ndarray = rows, goal: np.ndarray | None = goal) -> float | None:
            if goal is None or stage.shape[1] != len(goal):
                return None
            return float(np.linalg.norm(stage[rows].mean(axis=0) - goal)) / spread

        moved = None
        if subject.same_columns:
            moved = float(np.sqrt(np.square(subject.after[rows] - subject.before[rows]).sum(axis=1).mean())) / spread
        target_share = None if there is None else float(there.mean())
        share = float(rows.sum() / n_known)
        found.append(ClassMovement(label, to, share, target_share, moved, apart(subject.before), apart(subject.after)))
    return found


def ordered(labels: np.ndarray) -> list:
    """The classes among labels, sorted where they can be, else by their names; None is no class."""
    present = {label for label in labels.tolist() if label is not None}
    try:
        return sorted(present)
    except TypeError:
        return sorted(present, key=str)
