"""Users' own functions of the particles, derived by torch, and what they may get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def recording() -> Iterator[None]:
    """Torch records what is derived, also inside a user's ``no_grad`` or ``inference_mode``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def leaf(values: Tensor) -> Tensor:
    """A copy to derive by. Users' functions are given clones of it: what they write there is their own."""
    return values.detach().clone().requires_grad_()


def check_returned(name: str, values: Any, like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What a user's function returned, in the dtype of `like`; an error where it is no derivable tensor of `shape`."""
    if not isinstance(values, Tensor):
        raise ValueError(f"{name} must return a torch tensor, got {_described(values)}.")
    if tuple(values.shape) != tuple(shape):
        raise ValueError(f"{name} must return a tensor of shape {tuple(shape)}, got {tuple(values.shape)}.")
    if not values.requires_grad:
        raise ValueError(
            f"{name} returned a tensor without a gradient: compute it by torch from what it is given, without "
            "detaching, and let it depend on that."
        )
    if not values.is_floating_point():
        raise ValueError(f"{name} must return real numbers, got dtype {values.dtype}.")
    return values.to(like)


def gradient_in(name: str, total: Tensor, of: Tensor) -> Tensor:
    """The gradient of a number in a :func:`leaf`; an error where it does not depend on it."""
    (gradient,) = torch.autograd.grad(total, of, allow_unused=True)
    if gradient is None:
        raise ValueError(f"{name} returned a tensor that does not depend on what it is given.")
    return gradient


def _described(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
