"""The ways of the particles, in two or three dimensions."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._sklearn import validate_params
from ._common import DIMENSIONS, ONE_OR_MORE, as_shape, axes_for, class_colours, frames_of, number_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FLOAT_CLASSES = 20
"""Different floats as labels; more are taken for numbers, and drawn on a scale of colours."""


class TrajectoryDisplay:
    """Particle paths, coloured by class, with the target in the back (figures 1, 2, 7, 8).

    Parameters
    ----------
    trajectory : ndarray of shape (n_frames, n, d)
        Frames, the first and the last included. With more dimensions than three the first principal components of the
        start, the end and the target are shown.
    labels : ndarray of shape (n,)
        Classes of the particles, or continuous labels, which are drawn on a scale of colours.
    X_target, y_target : ndarray of shape (m, d), (m,), default=None
        The target.
    label_map : dict, default=None
        Target class that each source class goes to; these share a colour. Classes of the same name do if None.
    n_components : {2, 3}, default=2
        Dimensions to show where there are more than three.

    Raises
    ------
    ValueError
        For arrays that do not fit each other, or `n_components` out of range.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn; 3-D for three dimensions.
    figure_ : matplotlib Figure
        The figure of it.
    paths_ : list of matplotlib Line2D or Line3DCollection
        The paths.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.inspection import TrajectoryDisplay
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> display = TrajectoryDisplay(np.array([X, X + 1, X + 2]), np.array(["a", "b"])).plot()
    >>> len(display.paths_)
    2
    """

    ax_: Any
    """The stubs of matplotlib know two dimensions alone."""

    @validate_params({"n_components": DIMENSIONS}, prefer_skip_nested_validation=True)
    def __init__(
        self,
        trajectory: ArrayLike,
        labels: ArrayLike,
        *,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        label_map: dict | None = None,
        n_components: int = 2,
    ) -> None:
        self.trajectory = as_shape(trajectory, (None, None, None), "trajectory")
        _, n, d = self.trajectory.shape
        self.labels = as_shape(labels, (n,), "labels")
        if X_target is None and y_target is not None:
            raise ValueError("y_target was given, but X_target=None.")
        self.X_target = None if X_target is None else as_shape(X_target, (None, d), "X_target")
        m = None if self.X_target is None else len(self.X_target)
        self.y_target = None if y_target is None else as_shape(y_target, (m,), "y_target")
        self.label_map = label_map
        self.n_components = n_components
        self._continuous = self.labels.dtype.kind == "f" and len(np.unique(self.labels)) > MOST_FLOAT_CLASSES

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        *,
        n_components: int = 2,
        ax: Axes | None = None,
        **plot_kw: Any,
    ) -> TrajectoryDisplay:
        """Draw the paths of a fitted flow.

        Parameters
        ----------
        estimator : flow fitted with ``keep_trajectory`` of two or more
        X_target, y_target : array-like of shape (m, d), (m,), default=None
            The target; if None, the estimator's own where it is known.
        n_components : {2, 3}, default=2
            Dimensions to show where there are more than three.
        ax : matplotlib Axes, default=None
            Where to draw, 3-D for three dimensions; a new figure if None.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : TrajectoryDisplay

        Raises
        ------
        ValueError
            If `estimator` is no fitted flow that kept frames, or a parameter is out of range or does not fit.
        """
        frames = frames_of(estimator, cls.__name__)
        own = getattr(estimator, "target_", None) or getattr(estimator, "target", None)
        if X_target is None and y_target is None and own is not None and not callable(own):
            X_target, y_target = own
        labels = estimator.particle_labels_
        if labels.ndim == 2:  # several continuous labels: the first
            labels, y_target = labels[:, 0], None if y_target is None else np.asarray(y_target)[:, 0]
        display = cls(
            frames,
            labels,
            X_target=X_target,
            y_target=y_target,
            label_map=getattr(estimator, "label_map_", None),
            n_components=n_components,
        )
        return display.plot(ax=ax, **plot_kw)

    @validate_params({"max_paths": ONE_OR_MORE, "legend": ["boolean"]}, prefer_skip_nested_validation=True)
    def plot(self, ax: Axes | None = None, *, max_paths: int = 500, legend: bool = True) -> TrajectoryDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.
        max_paths : int, default=500
            Paths to draw, evenly chosen; points are drawn for all particles.
        legend : bool, default=True
            Whether to name the classes.

        Returns
        -------
        self : TrajectoryDisplay
        """
        frames, target = self._projected()
        self.ax_ = axes_for(ax, "TrajectoryDisplay", frames.shape[2])
        self.figure_ = self.ax_.figure
        colours, target_colours = self._colours()
        if target is not None:
            points = target_colours if self.y_target is not None else "lightgray"
            self.ax_.scatter(*target.T, c=points, marker="x", s=18, alpha=0.35, label="target" if legend else None)
        self.paths_ = []
        for i in np.unique(np.linspace(0, len(self.labels) - 1, min(max_paths, len(self.labels))).astype(int)):
            self.paths_ += self.ax_.plot(*frames[:, i].T, color=colours[i], linewidth=0.5, alpha=0.4)
        self.ax_.scatter(*frames[0].T, s=12, facecolors="none", edgecolors=colours, linewidths=0.6)
        if self._continuous:
            name = "particles" if legend else None
            self.ax_.scatter(*frames[-1].T, s=14, c=colours, edgecolors="black", linewidths=0.3, label=name)
        for label in [] if self._continuous else np.unique(self.labels):
            rows = self.labels == label
            name = str(label) if legend else None
            self.ax_.scatter(*frames[-1][rows].T, s=14, c=colours[rows], edgecolors="black", linewidths=0.3, label=name)
        if legend:
            self.ax_.legend(fontsize="small")
        if frames.shape[2] == 2:
            self.ax_.set_aspect("equal")
        return self

    @validate_params({"fps": ONE_OR_MORE, "dpi": ONE_OR_MORE}, prefer_skip_nested_validation=True)
    def save_animation(self, path: str | PathLike, *, fps: int = 10, dpi: int = 80) -> None:
        """Write the flow as an animated GIF.

        Parameters
        ----------
        path : str or path
            File to write.
        fps : int, default=10
            Frames a second.
        dpi : int, default=80
            Resolution.
        """
        frames, target = self._projected()
        ax: Any = axes_for(None, "TrajectoryDisplay", frames.shape[2])
        colours, target_colours = self._colours()
        if target is not None:
            points = target_colours if self.y_target is not None else "lightgray"
            ax.scatter(*target.T, c=points, marker="x", s=18, alpha=0.35)
        dots = ax.scatter(*frames[0].T, s=14, c=colours, edgecolors="black", linewidths=0.3)
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation, PillowWriter

        everything = np.concatenate([*frames, *([] if target is None else [target])])
        for low, high, axis in zip(everything.min(0), everything.max(0), "xyz"):
            margin = 0.05 * (high - low) or 1.0
            ax.set(**{f"{axis}lim": (low - margin, high + margin)})

        def draw(frame: np.ndarray) -> tuple:
            if frame.shape[1] == 3:
                dots._offsets3d = tuple(frame.T)
            else:
                dots.set_offsets(frame)
            return (dots,)

        animation = FuncAnimation(ax.figure, draw, frames=list(frames))
        animation.save(Path(path), writer=PillowWriter(fps=fps), dpi=dpi)
        plt.close(ax.figure)

    def _projected(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Frames and target in the two or three dimensions that are shown."""
        frames, target = self.trajectory, self.X_target
        n_frames, n, d = frames.shape
        if d == 1:
            zeros = np.zeros((n_frames, n, 1))
            flat = None if target is None else np.c_[target, np.zeros(len(target))]
            return np.concatenate([frames, zeros], axis=2), flat
        if d <= 3:
            return frames, target
        from sklearn.decomposition import PCA

        ends = [frames[0], frames[-1], *([] if target is None else [target])]
        projection = PCA(self.n_components, random_state=0).fit(np.concatenate(ends))
        shown = projection.transform(frames.reshape(-1, d)).reshape(n_frames, n, self.n_components)
        return shown, None if target is None else projection.transform(target)

    def _colours(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Colours of particles and of target points; a source class has that of the target class it goes to."""
        labels = self.labels.tolist()
        if self._continuous:
            among = self.labels if self.y_target is None else self.y_target
            own = number_colours(self.labels, among)
            return own, None if self.y_target is None else number_colours(self.y_target, among)
        if self.y_target is None:
            colours = class_colours(np.unique(self.labels))
            return np.array([colours[label] for label in labels]), None
        target_labels = self.y_target.tolist()
        colours = class_colours(np.unique(self.y_target))
        goes_to = self.label_map or {}
        own = np.array([colours.get(goes_to.get(label, label), (0.3, 0.3, 0.3)) for label in labels])
        return own, np.array([colours[label] for label in target_labels])
