"""The sections of a report, each from what the flow holds; a section about which nothing is known is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._map_words import describe_map
from ._markup import Markup, bar, element, folded, joined, name_of, number, percent, table
from ._movement import Distances
from ._report_notes import DOUBTED, Note
from ._subject import Subject
from ._vector_pictures import curve, histogram

MOST_COUPLED = 15
"""Classes a side whose coupling is shown as a whole."""
LISTED_ROWS = 10
"""Rows to distrust that are listed."""


def section(title: str, *content: Any, wide: bool = False) -> Markup:
    """A section with its heading."""
    return element("section", element("h2", title), *content, class_="wide" if wide else None)


def attention(found: list[Note]) -> Markup:
    """What to be careful with."""
    if not found:
        return section("What to watch", element("p", "Nothing stands out.", class_="fine"), wide=True)
    words = {"warning": "Warning", "hint": "Note"}
    items = [
        element(
            "li",
            element("span", words[kind], class_="badge"),
            element("p", element("strong", happened), " ", advice),
            class_=kind,
        )
        for kind, happened, advice in found
    ]
    return section("What to watch", element("ul", *items, class_="notes"), wide=True)


def distance(found: Distances | None, subject: Subject) -> Markup | None:
    """How far from the model's data rows are, before and after."""
    alignment = subject.alignment
    if found is None and alignment is None:
        return None
    if found is None:
        stages = [("After", alignment.divergence), ("Two halves of the model's data", alignment.floor)]
    else:
        stages = [("Before", found.before), ("Aligned", found.aligned), ("After", found.after)]
        stages.append(("Two halves of the model's data", found.floor))
    known = [(name, value) for name, value in stages if value is not None]
    longest = max(max(value for _, value in known), 1e-12)
    kinds = {"Before": "muted", "After": "accent", "Aligned": "second"}
    rows = [(name, bar(value / longest, number(value), kinds.get(name, "floor"))) for name, value in known]
    return section(
        "Distance to the model's data",
        element("p", _distance_words(dict(known)), class_="said"),
        table("Divergence of the rows from the model's data", ["Stage", "Divergence"], rows),
        element(
            "p",
            "The divergence is zero where two clouds of points are the same; the unit is the total variance of the "
            "model's data. A change of class frequencies alone does not count. Two halves of the model's data are the "
            "floor: no lower value can be asked for.",
            class_="small",
        ),
    )


def _distance_words(stages: Mapping[str, float]) -> str:
    after, floor = stages["After"], stages["Two halves of the model's data"]
    near = "as near as two halves of these data are to each other" if after <= 1.25 * floor else None
    near = near or f"{number(after / max(floor, 1e-12), 2)} times the floor"
    if "Before" not in stages:
        return f"Moved rows are at {number(after)}: {near}."
    if abs(stages["Before"] - after) < 0.02 * max(after, floor):
        return f"The distance stays at {number(after)}: {near}."
    change = "fell" if after < stages["Before"] else "rose"
    return f"The distance {change} from {number(stages['Before'])} to {number(after)}: {near}."


def decision(subject: Subject) -> Markup | None:
    """What held-out rows chose, and the table that they chose from."""
    found = subject.decision
    if found is None:
        return None
    by_labels = found.judged_by == "labels"
    scores = np.array([choice.score for choice in found.table])
    low, high = scores.min(), scores.max()
    rows = []
    for choice in found.table:
        shown = percent(choice.score, 1) if by_labels else number(-choice.score)
        length = choice.score if by_labels else (0.1 + 0.9 * (choice.score - low) / (high - low or 1))
        error = percent(choice.standard_error, 1) if by_labels else number(choice.standard_error, 2)
        chosen = choice.name == found.chosen.name
        mark = element("span", "chosen", class_="badge chosen") if chosen else ""
        name = joined([_candidate_words(choice.name), " ", mark])
        rows.append((name, bar(length, shown, "accent" if chosen else "muted"), f"± {error}"))
    marked = [k for k, choice in enumerate(found.table) if choice.name == found.chosen.name]
    what = "Right on held-out rows" if by_labels else "Divergence from the model's data"
    return section(
        "The decision",
        element("p", found.reason, class_="said"),
        table("Candidates, the simplest first", ["Candidate", what, "Standard error"], rows, marked=marked),
        element(
            "p",
            "Quick models of the model's data judged rows that the map was not fitted to."
            if by_labels
            else f"No label was used. Two halves of the model's data are {number(found.floor or 0)} apart.",
            " Of the candidates that are as good as the best, the simplest is taken.",
            class_="small",
        ),
    )


