"""Label distances in closed form: a class stands for its mean, or for its mean and its standard deviations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._ground_cost import Features, squared_distances
from .._points import LabelledPoints
from ..solvers import TransportPlan
from ._base import LabelCost


class MomentCost(LabelCost):
    """``||mu_k - nu_l||^2``, and with deviations ``+ ||s_k - t_l||^2``: Gaussians with diagonal covariances s^2.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    deviations : bool
        Whether classes have deviations, or are their means alone.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, *, deviations: bool) -> None:
        super().__init__(source, target)
        self.deviations = deviations

    def distances(self, features: Features) -> Tensor:
        return squared_distances(*(torch.cat(side, 1) for side in self._moments(features)))

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        (mu, *s), (nu, *t) = self._moments(features)
        total, image = mass.sum(1)[:, None], solved.image_like(features.x)
        shift, within = total * mu - mass @ nu, self.source.within[:, None]
        stretch = torch.where(s[0] > 0, total - (mass @ t[0]) / s[0], total) if self.deviations else None
        for rows, k in self.source.pieces(mu.shape[1]):
            pull = shift[k] if stretch is None else torch.addcmul(shift[k], features.rows(rows) - mu[k], stretch[k])
            image[rows].addcmul_(within[rows], pull, value=-1)

    def _moments(self, features: Features) -> list[list[Tensor]]:
        sides = (self.source, features.rows), (self.target, features.x_target.__getitem__)
        return [moments(points, rows, self.deviations) for points, rows in sides]


def moments(points: LabelledPoints, rows: Callable[[slice], Tensor], deviations: bool) -> list[Tensor]:
    """Means, and standard deviations if asked for, of every class, (K, d) each, given the features of some `rows`."""
    means = points.class_means(rows)
    if not deviations:
        return [means]
    variances = torch.zeros_like(means)
    for s, k in points.pieces(means.shape[1]):
        square = (rows(s) - means[k]).square_()
        if isinstance(k, int):
            variances[k] = points.within[s] @ square
        else:
            variances.index_add_(0, k, square.mul_(points.within[s, None]))
    return [means, variances.sqrt_()]
