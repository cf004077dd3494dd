"""What a scorer judges: the fitted flows in an estimator, the rows that reach them, and their target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import column_or_1d

from .._inputs import as_labels, as_numbers, is_missing
from .._target import pair_of

MARKERS = (-1, "-1")
"""What marks rows without a label, beside missing values and an estimator's own `unlabelled`."""


class Judged(NamedTuple):
    """One flow and the rows that it carried."""

    flow: Any
    moved: np.ndarray
    """The rows where the flow takes them."""
    X_target: np.ndarray
    y_target: np.ndarray
    rows: np.ndarray
    """The rows as they reach it."""


def judged_flows(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> Iterator[Judged]:
    """The fitted flows in `estimator`, each with the rows of `X` as they reach and leave it.

    Raises
    ------
    ValueError
        If there is no fitted flow, or one without a target.
    """
    found = False
    for flow, rows in _flows(estimator, X):
        found = True
        yield Judged(flow, np.asarray(flow.transform(rows)), *_target_of(flow, rows, y), np.asarray(rows))
    if not found:
        raise ValueError(f"estimator={estimator!r} holds no fitted flow.")


def known_labels(estimator: Any, flow: Any, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a label that the flow has seen, and these labels.

    Raises
    ------
    ValueError
        For labels that are neither known to the flow nor mark a row as unlabelled.
    """
    if is_regression(flow):
        numbers = as_numbers(y, len(np.asarray(y)), missing=True)
        seen = ~np.isnan(numbers).any(axis=1)
        return seen, numbers[seen]
    values = column_or_1d(np.asarray(y, dtype=object), warn=True).tolist()
    markers = (*MARKERS, getattr(estimator, "unlabelled", -1), getattr(flow, "unlabelled", -1))
    known = np.array([value in flow.label_map_ for value in values], dtype=bool)
    strange = {
        repr(value)
        for value, seen in zip(values, known, strict=True)
        if not (seen or is_missing(value) or value in markers)
    }
    if strange:
        raise ValueError(
            f"y has the labels {', '.join(sorted(strange))}, which the flow has not seen; it knows "
            f"{list(flow.label_map_)}."
        )
    labels = [value for value, seen in zip(values, known, strict=True) if seen]
    return known, as_labels(np.array(labels, dtype=object)) if labels else np.array([])


def is_regression(flow: Any) -> bool:
    """Whether a fitted flow's labels are continuous."""
    return bool(getattr(getattr(flow, "target_", None), "is_continuous", False))


def _flows(estimator: Any, X: Any) -> Iterator[tuple[Any, Any]]:
    """Fitted flows, each with `X` as it reaches it."""
    if hasattr(estimator, "flows_"):  # RepurposedClassifier
        for flow in estimator.flows_:
            yield from _flows(flow, X)
    elif hasattr(estimator, "flow_") and not hasattr(estimator, "transform"):  # RepurposedRegressor
        yield from _flows(estimator.flow_, X)
    elif hasattr(estimator, "steps"):  # Pipeline
        steps = [step for _, step in estimator.steps if hasattr(step, "fit")]
        last = max((k for k, step in enumerate(steps) if _holds_flow(step)), default=-1)
        for k, step in enumerate(steps[: last + 1]):
            yield from _flows(step, X)
            if k < last:
                X = step.transform(X)
    elif (inner := _wrapped(estimator)) is not None:
        yield from _flows(inner, X)
    elif _is_flow(estimator):
        yield estimator, X


def _holds_flow(estimator: Any) -> bool:
    if hasattr(estimator, "steps"):
        return any(_holds_flow(step) for _, step in estimator.steps)
    inner = _wrapped(estimator)
    return (
        _holds_flow(inner)
        if inner is not None
        else hasattr(estimator, "flows_") or hasattr(estimator, "flow_") or _is_flow(estimator)
    )


def _wrapped(estimator: Any) -> Any:
    """The fitted estimator within a search or a FrozenEstimator."""
    names = ("best_estimator_", "estimator_", "estimator")
    return next((getattr(estimator, name) for name in names if hasattr(estimator, name)), None)


def _is_flow(estimator: Any) -> bool:
    return hasattr(estimator, "transform") and (hasattr(estimator, "target_") or hasattr(estimator, "pushforward_"))


def _target_of(flow: Any, rows: Any, y: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """The reference dataset that a fitted flow flows towards."""
    target = getattr(flow, "target_", None)
    if target is None:
        target = getattr(flow, "target", None)
    if target is None:
        raise ValueError(f"{flow!r} has no target, so that there is nothing to compare the carried rows with.")
    X_target, y_target = pair_of(target, np.asarray(rows), None if y is None else np.asarray(y))
    return np.asarray(X_target), np.asarray(y_target)
