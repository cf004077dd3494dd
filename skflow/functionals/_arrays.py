"""Users' arrays as tensors beside the particles."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_tensor(name: str, value: Any, shape: tuple[int | None, ...], like: Tensor) -> Tensor:
    """`value` as a tensor of `like`'s dtype and device, or an error that names the parameter and its value.

    Parameters
    ----------
    name : str
        The parameter, for the message.
    value : array-like
        What the user gave.
    shape : tuple
        What it must broadcast to; None is any length.
    like : Tensor
        The particles' features.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} is not an array of numbers.") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name}={value!r} is not finite.")
    free = array.shape if array.ndim == len(shape) else (-1,) * len(shape)  # which nothing broadcasts to
    try:
        array = np.broadcast_to(array, [free[i] if n is None else n for i, n in enumerate(shape)])
    except ValueError:
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name}={value!r} has the shape {array.shape}, but the data asks for ({sizes}).") from None
    tensor = torch.tensor(array, dtype=like.dtype, device=like.device)
    if not tensor.isfinite().all():
        raise ValueError(f"{name}={value!r} is beyond the range of the features' {like.dtype}: scale the data.")
    return tensor


def norm_and_direction(v: Tensor) -> tuple[Tensor, Tensor]:
    """Row norms (n,) of `v` (n, d) and their gradients, the unit vectors; zero at zero, where any is a subgradient."""
    tiny = torch.finfo(v.dtype).tiny
    scale = v.abs().amax(dim=1).clamp(min=tiny)[:, None]  # squares of what is very small or large have no room
    unit = v / scale
    norm = unit.norm(dim=1, keepdim=True)
    return (scale * norm).squeeze(1), unit / norm.clamp(min=tiny)
