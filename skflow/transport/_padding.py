"""Classes of unequal sizes in one batch, padded with points without weight."""

from __future__ import annotations

import math

import torch
from torch import Tensor

PADDING = 1.5
"""Size of a padded batch over that of its blocks up to which they are solved together."""
BLOCK_BATCH = {"cpu": 2**20, "cuda": 2**28}
"""Numbers in a batch: a processor gains from fewer calls alone, a GPU from every block that it need not wait for."""


def batches(sizes: list[tuple[int, int]], n_features: int, device: torch.device, most: float = math.inf) -> list[range]:
    """Runs of consecutive blocks (n_k, m_k) that are alike enough, and small enough, to be one batch.

    To put the features of a batch together costs a copy of them, which must be little beside the blocks themselves, or
    little altogether. A batch has no more than `most` numbers.
    """
    runs: list[range] = []
    most = min(most, BLOCK_BATCH.get(device.type, BLOCK_BATCH["cpu"]))
    if device.type == "cpu" and n_features * len(sizes) > sum(m for _, m in sizes) and not _tiny(sizes, n_features):
        most = 0
    longest_n = longest_m = own = 0
    for k, (n, m) in enumerate(sizes):
        if runs:
            first = runs[-1].start
            longest = max(longest_n, n), max(longest_m, m)
            size = (k + 1 - first) * longest[0] * longest[1]
            if size <= min(most, PADDING * (own + n * m)):
                runs[-1], (longest_n, longest_m), own = range(first, k + 1), longest, own + n * m
                continue
        runs.append(range(k, k + 1))
        longest_n, longest_m, own = n, m, n * m
    return runs


def _tiny(sizes: list[tuple[int, int]], n_features: int) -> bool:
    """Whether what a call costs by itself is more than the copy of the features of an average pair of classes."""
    return n_features * sum(n + m for n, m in sizes) < 2**17 * len(sizes)


def padded(slices: list[slice], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of each slice, (n_slices, longest), padded with any; and which are not padding."""
    starts, sizes = torch.tensor([(s.start, s.stop - s.start) for s in slices], device=device).T[..., None]
    place = torch.arange(max(s.stop - s.start for s in slices), device=device)
    present = place < sizes
    return starts + place * present, present
