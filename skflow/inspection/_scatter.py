"""Particles as images, at several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._sklearn import check_matplotlib_support, validate_params
from ._common import ONE_OR_MORE, as_shape, colour_map, frames_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ParticlesDisplay:
    """Some particles as images: a row for each, its way from left to right (figures 4 and 9).

    Parameters
    ----------
    images : ndarray of shape (n_frames, n_shown, height, width)
        What to show.
    labels : sequence of length n_shown, default=None
        Names of the rows.

    Raises
    ------
    ValueError
        For arrays of other shapes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_shown, n_frames)
        Where they are drawn.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        The figure of them.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.inspection import ParticlesDisplay
    >>> ParticlesDisplay(np.zeros((4, 3, 8, 8))).plot().axes_.shape
    (3, 4)
    """

    def __init__(self, images: ArrayLike, *, labels: Sequence | np.ndarray | None = None) -> None:
        self.images = as_shape(images, (None, None, None, None), "images")
        self.labels = None if labels is None else as_shape(labels, self.images.shape[1:2], "labels")

    @classmethod
    @validate_params(
        {"image_shape": [tuple, list, None], "n_particles": ONE_OR_MORE, "n_frames": ONE_OR_MORE},
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        n_particles: int = 10,
        n_frames: int = 6,
        figure: Figure | None = None,
        cmap: str = "gray",
    ) -> ParticlesDisplay:
        """Draw particles of a fitted flow, evenly over its classes and frames.

        Parameters
        ----------
        estimator : flow fitted with ``keep_trajectory`` of two or more
        image_shape : tuple (height, width), default=None
            Shape of a row of `X`; a square if None.
        n_particles, n_frames : int, default=10, 6
            How many to show at most.
        figure : matplotlib Figure, default=None
            Where to draw; a new one if None.
        cmap : str, default="gray"
            Colour map.

        Returns
        -------
        display : ParticlesDisplay

        Raises
        ------
        ValueError
            If `estimator` is no fitted flow that kept frames, or a parameter is out of range or does not fit.
        """
        frames = frames_of(estimator, cls.__name__)
        shape = _image_shape(image_shape, frames.shape[2])
        times = np.unique(np.linspace(0, len(frames) - 1, min(n_frames, len(frames))).round().astype(int))
        labels = estimator.particle_labels_
        labels = labels[:, 0] if labels.ndim == 2 else labels
        by_class = np.argsort(labels, kind="stable")
        rows = by_class[np.linspace(0, len(by_class) - 1, min(n_particles, len(by_class))).round().astype(int)]
        images = frames[np.ix_(times, rows)].reshape(len(times), len(rows), *shape)
        return cls(images, labels=labels[rows]).plot(figure=figure, cmap=cmap)

    def plot(self, figure: Figure | None = None, *, cmap: str = "gray") -> ParticlesDisplay:
        """Draw.

        Parameters
        ----------
        figure : matplotlib Figure, default=None
            Where to draw; a new one if None.
        cmap : str, default="gray"
            Colour map.

        Returns
        -------
        self : ParticlesDisplay
        """
        check_matplotlib_support("ParticlesDisplay")
        images = self.images
        n_frames, n_shown = images.shape[:2]
        if figure is None:
            import matplotlib.pyplot as plt

            figure = plt.figure(figsize=(0.9 * n_frames + 0.6, 0.9 * n_shown), layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(n_shown, n_frames, squeeze=False)
        self.ax_ = self.axes_[0, 0]
        # One scale for all, that of the data at both ends: what a flow overshoots is clipped.
        low, high = images[[0, -1]].min(), images[[0, -1]].max()
        for (row, time), ax in np.ndenumerate(self.axes_):
            ax.imshow(images[time, row], cmap=colour_map(cmap), vmin=low, vmax=high)
            ax.set(xticks=[], yticks=[])
            if time == 0 and self.labels is not None:
                ax.set_ylabel(str(self.labels[row]), rotation=0, ha="right", va="center")
        return self


def _image_shape(image_shape: Sequence[int] | None, n_features: int) -> tuple[int, int]:
    if image_shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(f"image_shape=None stands for a square, and rows of {n_features} features make none.")
        return side, side
    whole = len(image_shape) == 2 and all(isinstance(n, Integral) and n > 0 for n in image_shape)
    if not whole:
        raise ValueError(f"image_shape={image_shape!r} is not a pair of whole numbers, (height, width).")
    height, width = image_shape
    if height * width != n_features:
        raise ValueError(f"image_shape={image_shape!r} does not fit rows of {n_features} features.")
    return height, width
