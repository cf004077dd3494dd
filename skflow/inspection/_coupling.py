"""Which class goes to which, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._sklearn import StrOptions, validate_params
from ._common import as_shape, axes_for, check_flow, colour_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {"coupling": "share of the class", "label_distances": "squared label distance"}


class CouplingDisplay:
    """Class coupling or label distances between source and target classes, as a heat map with names (section 6.4).

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_target_classes)
        What to show.
    classes, target_classes : sequence
        Names of rows and columns.
    title : str, default=None
        What the numbers are.

    Raises
    ------
    ValueError
        For a matrix that is none, or names of another number.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of it.
    im_ : matplotlib AxesImage
        The heat map.
    text_ : ndarray of matplotlib Text, of the matrix's shape, or None
        The numbers in it.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.inspection import CouplingDisplay
    >>> display = CouplingDisplay(np.eye(2) / 2, ["three", "eight"], ["E", "B"]).plot()
    >>> [tick.get_text() for tick in display.ax_.get_yticklabels()]
    ['three', 'eight']
    """

    def __init__(
        self,
        matrix: ArrayLike,
        classes: Sequence | np.ndarray,
        target_classes: Sequence | np.ndarray,
        *,
        title: str | None = None,
    ) -> None:
        self.matrix = as_shape(matrix, (None, None), "matrix")
        self.classes = as_shape(classes, self.matrix.shape[:1], "classes")
        self.target_classes = as_shape(target_classes, self.matrix.shape[1:], "target_classes")
        self.title = title

    @classmethod
    @validate_params({"response": [StrOptions(set(_TITLES))]}, prefer_skip_nested_validation=True)
    def from_estimator(
        cls, estimator: Any, *, response: str = "coupling", ax: Axes | None = None, **plot_kw: Any
    ) -> CouplingDisplay:
        """Draw a fitted flow's class coupling or label distances.

        Parameters
        ----------
        estimator : fitted flow with a target
        response : {"coupling", "label_distances"}, default="coupling"
            "coupling": where each source class's mass went, rows summing to one. "label_distances": squared W2 between
            the flowed classes and the target's.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.
        **plot_kw : dict
            For :meth:`plot`.

        Returns
        -------
        display : CouplingDisplay

        Raises
        ------
        ValueError
            If `estimator` is no fitted flow with a target, or a parameter is out of range.
        """
        check_flow(estimator, "particles_", cls.__name__)
        if not hasattr(estimator, "target_classes_"):
            raise ValueError(f"estimator={estimator!r} has no classes of a target, and so no {response}.")
        matrix = getattr(estimator, f"{response}_")
        if response == "coupling":
            matrix = matrix / matrix.sum(axis=1, keepdims=True)
        return cls(matrix, estimator.classes_, estimator.target_classes_, title=_TITLES[response]).plot(
            ax=ax, **plot_kw
        )

    @validate_params({"include_values": ["boolean"], "colorbar": ["boolean"]}, prefer_skip_nested_validation=True)
    def plot(
        self,
        ax: Axes | None = None,
        *,
        include_values: bool = True,
        values_format: str | None = None,
        cmap: str = "viridis",
        colorbar: bool = True,
    ) -> CouplingDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.
        include_values : bool, default=True
            Whether to write the numbers into the cells.
        values_format : str, default=None
            How to write them; if None, ".2f" where none is above one, else ".3g".
        cmap : str, default="viridis"
            Colour map.
        colorbar : bool, default=True
            Whether to add one.

        Returns
        -------
        self : CouplingDisplay
        """
        self.ax_ = axes_for(ax, "CouplingDisplay")
        self.figure_ = self.ax_.figure
        matrix = self.matrix
        self.im_ = self.ax_.imshow(matrix, cmap=colour_map(cmap))
        self.text_ = self._write(matrix, values_format) if include_values else None
        if colorbar:
            self.figure_.colorbar(self.im_, ax=self.ax_, label=self.title)
        elif self.title is not None:
            self.ax_.set_title(self.title)
        self.ax_.set_xticks(range(matrix.shape[1]), labels=self.target_classes.tolist())
        self.ax_.set_yticks(range(matrix.shape[0]), labels=self.classes.tolist())
        self.ax_.set(xlabel="target class", ylabel="source class")
        return self

    def _write(self, matrix: np.ndarray, values_format: str | None) -> np.ndarray:
        if values_format is None:
            values_format = ".2f" if matrix.max() <= 1 else ".3g"
        try:
            format(0.5, values_format)
        except (TypeError, ValueError):
            raise ValueError(f"values_format={values_format!r} must be a format of numbers, such as '.2f'.") from None
        text = np.empty(matrix.shape, dtype=object)
        for (k, l), value in np.ndenumerate(matrix):
            red, green, blue, _ = self.im_.cmap(self.im_.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            text[k, l] = self.ax_.text(
                l, k, format(value, values_format), ha="center", va="center", color="white" if dark else "black"
            )
        return text
