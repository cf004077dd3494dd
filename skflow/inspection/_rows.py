"""Rows at each stage: before, aligned, flowed, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array

from .._inputs import length_of
from .._sklearn import Interval, check_matplotlib_support, safe_indexing, validate_params
from ._common import ONE_OR_MORE
from ._markup import name_of
from ._subject import SEEN_ROWS, Subject


class RowsDisplay:
    """Single rows before the map, aligned, flowed, and carried back: as images, or by the columns that moved most.

    Parameters
    ----------
    stages : mapping of str to ndarray of shape (n_rows, n_columns)
        The same rows at each stage, in order; stages may differ in their columns.
    image_shape : tuple (height, width) or (height, width, channels), or mapping of stage to such, default=None
        Shape of the rows as images; a square where it fits and nothing is said. None with `columns`: a table.
    columns : sequence of str, default=None
        Names of the columns, where all stages have the same; rows are then drawn as lines over these columns.
    names : sequence of str, default=None
        Names of the rows.

    Raises
    ------
    ValueError
        If stages differ in their number of rows, or shapes and names do not fit.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each stage and row of images, or one for each row of a table.
    figure_ : matplotlib Figure
        The figure of it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skflow import DomainAligner
    >>> from skflow.inspection import RowsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> aligner = DomainAligner((X[:500], y[:500]), random_state=0).fit(16 - X[500:1000])
    >>> display = RowsDisplay.from_estimator(aligner, 16 - X[1000:1010], image_shape=(8, 8))
    >>> list(display.stages)
    ['before', 'aligned', 'back']
    """

    def __init__(
        self,
        stages: Mapping[str, ArrayLike],
        *,
        image_shape: Any = None,
        columns: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.stages = {name: np.asarray(rows, dtype=float) for name, rows in stages.items()}
        if not self.stages or any(rows.ndim != 2 for rows in self.stages.values()):
            raise ValueError(f"stages must hold tables of rows; got {[np.shape(rows) for rows in stages.values()]}.")
        sizes = {name: len(rows) for name, rows in self.stages.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"stages must have the same number of rows; got {sizes}.")
        self.n_rows = next(iter(sizes.values()))
        self.names = [str(k) for k in range(self.n_rows)] if names is None else [name_of(name) for name in names]
        if len(self.names) != self.n_rows:
            raise ValueError(f"names must be {self.n_rows} names of rows; got {len(self.names)}.")
        self.columns = None if columns is None else [name_of(name) for name in columns]
        widths = {rows.shape[1] for rows in self.stages.values()}
        if self.columns is not None and widths != {len(self.columns)}:
            raise ValueError(f"columns must be as many as rows have at all stages: {widths}; got {len(self.columns)}.")
        self.image_shape = image_shape
        self._shapes = None
        if self.columns is None:
            self._shapes = {name: _shape_of(name, rows.shape[1], image_shape) for name, rows in self.stages.items()}

    @classmethod
    @validate_params(
        {"n_rows": ONE_OR_MORE, "n_columns": ONE_OR_MORE, "truth": ["array-like", None], "names": ["array-like", None]},
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        truth: ArrayLike | None = None,
        image_shape: Any = None,
        n_rows: int = 10,
        n_columns: int = 8,
        names: Sequence[str] | None = None,
        **plot_kw: Any,
    ) -> RowsDisplay:
        """Draw rows at each stage of a fitted flow or aligner.

        Parameters
        ----------
        estimator : fitted flow or aligner, or a pipeline with one
        X : array-like of shape (n_samples, n_features)
            Rows as they come to the estimator; the first `n_rows` are drawn.
        truth : array-like of shape (n_samples, n_columns), default=None
            The rows as they were before a known shift, to compare with.
        image_shape : tuple or mapping of stage to tuple, default=None
            Of rows that are images. None draws tables where rows keep their columns: those that moved most.
        n_rows, n_columns : int, default=10, 8
            Most rows and columns to draw.
        names : sequence of str, default=None
            Names of the rows.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : RowsDisplay

        Raises
        ------
        ValueError
            If `estimator` is no fitted flow, or what is given does not fit it.
        """
        head: Any = X
        head = safe_indexing(head, np.arange(min(length_of(head, "X"), SEEN_ROWS)))
        subject = Subject.of(estimator, head, None)
        some = slice(0, min(n_rows, len(subject.rows)))
        stages = _stages(subject, some)
        if truth is not None:
            stages["as it was"] = check_array(truth, dtype=float, input_name="truth")[some]
        shown = [str(name) for name in subject.rows[some]] if names is None else list(names)[some]
        if image_shape is not None or len({rows.shape[1] for rows in stages.values()}) > 1:
            return cls(stages, image_shape=image_shape, names=shown).plot(**plot_kw)
        before, after = np.asarray(subject.before), np.asarray(subject.after)
        most = np.sort(np.argsort(-np.square(after - before).sum(axis=0), kind="stable")[:n_columns])
        columns = [subject.names_out[k] for k in most]
        return cls({name: rows[:, most] for name, rows in stages.items()}, columns=columns, names=shown).plot(**plot_kw)

    @validate_params(
        {"cmap": [str], "scale": [Interval(Real, 0, None, closed="neither")]}, prefer_skip_nested_validation=True
    )
    def plot(self, *, cmap: str = "gray_r", scale: float = 0.75) -> RowsDisplay:
        """Draw.

        Parameters
        ----------
        cmap : str, default="gray_r"
            Colour map of images with one channel.
        scale : float, default=0.75
            Inches of an image, or a third of those of a table's row.

        Returns
        -------
        self : RowsDisplay
        """
        check_matplotlib_support("RowsDisplay")
        if self._shapes is None:
            self._plot_tables(scale)
        else:
            self._plot_images(cmap, scale)
        return self

    def _plot_images(self, cmap: str, scale: float) -> None:
        import matplotlib.pyplot as plt

        assert self._shapes is not None
        size = (scale * self.n_rows + 1.2, scale * 1.05 * len(self.stages) + 0.3)
        self.figure_, self.axes_ = plt.subplots(
            len(self.stages), self.n_rows, squeeze=False, figsize=size, layout="constrained"
        )
        for axes, (stage, rows) in zip(self.axes_, self.stages.items(), strict=True):
            low, high = np.quantile(rows, [0.005, 0.995])
            for ax, row in zip(axes, rows, strict=True):
                shape = self._shapes[stage]
                image = row.reshape(shape)
                if len(shape) == 3:
                    image = np.clip((image - low) / (high - low or 1), 0, 1)
                ax.imshow(image, cmap=cmap, vmin=low, vmax=high)
                ax.set(xticks=[], yticks=[], frame_on=False)
            axes[0].set_ylabel(stage, rotation=0, ha="right", va="center")

    def _plot_tables(self, scale: float) -> None:
        import matplotlib.pyplot as plt

        assert self.columns is not None
        size = (max(5.0, 0.8 * len(self.columns) + 2.5), 3 * scale * self.n_rows / 2 + 1.2)
        self.figure_, axes = plt.subplots(
            self.n_rows, 1, squeeze=False, sharex=True, figsize=size, layout="constrained"
        )
        self.axes_ = axes[:, 0]
        places = np.arange(len(self.columns))
        styles = {"before": "o:", "back": "x", "as it was": "s"}
        for i, ax in enumerate(self.axes_):
            for stage, rows in self.stages.items():
                ax.plot(places, rows[i], styles.get(stage, "o-"), label=stage, markersize=4, alpha=0.85)
            ax.set_ylabel(self.names[i], rotation=0, ha="right", va="center")
            ax.spines[["top", "right"]].set_visible(False)
        self.axes_[-1].set_xticks(places, labels=self.columns, rotation=30, ha="right")
        handles, labels = self.axes_[0].get_legend_handles_labels()
        self.figure_.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)


def _stages(subject: Subject, some: slice) -> dict[str, np.ndarray]:
    """Rows before, aligned, flowed and back, as far as the flow knows them."""
    assert subject.before is not None
    assert subject.after is not None
    stages = {"before": subject.before[some]}
    is_aligner = not hasattr(subject.flow, "particles_")
    if subject.aligned is not None:
        stages["aligned"] = subject.aligned[some]
    stages["aligned" if is_aligner else "flowed"] = subject.after[some]
    if hasattr(subject.flow, "inverse_transform"):
        with suppress(NotFittedError):  # a flow that was fitted without a map back
            stages["back"] = np.asarray(subject.flow.inverse_transform(subject.after[some]), dtype=float)
    return stages


def _shape_of(stage: str, width: int, image_shape: Any) -> tuple[int, ...]:
    """The shape of a stage's images: what was asked for where it fits, else a square.

    Raises
    ------
    ValueError
        Where neither fits.
    """
    asked: Any = image_shape.get(stage) if isinstance(image_shape, Mapping) else image_shape
    side = int(np.sqrt(width))
    whole = isinstance(asked, tuple | list) and all(isinstance(n, int | np.integer) and n > 0 for n in asked)
    if whole and len(asked) in (2, 3) and int(np.prod(asked)) == width:
        return tuple(map(int, asked))
    if side * side == width and (asked is None or whole):
        return side, side
    raise ValueError(
        f"image_shape={image_shape!r} does not fit the {width} columns of the rows {stage!r}; it must be (height, "
        "width) or (height, width, channels), or a mapping of stages to such."
    )
