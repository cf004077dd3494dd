"""Momentum for fixed-point iterations that contract slowly."""

from __future__ import annotations

import math

from torch import Tensor

SLOW = 0.7
"""Contraction of an iteration above which momentum pays."""
NEAR = 0.2
"""Marginal error below which iterations contract as the linear map that they are near the solution."""
BACK_OFF = 4.0
"""Factor of the least gap's root after momentum has made the error grow."""
LEAST_GAP = 1e-8
"""Of a contraction from one, as far as it is believed."""


class HeavyBall:
    """Sinkhorn's iteration with momentum, in the logarithm of a scaling.

    Near the solution the iteration is ``w <- M w`` with eigenvalues of M in [0, 1) (M is similar to a symmetric
    matrix). With momentum, ``w <- w + alpha (M w - w) + beta (w - w_before)``, it takes the square root of the number
    of iterations (Polyak, 1964; as over-relaxation, Lehmann et al., 2022), once alpha and beta fit the gap between one
    and the largest eigenvalue. That is read off the marginal errors: first from how the plain iteration contracts, then
    from how the accelerated one does, as long as that is slower than it should be. Where the error grows instead,
    it starts again with the plain iteration. Where it has grown far, as if mass has to pass
    between parts that hardly see each other, it takes less momentum from then on: the map is not linear there.
    """

    def __init__(self) -> None:
        self.alpha, self.beta = 1.0, 0.0
        self._least_root = math.sqrt(LEAST_GAP)
        self._last: tuple[int, float] | None = None
        self._growth: Tensor | None = None

    def __call__(self, growth: Tensor) -> Tensor:
        """The factor of the scaling in place of that of the plain iteration."""
        if self.beta and self._growth is not None:
            growth = growth.pow_(self.alpha).mul_(self._growth.pow(self.beta))
        self._growth = growth
        return growth

    def look(self, n_iter: int, error: float) -> None:
        """Learn from the marginal error after so many iterations."""
        last, self._last = self._last, (n_iter, error)
        if last is None or n_iter - last[0] < 3 or not error > 0:
            return
        rate = (error / last[1]) ** (1 / (n_iter - last[0])) if last[1] > 0 else math.inf
        if rate > 1:
            if self.beta and error >= NEAR:
                root = (1 - math.sqrt(self.beta)) / (1 + math.sqrt(self.beta))
                self._least_root = min(BACK_OFF * max(root, self._least_root), 1.0)
            self.alpha, self.beta, self._last = 1.0, 0.0, None
        elif error >= NEAR:
            return
        elif rate > max(SLOW, 1.02 * math.sqrt(self.beta)):
            # The root of z^2 - (1 + beta - alpha gap) z + beta = 0 that dominates is the rate that is seen.
            gap = (1 + self.beta - rate - self.beta / rate) / self.alpha
            root = max(math.sqrt(min(max(gap, LEAST_GAP), 1.0)), self._least_root)
            self.alpha, self.beta = 4 / (1 + root) ** 2, ((1 - root) / (1 + root)) ** 2
