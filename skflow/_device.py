"""Where the numbers live."""

from __future__ import annotations

import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device meant by `device`; `"auto"` is the GPU where there is one.

    Raises
    ------
    ValueError
        If the device is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={device!r} is not available here: {str(error).splitlines()[0]}") from error
