"""The objective by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ._common import as_shape, axes_for, check_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ObjectiveDisplay:
    """What a flow descends, step by step, and the parts that it consists of (eq. 12).

    Parameters
    ----------
    objective : ndarray of shape (n_iter + 1,)
        The objective at the start and after each step.
    terms : mapping of str to ndarray of shape (n_iter + 1,), default=None
        Its parts.
    estimator_name : str, default=None
        Label of the objective.

    Raises
    ------
    ValueError
        For arrays of other shapes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of it.
    lines_ : list of matplotlib Line2D
        The objective first, then its parts.

    Examples
    --------
    >>> from skflow.inspection import ObjectiveDisplay
    >>> display = ObjectiveDisplay([9.0, 4.0, 1.0, 0.5]).plot()
    >>> len(display.lines_)
    1
    """

    def __init__(
        self,
        objective: ArrayLike,
        *,
        terms: Mapping[str, ArrayLike] | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.objective = as_shape(objective, (None,), "objective")
        shape, given = self.objective.shape, (terms or {}).items()
        self.terms = {name: as_shape(values, shape, f"terms[{name!r}]") for name, values in given}
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, name: str | None = None, **line_kw: Any
    ) -> ObjectiveDisplay:
        """Draw the objective of a fitted flow; several flows may share one `ax`.

        Parameters
        ----------
        estimator : fitted flow
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.
        name : str, default=None
            Label of the objective; the estimator's class if None.
        **line_kw : dict
            For :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ObjectiveDisplay

        Raises
        ------
        ValueError
            If `estimator` is no fitted flow, or `ax` no two-dimensional axes.
        """
        check_flow(estimator, "objective_", cls.__name__)
        terms = getattr(estimator, "objective_terms_", {})
        return cls(
            estimator.objective_,
            terms=terms if len(terms) > 1 else None,
            estimator_name=type(estimator).__name__ if name is None else name,
        ).plot(ax=ax, **line_kw)

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> ObjectiveDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure if None.
        **line_kw : dict
            For :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        self : ObjectiveDisplay
        """
        self.ax_ = axes_for(ax, "ObjectiveDisplay")
        self.figure_ = self.ax_.figure
        self.lines_ = self.ax_.plot(self.objective, label=self.estimator_name, **line_kw)
        for name, values in self.terms.items():
            self.lines_ += self.ax_.plot(values, "--", linewidth=1, label=name)
        self.ax_.set(xlabel="step", ylabel="objective")
        if self.estimator_name is not None or self.terms:
            self.ax_.legend()
        return self
