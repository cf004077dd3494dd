"""Small pictures as SVG that takes its colours from the page: no library draws them, and they are sharp at any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._markup import Markup, element, joined, number

SIZE = 240
"""Width and height of a picture, in its own units."""
N_COLOURS = 10
"""Colours of classes in the page's style, `c0` to `c9`."""


def scatter(
    points: np.ndarray,
    groups: np.ndarray,
    behind: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    words: str,
    hollow: np.ndarray | None = None,
) -> Markup:
    """Points (n, 2) in the colours of their groups, before other points in grey.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    groups : ndarray of int of shape (n,)
        Number of each point's colour; -1 is that of no class.
    behind : ndarray of shape (m, 2)
        The points in grey.
    box : tuple (low, high) of ndarray of shape (2,)
        What is shown; points outside of it are drawn at its edge.
    words : str
        What the picture shows, for those who cannot see it.
    hollow : ndarray of bool of shape (n,), optional
        Points that are drawn as rings.
    """

    def place(Z: np.ndarray) -> np.ndarray:
        low, high = box
        inside = np.clip((Z - low) / np.maximum(high - low, 1e-300), 0, 1)
        return np.round(8 + (SIZE - 16) * np.column_stack([inside[:, 0], 1 - inside[:, 1]]), 1)

    dots = [Markup(f'<circle cx="{x:g}" cy="{y:g}" r="2.4"/>') for x, y in place(behind).tolist()]
    drawn = [element("g", *dots, class_="behind")]
    places = place(points)
    rings = np.zeros(len(points), dtype=bool) if hollow is None else hollow
    for group in np.unique(groups).tolist():
        for ring in (False, True):
            chosen = (groups == group) & (rings == ring)
            if chosen.any():
                marks = [Markup(f'<circle cx="{x:g}" cy="{y:g}" r="3"/>') for x, y in places[chosen].tolist()]
                colour = "none" if group < 0 else f"c{group % N_COLOURS}"
                drawn.append(element("g", *marks, class_=f"{colour} ring" if ring else colour))
    return _svg(drawn, words, SIZE, SIZE)


def curve(values: Sequence[float] | np.ndarray, words: str) -> Markup:
    """A line through values, one a step, from nought to the largest."""
    heights = np.nan_to_num(np.asarray(values, dtype=float))
    low, high = min(0.0, heights.min()), heights.max()
    width, height = 2 * SIZE, SIZE // 2
    x = np.linspace(44, width - 8, len(heights)) if len(heights) > 1 else np.array([44.0])
    y = height - 22 - (height - 34) * (heights - low) / (high - low or 1)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    base = f"{x[0]:.1f},{height - 22} {line} {x[-1]:.1f},{height - 22}"
    marks = [
        Markup(f'<polygon class="area" points="{base}"/>'),
        Markup(f'<polyline class="line" points="{line}"/>'),
        element("text", number(high, 2), x=38, y=16, text_anchor="end"),
        element("text", number(low, 2), x=38, y=height - 19, text_anchor="end"),
        element("text", "step 0", x=44, y=height - 5),
        element("text", str(len(heights) - 1), x=width - 8, y=height - 5, text_anchor="end"),
    ]
    return _svg(marks, words, width, height)


def histogram(values: np.ndarray, words: str, n_bins: int = 20) -> Markup:
    """How often values in [0, 1] occur."""
    counts, _ = np.histogram(np.clip(np.nan_to_num(values), 0, 1), bins=n_bins, range=(0, 1))
    width, height = 2 * SIZE, SIZE // 2
    step = (width - 16) / n_bins
    marks = []
    for k, count in enumerate(counts.tolist()):
        tall = (height - 30) * count / max(counts.max(), 1)
        colour = "low" if (k + 1) / n_bins <= 0.5 else "high"
        place = f'x="{8 + k * step:.1f}" y="{height - 20 - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}"'
        marks.append(Markup(f'<rect class="{colour}" {place} rx="1.5"/>'))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        marks.append(element("text", f"{share:g}", x=8 + share * (width - 16), y=height - 5, text_anchor=anchor))
    return _svg(marks, words, width, height)


def _svg(marks: list[Markup], words: str, width: int, height: int) -> Markup:
    title = element("title", words)
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img" preserveAspectRatio="xMidYMid meet">'
        f"{title}{joined(marks)}</svg>"
    )
