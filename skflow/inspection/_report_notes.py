"""What the reader of a report should know first: the outcome in a sentence, and what to be careful with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._markup import name_of, number, percent
from ._movement import Distances
from ._subject import Subject, fitted_part

FAR = 2.0
"""Times the floor beyond which rows count as far from the target."""
DOUBTED = 0.5
"""Trust below which a row is to be distrusted."""


class Note(NamedTuple):
    """One thing to be careful with."""

    kind: str
    """"warning" or "hint"."""
    words: str
    """What happened."""
    advice: str
    """What it means, and what to do."""


def headline(subject: Subject) -> str:
    """What was done to the rows, in a sentence."""
    if subject.classifier is not None and getattr(subject.classifier, "decision_", None) == "predictions":
        return "The classifier's own answers are kept: nothing is moved."
    if getattr(subject.estimator, "decision_", None) == "leave":
        return "The regressor is asked about rows as they are: nothing is moved."
    decision, alignment = subject.decision, subject.alignment
    if decision is None and not hasattr(subject.flow, "particles_"):
        verdicts = {
            "identity": "Rows are left as they are: no global map brings them closer.",
            "not found": "No global map was found that makes both sides alike.",
        }
        return verdicts.get(alignment.verdict, "Rows are carried by one global map.")
    if decision is not None and decision.limits is not None:
        return "Values beyond the target's range are brought to its edge; nothing else is moved."
    if decision is not None and decision.chosen.share is None:
        return "Rows are left as they are."
    if decision is not None and decision.chosen.share == 0:
        return "Rows are aligned by one global map, and not moved further."
    share = 1.0 if decision is None else decision.chosen.share
    much = "" if share == 1 else f", by {percent(share)} of the way"
    first = "aligned by one global map, then moved" if alignment is not None else "moved"
    return f"Rows are {first} by the flow{much}."


def notes(subject: Subject, distances: Distances | None, trust: np.ndarray | None) -> list[Note]:
    """What to be careful with, the gravest first."""
    found = [
        *_of_alignment(subject),
        *_of_convergence(subject),
        *_of_distance(subject, distances),
        *_of_trust(trust),
        *_of_classes(subject),
        *_of_labels(subject),
    ]
    return sorted(found, key=lambda note: note.kind != "warning")


def _of_alignment(subject: Subject) -> Iterator[Note]:
    alignment = subject.alignment
    left = subject.decision is not None and subject.decision.chosen.share is None
    if alignment is not None and alignment.verdict == "not found" and not left:
        yield Note(
            "warning",
            "The two sides are not the same up to any global map that was tried.",
            f"Aligned rows stay at a divergence of {number(alignment.divergence)}, where two halves of the target have "
            f"{number(alignment.floor)}. Give labels to some rows, more rows, or a larger max_starts.",
        )


def _of_convergence(subject: Subject) -> Iterator[Note]:
    flow = getattr(subject.flow, "flow_", subject.flow)
    steps, most, tol = (getattr(flow, name, None) for name in ("n_iter_", "max_iter", "tol"))
    if steps is not None and most is not None and tol and steps >= most:
        yield Note(
            "warning",
            f"The flow used all of its {most} steps and may not have converged.",
            f"Particles may still move. Raise max_iter={most} or step_size={flow.step_size}, or scale the columns.",
        )
    objective = np.asarray(getattr(flow, "objective_", []), dtype=float)
    if len(objective) > 1 and not objective[-1] <= objective[0]:
        yield Note(
            "warning",
            "The objective of the flow rose.",
            f"It went from {number(objective[0])} to {number(objective[-1])}. Lower step_size={flow.step_size}.",
        )


def _of_distance(subject: Subject, distances: Distances | None) -> Iterator[Note]:
    if distances is None or hasattr(subject.flow, "constraints"):
        return
    if distances.before is not None and distances.after > 1.1 * max(distances.before, distances.floor):
        yield Note(
            "warning",
            "Rows end farther from the model's data than they began.",
            "Look at the pictures and at classes that went to the wrong place before you rely on the map.",
        )
    elif distances.after > FAR * distances.floor:
        times = number(distances.after / max(distances.floor, 1e-12), 2)
        yield Note(
            "hint",
            f"Rows end {times} times as far from the model's data as two halves of these are from each other.",
            "Something of the shift is left. Its classes, columns and rows are listed below.",
        )


def _of_trust(trust: np.ndarray | None) -> Iterator[Note]:
    if trust is not None and (trust < DOUBTED).any():
        yield Note(
            "warning" if (trust < DOUBTED).mean() > 0.1 else "hint",
            f"{percent(float((trust < DOUBTED).mean()))} of the rows have a trust below {DOUBTED:g}.",
            "They are far from what the map was learnt on, or their neighbours move apart. Let a person look at them.",
        )


def _of_classes(subject: Subject) -> Iterator[Note]:
    unmatched = fitted_part(subject, "unmatched_classes_")
    for side, classes in unmatched.items() if isinstance(unmatched, Mapping) else [("", unmatched)]:
        if classes is not None and len(classes):
            of = {"source": " of the source", "target": " of the target"}.get(str(side), "")
            yield Note(
                "warning",
                f"Classes{of} without a counterpart: {', '.join(map(name_of, np.asarray(classes).tolist()))}.",
                "Their rows are left where the alignment takes them.",
            )
    rows = fitted_part(subject, "unmatched_rows_")
    if rows is not None and len(rows):
        many = int(np.asarray(rows).sum()) if np.asarray(rows).dtype == bool else len(rows)
        if many:
            yield Note("hint", f"{many:,} training rows belong nowhere.", "They were left alone and not forced.")
    crowded = _crowded(getattr(subject.flow, "label_map_", None) or {})
    if crowded:
        yield Note(
            "hint",
            f"Several classes go to one class of the model: {'; '.join(crowded)}.",
            "The model cannot tell these apart after the move. RepurposedClassifier can, with several flows.",
        )


def _crowded(label_map: Mapping[Any, Any]) -> list[str]:
    several = [goal for goal, count in Counter(label_map.values()).items() if count > 1]
    return [
        f"{', '.join(name_of(label) for label, to in label_map.items() if to == goal)} → {name_of(goal)}"
        for goal in several[:3]
    ]


def _of_labels(subject: Subject) -> Iterator[Note]:
    confidence = fitted_part(subject, "confidence_")
    if confidence is not None and (np.asarray(confidence) < DOUBTED).mean() > 0.1:
        share = float((np.asarray(confidence) < DOUBTED).mean())
        yield Note(
            "hint",
            f"{percent(share)} of the pseudo-labels lead by less than half over the second choice.",
            "These rows weigh little in the flow. Label some of them and fit again.",
        )
