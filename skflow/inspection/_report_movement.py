"""The sections of a report on what moved: columns and classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._markup import Markup, bar, element, name_of, number, percent, table
from ._movement import ClassMovement, ColumnMovement
from ._report_sections import section
from ._subject import Subject, fitted_part

MOST_COLUMNS = 10
"""Columns that are listed."""
CLASSES_SHOWN = 30
"""Classes that are listed."""


def columns(found: ColumnMovement | None, subject: Subject) -> Markup | None:
    """Columns by share of the movement."""
    if found is None:
        return None
    shown = range(min(MOST_COLUMNS, len(found.order)))
    named = [name_of(subject.names_out[k]) for k in found.order[: len(shown)]]
    rest = len(found.order) - len(shown)
    if found.share is None or found.before is None:
        what = f"Rows have other columns than the model: {len(subject.names)} became {len(subject.names_out)}."
        rows = [
            (named[k], number(found.after[k]), *([] if found.target is None else [number(found.target[k])]))
            for k in shown
        ]
        header = ["Column", "Mean after", *([] if found.target is None else ["In the model's data"])]
        words = table("Columns that vary most after the move", header, rows, numeric=(1, 2))
        return section("Columns", element("p", what, class_="said"), words)
    if not found.share.any():
        return section("Columns", element("p", "No column moved.", class_="said"))
    longest = found.share[0]
    rows = [
        (
            named[k],
            bar(found.share[k] / longest, percent(found.share[k])),
            *_means(found, k),
        )
        for k in shown
    ]
    half = int(np.searchsorted(np.cumsum(found.share), 0.5) + 1)
    many = f"{named[0]} makes up" if half == 1 else f"{half} of {len(found.order)} columns make up"
    said = f"{many} half of the movement." if half > 1 else f"{many} {percent(found.share[0])} of the movement."
    header = ["Column", "Share of the movement", "Mean before", "after"]
    header += [] if found.target is None else ["in the model's data"]
    more = f"The other {rest:,} columns make up {percent(float(found.share[len(shown) :].sum()))}." if rest else ""
    return section(
        "Columns that moved most",
        element("p", said, class_="said"),
        table("Columns by their share of the squared movement of all rows", header, rows, numeric=(2, 3, 4)),
        element("p", more, class_="small") if more else "",
        wide=True,
    )


def _means(found: ColumnMovement, k: int) -> list[str]:
    """Means of one column at each stage; what is nought but for rounding is nought."""
    stages = [stage[k] for stage in (found.before, found.after, found.target) if stage is not None]
    least = 1e-9 * max(map(abs, stages))
    return [number(0.0 if abs(value) < least else value) for value in stages]


def classes(found: list[ClassMovement], subject: Subject) -> Markup | None:
    """Where classes went, and how frequent they are on either side."""
    if not found:
        return None
    estimated = _estimated(subject)
    rows = []
    for c in found[:CLASSES_SHOWN]:
        row: list[Any] = [name_of(c.label), "–" if c.goes_to is None else name_of(c.goes_to)]
        row += [percent(c.share), "–" if c.target_share is None else percent(c.target_share)]
        if estimated is not None:
            row.append(estimated.get(c.label, "–"))
        row += ["–" if value is None else number(value, 2) for value in (c.moved, c.before, c.after)]
        rows.append(row)
    header = ["Class", "Goes to", "Share of rows", "in the model's data", "Movement", "Off before", "Off after"]
    if estimated is not None:
        header.insert(4, "as estimated")
    more = len(found) - len(rows)
    return section(
        "Classes",
        table("Classes: where they go, how frequent they are, how far they moved", header, rows, numeric=range(2, 9)),
        element(
            "p",
            "Movement and distances are in units of the spread of the model's data. “Off” is how far a class's mean is "
            "from that of the class that it goes to." + (f" {more:,} more classes are not shown." if more > 0 else ""),
            class_="small",
        ),
        wide=True,
    )


def _estimated(subject: Subject) -> dict[Any, str] | None:
    """Share of each class in the source as the flow found it, with its standard error."""
    found = fitted_part(subject, "class_proportions_")
    if found is None:
        return None
    return {c.label: f"{percent(c.source)} ± {percent(c.standard_error, 1)}" for c in found}
