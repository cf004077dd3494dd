"""What a report speaks of: the fitted flow, rows before and after it, and the data that it flows towards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .._inputs import is_missing, length_of
from .._sklearn import feature_names, safe_indexing
from .._target import Reference, pair_of

SEEN_ROWS = 2000
"""Rows that a report looks at; a draw of more."""


@dataclass(frozen=True)
class Subject:
    """A fitted flow or aligner, and rows of its source.

    Parameters
    ----------
    estimator : estimator
        What the user passed, without the search around it.
    flow : flow or DomainAligner
        Within it: that which moves rows.
    classifier : RepurposedClassifier or None
        Around the flow, if there is one.
    model : estimator or None
        What comes after the flow in a pipeline.
    X : array-like of shape (n, d) or None
        Rows as they reach the flow.
    labels : ndarray of object of shape (n,) or None
        Their classes, None where a row has none.
    rows : ndarray of shape (n,)
        Names of the rows: those of a DataFrame's index, else their numbers.
    n_rows : int
        Rows that were passed, of which these may be a draw.
    """

    estimator: Any
    flow: Any
    classifier: Any
    model: Any
    X: Any
    labels: np.ndarray | None
    rows: np.ndarray
    n_rows: int

    @classmethod
    def of(cls, estimator: Any, X: ArrayLike | None, y: ArrayLike | None) -> Subject:
        """Find the flow in an estimator, and carry rows to it.

        Raises
        ------
        ValueError
            Where there is no flow, or `y` does not fit `X`; NotFittedError, which is one, where it is not fitted.
        """
        found = getattr(estimator, "best_estimator_", estimator)
        if X is None and y is not None:
            raise ValueError("y was given, but X=None.")
        table: Any = X
        n_rows, rows = 0, np.arange(0)
        if table is not None:
            n_rows = length_of(table, "X")
            if y is not None and length_of(y, "y") != n_rows:
                raise ValueError(f"y has {length_of(y, 'y')} labels for the {n_rows} rows of X.")
            rows = np.arange(n_rows)
            if n_rows > SEEN_ROWS:
                rows = np.sort(np.random.RandomState(0).permutation(n_rows)[:SEEN_ROWS])
                table = safe_indexing(table, rows)
        names = np.asarray(table.index, dtype=object) if hasattr(table, "index") and hasattr(table, "columns") else rows
        own, model, table = _through_pipeline(found, table)
        _refuse_several_maps(own)
        classifier = own if hasattr(own, "flows_") else None
        flow = own if classifier is None else own.flows_[0]
        if not hasattr(flow, "transform"):  # a regressor that asks about carried rows
            flow = getattr(flow, "flow_", flow)
        if isinstance(flow, type) or not hasattr(flow, "transform"):
            raise ValueError(f"flow={estimator!r} holds no flow; a report is about a fitted flow or aligner.")
        check_is_fitted(flow)
        if not (hasattr(flow, "alignment_") or hasattr(flow, "particles_")):
            raise ValueError(f"flow={estimator!r} is no flow: it has neither alignment_ nor particles_.")
        values = None if y is None else np.asarray(y, dtype=object)[rows]
        if y is not None and hasattr(flow, "classes_"):
            values = column_or_1d(values)
        labels = None if values is None else _classes(values, getattr(flow, "classes_", ()))
        return cls(found, flow, classifier, model, table, labels, names, n_rows)

    @cached_property
    def before(self) -> np.ndarray | None:
        """The rows as numbers (n, d)."""
        return None if self.X is None else np.asarray(self.X, dtype=float)

    @cached_property
    def after(self) -> np.ndarray | None:
        """The rows where the flow takes them (n, k)."""
        return None if self.X is None else np.asarray(self.flow.transform(self.X), dtype=float)

    @cached_property
    def aligned(self) -> np.ndarray | None:
        """The rows after the alignment and before the flow (n, k); None where there is no alignment of a flow's own."""
        aligner = getattr(self.flow, "aligner_", None)
        return None if self.X is None or aligner is None else np.asarray(aligner.transform(self.before), dtype=float)

    @cached_property
    def alignment(self) -> Any:
        """The global map and how it was found, or None."""
        return getattr(self.flow, "alignment_", getattr(getattr(self.flow, "aligner_", None), "alignment_", None))

    @property
    def decision(self) -> Any:
        """The safeguard's record, or None."""
        return getattr(self.flow, "decision_", None)

    @property
    def same_columns(self) -> bool:
        """Whether rows have as many columns after the flow as before."""
        return self.before is not None and self.after is not None and self.before.shape[1] == self.after.shape[1]

    @cached_property
    def _target_sample(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Rows of the target and their classes, a draw of many; None for what there is not."""
        flow = self.flow
        target = getattr(flow, "target_", None)
        if target is None and getattr(flow, "target", None) is not None:
            target = Reference(*pair_of(flow.target, self.before, self.labels))
        if target is None:
            return None, None
        m = len(target.X)
        drawn = np.arange(m) if m <= SEEN_ROWS else np.random.RandomState(0).permutation(m)[:SEEN_ROWS]
        labels = None if target.y is None else _classes(np.asarray(target.y, dtype=object)[drawn], target.y)
        return np.asarray(target.X, dtype=float)[drawn], labels

    @property
    def target_rows(self) -> np.ndarray | None:
        """Rows of the target (m, k), a draw of many."""
        return self._target_sample[0]

    @property
    def target_labels(self) -> np.ndarray | None:
        """Their classes, None where the target has none."""
        return self._target_sample[1]

    @cached_property
    def names(self) -> list[str]:
        """Names of the source's columns."""
        own = getattr(self.flow, "feature_names_in_", None)
        own = feature_names(self.X) if own is None and self.X is not None else own
        d = getattr(self.flow, "n_features_in_", 0)
        return [f"column {k}" for k in range(d)] if own is None else [str(name) for name in own]

    @cached_property
    def names_out(self) -> list[str]:
        """Names of the columns after the flow."""
        own = [str(name) for name in self.flow.get_feature_names_out()]
        numbered = own == [f"x{k}" for k in range(len(own))]
        return [f"column {k}" for k in range(len(own))] if numbered else own


def fitted_part(subject: Subject, name: str) -> Any:
    """A fitted attribute of the estimator, the classifier or the flow, whichever has it; None where none has."""
    for holder in (subject.estimator, subject.classifier, subject.flow):
        if holder is not None and getattr(holder, name, None) is not None:
            return getattr(holder, name)
    return None


def _through_pipeline(estimator: Any, X: Any) -> tuple[Any, Any, Any]:
    """The flow of a pipeline, the model after it, and rows as they reach the flow."""
    if not hasattr(estimator, "steps"):
        return estimator, None, X
    steps = [step for _, step in estimator.steps if hasattr(step, "fit")]
    place = next((k for k, step in enumerate(steps) if _moves(step)), None)
    if place is None:
        raise ValueError(f"flow={estimator!r} holds no flow; a report is about a fitted flow or aligner.")
    if X is not None:
        for step in steps[:place]:
            X = step.transform(X)
    rest = steps[place + 1 :]
    return steps[place], rest[0] if len(rest) == 1 and hasattr(rest[0], "predict") else None, X


def _moves(step: Any) -> bool:
    return any(hasattr(step, name) for name in ("particles_", "alignment_", "flow_", "flows_", "maps_"))


def _refuse_several_maps(own: Any) -> None:
    name = type(own).__name__
    if isinstance(getattr(own, "flows_", None), dict):
        raise ValueError(
            f"flow={name}(...) has a flow for each domain, and a report is about one: pass flow.flows_[domain], with "
            "rows of that domain. What is done with each domain is in decisions_[domain].reason."
        )
    if hasattr(own, "maps_"):
        raise ValueError(
            f"flow={name}(...) has one map after another, and a report is about one movement. Its steps are in maps_ "
            "and objectives_."
        )


def _classes(y: np.ndarray, known: Any) -> np.ndarray | None:
    """Class labels, None where a row has none; None altogether for continuous values. -1 is a label if it is known."""
    if y.ndim > 1 and y.shape[1] > 1:  # several continuous values a row
        return None
    y = y.ravel()
    markers = {-1, "-1"} - set(np.asarray(known).tolist())
    present = np.array([not is_missing(value) and value not in markers for value in y.tolist()], dtype=bool)
    if not present.any():
        return None
    values = np.asarray(y[present].tolist())
    if values.dtype.kind == "f" and type_of_target(values).startswith("continuous"):
        return None
    classes = np.full(len(y), None, dtype=object)
    classes[present] = values.tolist()
    return classes
