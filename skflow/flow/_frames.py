"""Frames of a flow, spread evenly although its length is not known before."""

from __future__ import annotations

from torch import Tensor

from ._particles import Particles


class Frames:
    """Keeps at most twice the frames asked for, at even strides, without knowing how many steps there will be.

    Parameters
    ----------
    n_frames : int
        How many are asked for; a flow with fewer states gives them all.
    """

    def __init__(self, n_frames: int) -> None:
        self.n_frames, self.stride, self.seen = n_frames, 1, 0
        self.kept: list[Tensor] = []

    def add(self, particles: Particles) -> None:
        """Look at the next state of the flow."""
        if self.n_frames and self.seen % self.stride == 0:
            if len(self.kept) == 2 * self.n_frames:
                self.kept, self.stride = self.kept[::2], 2 * self.stride
            if self.seen % self.stride == 0:
                self.kept.append(_in_data_order(particles))
        self.seen += 1

    def spread(self, last: Particles) -> list[Tensor]:
        """Those kept, thinned out evenly to the number asked for, ending with `last`."""
        n_frames = min(self.n_frames, self.seen)
        if not n_frames:
            return []
        end = (self.seen - 1) / self.stride  # the flow's own, which may lie between two strides
        times = (round(i * end / (n_frames - 1)) for i in range(n_frames - 1))
        return [*(self.kept[time] for time in times), _in_data_order(last)]


def _in_data_order(particles: Particles) -> Tensor:
    return particles.in_data_order(particles.x)
