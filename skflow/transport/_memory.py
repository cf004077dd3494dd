"""Memory is asked for before it is taken."""

from __future__ import annotations

import os

import torch
from torch import Tensor


def require_memory(n_bytes: float, device: torch.device, what: str, advice: str) -> None:
    """Raise MemoryError where `what` does not fit on `device`, with `advice` on what to lower."""
    free = available_memory(device)
    if free is not None and n_bytes > free:
        raise MemoryError(
            f"{what} would take about {n_bytes / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free on {device}. {advice}"
        )


def available_memory(device: torch.device) -> int | None:
    """Free bytes on `device`; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


class Workspace:
    """Room for one matrix at a time, made once and used again."""

    def __init__(self) -> None:
        self._room: Tensor | None = None

    def matrix(self, n: int, m: int, like: Tensor) -> Tensor:
        """A matrix (n, m) of no particular content, in the dtype and on the device of `like`."""
        if self._room is None or self._room.numel() < n * m:
            self._room = None  # let go before asking for more
            self._room = like.new_empty(n * m)
        return self._room[: n * m].view(n, m)
