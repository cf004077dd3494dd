"""Two tables in common coordinates, so that no answer depends on units or on where the origin is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST_REG = 1e6
"""Multiple of the cost from which on the plan is that of independent sides; more would change nothing but rounding."""


def in_common_units(X: np.ndarray, X_target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Both tables about the target's mean, and divided by one number, the spread of both.

    The first division is by a power of two, and so exact: squares neither over- nor underflow after it. Offsets go
    before any square is taken.

    Parameters
    ----------
    X, X_target : ndarray of shape (n_samples, n_features), (m_samples, n_features)
        Features, float64.

    Returns
    -------
    X, X_target : ndarray
        The same in units of `scale`.
    scale : float
        The unit, in units of the features; where all rows are the same it does not matter.
    """
    # In torch, since NumPy might have been told to raise where a product rounds to zero.
    x, x_target = (torch.from_numpy(np.array(rows, dtype=np.float64, order="C")) for rows in (X, X_target))
    exponent = torch.frexp(_largest(x, x_target))[1]
    x, x_target = _times_power(x, -exponent), _times_power(x_target, -exponent)
    origin = x_target.mean(dim=0)
    x, x_target = x - origin, x_target - origin
    spread = ((x - x.mean(dim=0)).square().mean(dim=0) + x_target.square().mean(dim=0)).sum().sqrt()
    if spread == 0:  # all rows of a side are the same: nothing but the distance between the sides is left
        spread = _largest(x, x_target)
    if spread == 0:
        spread = spread.new_ones(())
    scale = _times_power(spread, exponent)
    return (x / spread).numpy(), (x_target / spread).numpy(), scale.item()


def squared_length(value: Any, scale: float) -> Any:
    """`value` in squared units of the features, from that in squared units of `scale`.

    Raises
    ------
    ValueError
        Where it is beyond the range of float64.
    """
    with np.errstate(over="ignore"):
        scaled = value * scale * scale
    if not np.isfinite(scaled).all():
        raise ValueError(f"X and X_target are {scale:.3g} apart, and the square of that is no float64: scale them.")
    return scaled


def _largest(x: Tensor, x_target: Tensor) -> Tensor:
    return torch.maximum(x.abs().max(), x_target.abs().max())


def _times_power(x: Tensor, exponent: Tensor) -> Tensor:
    """``x * 2**exponent``, in two halves that are both in range."""
    half = exponent // 2
    return x * 2.0 ** half.double() * 2.0 ** (exponent - half).double()
