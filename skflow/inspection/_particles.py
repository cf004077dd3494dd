"""Particles as images, at several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from ._common import frames_of

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

    def __init__(self, images: np.ndarray, *, labels: Sequence | None = None) -> None:
        self.images = images
        self.labels = labels

    @classmethod
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
        """
        frames = frames_of(estimator)
        d = frames.shape[2]
        side = math.isqrt(d)
        shape = (side, side) if image_shape is None else tuple(image_shape)
        if math.prod(shape) != d:
            raise ValueError(f"image_shape={image_shape!r} does not fit rows of {d} features.")
        times = np.unique(np.linspace(0, len(frames) - 1, min(n_frames, len(frames))).round().astype(int))
        by_class = np.argsort(estimator.particle_labels_, kind="stable")
        rows = by_class[np.linspace(0, len(by_class) - 1, min(n_particles, len(by_class))).round().astype(int)]
        images = frames[np.ix_(times, rows)].reshape(len(times), len(rows), *shape)
        return cls(images, labels=estimator.particle_labels_[rows]).plot(figure=figure, cmap=cmap)

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
        images = np.asarray(self.images)
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
            ax.imshow(images[time, row], cmap=cmap, vmin=low, vmax=high)
            ax.set(xticks=[], yticks=[])
            if time == 0 and self.labels is not None:
                ax.set_ylabel(str(self.labels[row]), rotation=0, ha="right", va="center")
        return self
