"""The pictures of a report: rows before and after among the model's data, and rows that are images."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np

from .._sklearn import check_matplotlib_support
from ._markup import Markup, element, name_of
from ._movement import flows_on, ordered
from ._subject import Subject
from ._vector_pictures import N_COLOURS, scatter

DRAWN_POINTS = 250
"""Points a side in a picture."""
N_IMAGES = 10
"""Images a row."""


def clouds(subject: Subject, trust: np.ndarray | None) -> Markup | None:
    """Rows before, aligned and after the flow, in two principal axes of the model's data."""
    after = subject.after
    if after is None or len(after) < 3:
        return None
    Z = subject.target_rows
    axes, center = _plane(after if Z is None else Z)
    some = np.random.RandomState(0).permutation(len(after))[:DRAWN_POINTS]
    behind = np.zeros((0, 2)) if Z is None else (Z[:DRAWN_POINTS] - center) @ axes
    stages = {"Before": subject.before if subject.same_columns else None}
    stages |= {"Aligned": subject.aligned if flows_on(subject) else None, "After": after}
    shown = {name: (rows[some] - center) @ axes for name, rows in stages.items() if rows is not None}
    box = _box(np.vstack([behind, shown["After"]]), shown.get("Before", behind))
    groups, legend = _groups(subject, some)
    doubted = None if trust is None else trust[some] < 0.5
    drawn = []
    for name, points in shown.items():
        words = f"{name}: {len(points)} rows{' in the colours of their classes' if legend else ''}"
        words += "" if Z is None else f" among {len(behind)} rows of the model's data, in grey"
        picture = scatter(points, groups, behind, box, f"{words}.", doubted)
        drawn.append(element("figure", picture, element("figcaption", name)))
    keys = [element("li", element("span", class_=f"key c{k % N_COLOURS}"), name) for k, name in enumerate(legend)]
    if Z is not None:
        keys.append(element("li", element("span", class_="key behind"), "the model's data"))
    if doubted is not None and doubted.any():
        keys.append(element("li", element("span", class_="key hollow"), "a ring: a row to distrust"))
    axes_of = "the rows" if Z is None else "the model's data"
    caption = f"Two principal axes of {axes_of}. What lies outside is drawn at the edge."
    small = element("p", caption, class_="small")
    return element("div", element("div", *drawn, class_="pictures"), element("ul", *keys, class_="legend"), small)


def _box(near: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is shown: all of where rows end, and of where they begin as much as leaves the end large enough to see."""
    low, high = np.quantile(near, [0.005, 0.995], axis=0)
    size = np.maximum(high - low, 1e-12)
    if len(before):
        first, last = np.quantile(before, [0.005, 0.995], axis=0)
        low, high = np.maximum(np.minimum(low, first), low - size), np.minimum(np.maximum(high, last), high + size)
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _plane(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two leading principal axes (d, 2), and the mean."""
    center = Z.mean(axis=0)
    axes = np.linalg.svd(Z - center, full_matrices=False)[2][:2].T
    return (axes if axes.shape[1] == 2 else np.column_stack([axes, np.zeros(len(axes))])), center


def _groups(subject: Subject, some: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Number of each row's colour, and the classes that these stand for."""
    if subject.labels is None:
        return np.full(len(some), -1), []
    known = ordered(subject.labels)
    number_of = {label: k for k, label in enumerate(known)}
    groups = np.array([-1 if label is None else number_of[label] for label in subject.labels[some].tolist()])
    names = [name_of(label) for label in known]
    return groups, names if len(names) <= N_COLOURS else []


def images(subject: Subject, image_shape: tuple[int, ...]) -> Markup | None:
    """Some rows as images, before and after."""
    if subject.before is None or subject.after is None:
        return None
    some = _some_of_each(subject)
    stages = {"Before": subject.before[some], "After": subject.after[some]}
    if subject.target_rows is not None:
        stages["The model's data"] = subject.target_rows[:N_IMAGES]
    fitting = {name: rows for name, rows in stages.items() if rows.shape[1] == np.prod(image_shape)}
    drawn = [
        element(
            "figure",
            element("img", src=_strip(rows, image_shape), alt=f"{name}: {len(rows)} rows as images.", class_="strip"),
            element("figcaption", name),
        )
        for name, rows in fitting.items()
    ]
    return element("div", *drawn, class_="strips") if drawn else None


def _some_of_each(subject: Subject) -> np.ndarray:
    """Rows of different classes where they are known."""
    if subject.labels is None:
        return np.arange(len(subject.rows))[:N_IMAGES]
    labels = subject.labels.tolist()
    first = [labels.index(label) for label in ordered(subject.labels)]
    rest = [i for i in range(len(labels)) if i not in set(first)]
    return np.array((first + rest)[:N_IMAGES])


def _strip(rows: np.ndarray, image_shape: tuple[int, ...]) -> str:
    """Images side by side, as the address of a PNG that holds itself."""
    check_matplotlib_support("FlowReport with image_shape")
    from matplotlib.image import imsave

    tiles = rows.reshape(len(rows), *image_shape)
    low, high = np.quantile(tiles, [0.01, 0.99])
    grey = np.clip((tiles - low) / (high - low or 1), 0, 1).reshape(*tiles.shape[:3], -1)
    colour = grey[..., :3] if grey.shape[-1] >= 3 else grey[..., :1].repeat(3, axis=-1)
    opaque = np.concatenate([colour, np.ones_like(colour[..., :1])], axis=-1)
    strip: Any = np.concatenate(list(np.pad(opaque, [(0, 0), (0, 0), (0, 1), (0, 0)])), axis=1)[:, :-1]
    file = BytesIO()
    imsave(file, strip, format="png")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
