"""What all displays share."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ONE_OR_MORE = [Interval(Integral, 1, None, closed="left")]
"""Constraint of a number of things to draw."""

DIMENSIONS = [Interval(Integral, 2, 3, closed="both")]
"""Constraint of a number of dimensions that can be drawn."""


def check_flow(estimator: Any, attribute: str, display: str) -> None:
    """Raise where `estimator` is no fitted flow, or has not the fitted `attribute` that the display draws.

    Raises
    ------
    ValueError
        Where it is no flow; NotFittedError, which is one, where it is not fitted.
    """
    if not (hasattr(estimator, "fit") and hasattr(estimator, "transform")) or isinstance(estimator, type):
        raise ValueError(f"estimator={estimator!r} is no flow; {display} draws a fitted flow.")
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise ValueError(f"estimator={estimator!r} has no {attribute}, which {display} draws; is it a flow?")


def axes_for(ax: Axes | None, name: str, dimensions: int = 2) -> Axes:
    """`ax`, or the axes of a new figure, for two or three dimensions.

    Raises
    ------
    ValueError
        If `ax` is no axes, or has another number of dimensions.
    """
    check_matplotlib_support(name)
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(layout="constrained")
        return figure.add_subplot(projection="3d" if dimensions == 3 else None)
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise ValueError(f"ax must be matplotlib Axes or None; got {ax!r}.")
    if hasattr(ax, "get_zlim") != (dimensions == 3):
        asked = 'add_subplot(projection="3d")' if dimensions == 3 else "add_subplot()"
        raise ValueError(f"{name} draws {dimensions} dimensions, which ax={ax!r} has not; make the axes by {asked}.")
    return ax


def colour_map(cmap: Any) -> Any:
    """A colour map, by its name or as it is.

    Raises
    ------
    ValueError
        For what is none.
    """
    from matplotlib import colormaps

    try:
        return colormaps.get_cmap(cmap)
    except (TypeError, ValueError):
        raise ValueError(f"cmap={cmap!r} is no colour map of matplotlib, such as 'viridis'.") from None


def frames_of(estimator: Any, display: str) -> np.ndarray:
    """The trajectory (n_frames, n, d) of a fitted flow that kept one."""
    check_flow(estimator, "trajectory_", display)
    if len(estimator.trajectory_) < 2:
        raise ValueError(
            f"estimator={estimator!r} has kept {len(estimator.trajectory_)} frames, and {display} needs two or more. "
            "Fit it with keep_trajectory=20, say."
        )
    return estimator.trajectory_


def as_shape(value: ArrayLike, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """`value` as an array of a shape, in which None stands for any length.

    Raises
    ------
    ValueError
        For another shape.
    """
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(n in (None, own) for n, own in zip(shape, array.shape))
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have the shape ({wanted}); got {array.shape}.")
    return array


def number_colours(labels: np.ndarray, among: np.ndarray) -> np.ndarray:
    """A colour (n, 4) for each continuous label, by its rank among others."""
    from matplotlib import colormaps

    ranks = np.searchsorted(np.sort(among), labels) / max(len(among) - 1, 1)
    return np.asarray(colormaps["viridis"](ranks.clip(0, 1)))


def class_colours(classes: Sequence | np.ndarray) -> dict[Any, Any]:
    """A colour for each class."""
    from matplotlib import colormaps

    palette: Any = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    colours = palette.colors
    return {label: colours[k % len(colours)] for k, label in enumerate(np.asarray(classes).tolist())}
