"""Pieces of HTML, in which every word of the user's is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

VOID = {"img", "meta"}
"""Elements that hold nothing."""
LONGEST = 60
"""Letters of a user's name that are shown."""


class Markup(str):
    """Text that is HTML already; all other text is escaped."""


def text(value: Any) -> Markup:
    """Anything as HTML: what is markup stays, all else is escaped."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def name_of(value: Any) -> str:
    """A user's name for a column, class or row, cut where it is long."""
    words = str(value)
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def number(value: float, digits: int = 3) -> str:
    """A number as people write it: some digits, a true minus sign, no exponent unless it must be."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    size = abs(value)
    if size != 0 and (size >= 1e6 or size < 1e-4):
        return f"{value:.{digits - 1}e}".replace("-", "−")
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage; what is small is not called nothing."""
    least = 10.0**-digits
    if 0 < 100 * share < least:
        return f"< {least:g} %"
    return f"{100 * share:.{digits}f} %"


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """An element; an attribute's trailing underscore is dropped and others become hyphens."""
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value).lower() if value is True else str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{words}/>")
    return Markup(f"<{tag}{words}>{''.join(map(text, children))}</{tag}>")


def joined(pieces: Iterable[Any]) -> Markup:
    """Pieces one after the other, those that are None left out."""
    return Markup("".join(text(piece) for piece in pieces if piece is not None))


def table(
    caption: str,
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    numeric: Sequence[int] = (),
    marked: Sequence[int] = (),
) -> Markup:
    """A table with a caption; the first cell of each row is its heading.

    Parameters
    ----------
    caption : str
    header : sequence
        Headings of the columns.
    rows : iterable of sequences
        Cells.
    numeric : sequence of int
        Columns that are aligned as numbers.
    marked : sequence of int
        Rows that are set off.
    """

    def style(k: int) -> str | None:
        return "number" if k in numeric else None

    head = element("tr", *(element("th", cell, scope="col", class_=style(k)) for k, cell in enumerate(header)))
    body = []
    for i, (first, *others) in enumerate(rows):
        cells = [element("td", cell, class_=style(k)) for k, cell in enumerate(others, start=1)]
        body.append(element("tr", element("th", first, scope="row"), *cells, class_="marked" if i in marked else None))
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    # What is wider than the screen scrolls; a keyboard reaches it.
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def bar(share: float, words: str, kind: str = "accent") -> Markup:
    """A bar whose length is a share of the cell, with its value in words beside it."""
    length = 100 * float(np.clip(np.nan_to_num(share), 0, 1))
    filled = element("span", style=f"width:{length:.1f}%", class_=kind)
    track = element("span", filled, class_="track", aria_hidden=True)
    return element("span", track, element("span", words, class_="value"), class_="bar")


def folded(summary: str, *content: Any) -> Markup:
    """What only some want to read, behind a line that opens it."""
    return element("details", element("summary", summary), *content)
