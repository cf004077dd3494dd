"""Potentials of the features alone, with their gradients in closed form (section 5, figures 8 and 12)."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._sklearn import Interval, StrOptions
from ..flow import Particles
from ._arrays import as_tensor, norm_and_direction
from ._base import WEIGHT
from ._potential import Potential, ValueAndGradient


class NormPotential(Potential):
    """``V(x) = ||x||``: small features (section 5). First variation: V (eq. 13).

    Every particle moves towards the origin at the speed `weight`, a length in the units of the data per unit of time,
    and stays within ``step_size * weight`` of it.

    Parameters
    ----------
    weight : float, default=1.0
        Factor of the functional.
    """

    _parameter_constraints = {"weight": WEIGHT}

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        return lambda particles: norm_and_direction(particles.x)


class TubePotential(Potential):
    """``V(x) = (||x - x_0|| - tau)_+``: no particle further than tau from x_0 (figure 8 a, b). First variation: V.

    Parameters
    ----------
    radius : float, default=1.0
        The paper's tau, a length in the units of the data: within it a particle is free.
    center : "start", "mean" or array-like of shape (n_features,), default="start"
        The paper's x_0. "start": where each particle started, so that all paths stay in a tube about the dataset.
        "mean": the mean of the starting particles. An array is one point for all, in the units of the data.
    weight : float, default=1.0
        Factor of the functional: the speed at which a particle outside is drawn back, in units of the data.

    Raises
    ------
    ValueError
        When bound: for a `center` of another width than the data.
    """

    _parameter_constraints = {
        "radius": [Interval(Real, 0, None, closed="left")],
        "center": [StrOptions({"start", "mean"}), "array-like"],
        "weight": WEIGHT,
    }

    def __init__(self, radius: float = 1.0, *, center: str | ArrayLike = "start", weight: float = 1.0) -> None:
        self.radius = radius
        self.center = center
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        if isinstance(self.center, str):
            own = start.in_data_order(start.x) if self.center == "start" else start.a @ start.x
        else:
            own = as_tensor("center", self.center, start.x.shape[1:], start.x)

        def evaluate(particles: Particles) -> ValueAndGradient:
            # Particles may be sorted anew on their way; their place in the data stays.
            center = own[particles.order] if own.ndim == 2 else own
            norm, direction = norm_and_direction(particles.x - center)
            excess = (norm - float(self.radius)).clamp(min=0)
            return excess, direction * (excess > 0)[:, None]

        return evaluate


class CollapsePotential(Potential):
    """``V(x) = ||x_dims - at||^2``: the data loses its extent along some dimensions (figure 12). First variation: V.

    Parameters
    ----------
    dims : int or sequence of int
        Indices of the features to collapse.
    at : float or array-like of shape (n_dims,), default=0.0
        The value that they collapse to, in the units of the data.
    weight : float, default=1.0
        Factor of the functional.

    Raises
    ------
    ValueError
        When bound: for indices that the data does not have.
    """

    _parameter_constraints = {"dims": ["array-like", Integral], "at": ["array-like", Real], "weight": WEIGHT}

    def __init__(self, dims: int | ArrayLike, *, at: float | ArrayLike = 0.0, weight: float = 1.0) -> None:
        self.dims = dims
        self.at = at
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        d = start.x.shape[1]
        dims = np.atleast_1d(self.dims)
        if dims.ndim > 1 or dims.dtype.kind not in "iu" or not len(dims) or (dims < -d).any() or (dims >= d).any():
            raise ValueError(f"dims={self.dims!r} are not indices of features; X has {d}.")
        if len(np.unique(dims % d)) < len(dims):
            raise ValueError(f"dims={self.dims!r} names a feature twice.")
        columns = torch.as_tensor(dims % d, device=start.x.device)
        at = as_tensor("at", self.at, (len(dims),), start.x)

        def evaluate(particles: Particles) -> ValueAndGradient:
            extent = particles.x[:, columns] - at
            return extent.square().sum(1), torch.zeros_like(particles.x).index_copy_(1, columns, 2 * extent)

        return evaluate


class BoxPotential(Potential):
    """Squared distance to the box ``low <= x <= high``, as that of pixel values. First variation: V (eq. 13).

    Parameters
    ----------
    low, high : float, array-like of shape (n_features,) or None
        Bounds of all features or of each, in the units of the data; None is no bound. By default 0 and 1.
    weight : float, default=1.0
        Factor of the functional.

    Raises
    ------
    ValueError
        When bound: where `low` is above `high`, or for bounds of another width than the data.
    """

    _parameter_constraints = {
        "low": ["array-like", Real, None],
        "high": ["array-like", Real, None],
        "weight": WEIGHT,
    }

    def __init__(
        self, low: float | ArrayLike | None = 0.0, high: float | ArrayLike | None = 1.0, *, weight: float = 1.0
    ) -> None:
        self.low = low
        self.high = high
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        shape = start.x.shape[1:]
        low = None if self.low is None else as_tensor("low", self.low, shape, start.x)
        high = None if self.high is None else as_tensor("high", self.high, shape, start.x)
        if low is None and high is None:
            raise ValueError("low=None and high=None leave the box without a bound.")
        if low is not None and high is not None and (low > high).any():
            raise ValueError(f"low={self.low!r} is above high={self.high!r}.")

        def evaluate(particles: Particles) -> ValueAndGradient:
            outside = particles.x - particles.x.clamp(low, high)
            return outside.square().sum(1), 2 * outside

        return evaluate
