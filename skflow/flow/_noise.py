"""Brownian motion on top of the gradient flow: the Euler-Maruyama scheme (section 5, internal energy)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class BrownianMotion:
    """Adds ``sqrt(2 D step_size)`` times a standard normal draw to features, D the diffusion coefficient.

    The noise bypasses the optimizer, which would average or rescale it, and so change the temperature.

    Parameters
    ----------
    step_size : float
        Time that a step takes.
    seed : int
        Of the noise.
    """

    def __init__(self, step_size: float, seed: int) -> None:
        self.step_size, self.seed = step_size, seed
        self._generator: torch.Generator | None = None

    def shaken(self, x: Tensor, diffusion: float) -> Tensor:
        """The features `x` (n, d) after one step of the noise alone."""
        if self._generator is None:
            self._generator = torch.Generator(x.device).manual_seed(self.seed)
        noise = torch.randn(x.shape, generator=self._generator, dtype=x.dtype, device=x.device)
        return x + math.sqrt(2 * diffusion * self.step_size) * noise
