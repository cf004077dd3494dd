"""Where the numbers live."""

from __future__ import annotations

import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device meant by `device`; `"auto"` is the GPU where there is one.

    Raises
    ------
    ValueError
        If the device is not there, or holds no numbers (`"meta"`).
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={device!r} is not available here: {str(error).splitlines()[0]}") from error
    if found.type == "meta":
        raise ValueError(f"device={str(device)!r} holds no numbers; take 'cpu', 'cuda' or 'auto'.")
    return found


def float64_device(device: str | torch.device) -> torch.device:
    """The device meant by `device`, or the CPU where that device has no float64 (Apple's `mps`)."""
    found = resolve_device(device)
    return torch.device("cpu") if found.type == "mps" else found


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are several times faster than in float32: on CPUs with a matrix unit."""
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions of PyTorch cannot tell
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))
