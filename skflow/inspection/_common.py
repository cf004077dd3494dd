"""What all displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_for(ax: Axes | None, name: str, **subplot: Any) -> Axes:
    """`ax`, or the axes of a new figure."""
    check_matplotlib_support(name)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    figure = plt.figure(layout="constrained")
    return figure.add_subplot(**subplot)


def frames_of(estimator: Any) -> np.ndarray:
    """The trajectory (n_frames, n, d) of a fitted flow that kept one."""
    check_is_fitted(estimator)
    if len(estimator.trajectory_) < 2:
        raise ValueError(
            f"keep_trajectory={estimator.keep_trajectory}: this needs two frames or more. Fit "
            f"{type(estimator).__name__} with keep_trajectory=20, say."
        )
    return estimator.trajectory_


def class_colours(classes: Sequence) -> dict[Any, Any]:
    """A colour for each class."""
    from matplotlib import colormaps

    palette = colormaps["tab10" if len(classes) <= 10 else "tab20"].colors
    return {label: palette[k % len(palette)] for k, label in enumerate(np.asarray(classes).tolist())}