def _candidate_words(name: str) -> str:
    words = {"leave": "Leave as they are", "range": "Bring into range", "align": "Align", "flow": "Align and flow"}
    kind, _, share = name.partition(" ")
    return f"Flow by {percent(float(share))}" if kind == "flow" and share else words.get(name, name)


def alignment(subject: Subject, image_shape: tuple[int, ...] | None) -> Markup | None:
    """The global map in words, and the classes of maps that were tried."""
    found = subject.alignment
    if found is None:
        return None
    rows = subject.before
    if rows is None and subject.target_rows is not None:
        rows = found.inverse_transform(subject.target_rows)
    said = []
    if rows is not None:
        told = describe_map(rows, found.transform(rows), subject.names, subject.names_out, image_shape)
        said.append(element("p", told.sentence, class_="said"))
        if told.agreement < 0.99:
            share = f"That is {percent(told.agreement)} of what the map does to rows."
            said.append(element("p", share, class_="small"))
    plain = {
        "aligned": "aligned: both sides are as near as can be expected.",
        "identity": "identity: rows are best left as they are.",
        "not found": "not found: the two sides stay apart under all maps that were tried.",
    }
    facts = [
        ("Verdict", plain.get(found.verdict, found.verdict)),
        ("Class of maps", found.invariance),
        ("Divergence of held-out rows", number(found.divergence)),
        ("Floor, two halves of the target", number(found.floor)),
        ("Starts that were tried", f"{found.n_starts:,}, best from “{found.start}”"),
    ]
    listed = element("dl", *(joined([element("dt", name), element("dd", value)]) for name, value in facts))
    chosen = [k for k, c in enumerate(found.candidates) if c.name == found.invariance]
    tried = table(
        "Classes of maps that were tried",
        ["Class", "Score", "Standard error", "Divergence", "Free numbers"],
        [
            (c.name, number(c.score), f"± {number(c.standard_error, 2)}", number(c.divergence), f"{c.n_parameters:,}")
            for c in found.candidates
        ],
        numeric=(1, 2, 3, 4),
        marked=chosen,
    )
    return section("The global map", *said, listed, folded("All classes of maps that were tried", tried))


def rows_to_distrust(subject: Subject, trust: np.ndarray | None) -> Markup | None:
    """The rows whose answers deserve the least belief."""
    if trust is None:
        return None
    lowest = np.argsort(trust, kind="stable")[:LISTED_ROWS]
    known = subject.labels is not None
    rows = [
        (
            name_of(subject.rows[i]),
            bar(trust[i], number(trust[i], 2), "accent" if trust[i] >= DOUBTED else "low"),
            *([] if subject.labels is None else ["–" if subject.labels[i] is None else name_of(subject.labels[i])]),
        )
        for i in lowest
    ]
    said = f"{percent(float((trust >= DOUBTED).mean()))} of the rows have a trust of {DOUBTED:g} or more."
    words = f"Histogram of the trust of {len(trust):,} rows, from 0 to 1. {said}"
    header = ["Row", "Trust", *(["Class"] if known else [])]
    return section(
        "Rows to distrust",
        element("p", said, class_="said"),
        element("figure", histogram(trust, words), element("figcaption", "How many rows have which trust")),
        table(f"The {len(rows)} rows that deserve the least trust", header, rows),
    )


def course(subject: Subject) -> Markup | None:
    """How the flow went, and which class its mass went to."""
    flow = subject.flow
    objective = getattr(flow, "objective_", None)
    if objective is None:
        return None
    steps = len(objective) - 1
    said = f"The flow took {steps:,} steps; its objective went from {number(objective[0])} to {number(objective[-1])}."
    picture = element("figure", curve(objective, said), element("figcaption", "Objective, one value a step"))
    content = element("p", said, class_="said"), picture, _coupling(flow) or ""
    return section("The flow", *content, wide=subject.decision is None)


def _coupling(flow: Any) -> Markup | None:
    mass = getattr(flow, "coupling_", None)
    if mass is None or max(mass.shape) > MOST_COUPLED:
        return None
    share = mass / np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)

    def cell(value: float) -> Markup:
        words = percent(value) if value > 0.005 else "·"
        return element("span", words, class_="heat", style=f"--heat:{100 * value:.0f}%")

    header = ["From \\ to", *map(name_of, flow.target_classes_.tolist())]
    rows = [
        (name_of(label), *map(cell, row)) for label, row in zip(flow.classes_.tolist(), share.tolist(), strict=True)
    ]
    shown = table("Share of each class that went to each class of the model", header, rows)
    return folded("Which class went to which", shown)
