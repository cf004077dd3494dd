"""Distances between label distributions, followed while the points move (sections 3.3 and 6.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ._exact import ExactSolver
from ._gaussian import bures_wasserstein, class_factor, gaussian_class_plan
from ._ground_cost import squared_distances
from ._points import LabelledPoints


@dataclass
class Features:
    """Features of both sides of a transport problem, with what is computed once and used by all its parts."""

    x: Tensor
    """(n, d), moving."""
    x_target: Tensor
    """(m, d)."""
    square: Tensor
    """Squared norms of `x`, (n,)."""
    square_target: Tensor
    """Squared norms of `x_target`, (m,)."""
    inner: Tensor
    """``x @ x_target.T``, (n, m)."""


class LabelCost(ABC):
    """Label distances between the classes of moving points and those of fixed ones, and their gradient.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides; only the features change later.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints) -> None:
        self.source, self.target = source, target

    def refresh(self, features: Features, active: list[list[bool]] | None = None) -> None:  # noqa: B027
        """Bring what ages up to date, for all pairs of classes or for the `active` ones; most have nothing to do."""

    @abstractmethod
    def distances(self, features: Features) -> Tensor:
        """Label distances ``W2^2`` at the present features, shape (K, K')."""

    @abstractmethod
    def pull_back(self, mass: Tensor, features: Features, joint: Tensor, row: Tensor) -> Tensor | None:
        """Add the gradient of ``sum_kl mass_kl D_kl`` in x, in the form ``2 (row_i x_i - sum_j joint_ij x'_j)``.

        `joint` (n, m) and `row` (n,) are added to in place; what does not have that form is returned, (n, d).
        """


class ClassPlanCost(LabelCost):
    """Label distances that are transport costs under a plan R between the samples of two classes.

    ``D_kl = sum_ij R_ij ||x_i - x'_j||^2`` with R the optimal plan ("exact") or its signed Gaussian counterpart
    ("gaussian"). By the envelope theorem the gradient needs R alone, and it has the shape of the feature part's: it
    joins the matrix product that the flow needs anyway. R is costly and ages well: an R from an earlier step
    overestimates D in second order, and its gradient is the exact one of that overestimate, which touches the true
    objective where R was made.

    Parameters
    ----------
    couple : callable (x, w, x_target, w_target) -> R
        Plan between two classes.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, couple: Callable[..., Tensor]) -> None:
        super().__init__(source, target)
        self.couple = couple
        self._plan = torch.empty(len(source.a), len(target.a), dtype=source.x.dtype, device=source.x.device)

    def refresh(self, features: Features, active: list[list[bool]] | None = None) -> None:
        for k, l, rows, cols in self._pairs():
            if active is None or active[k][l]:
                self._plan[rows, cols] = self.couple(
                    features.x[rows], self.source.within[rows], features.x_target[cols], self.target.within[cols]
                )

    def distances(self, features: Features) -> Tensor:
        cross = [(self._plan[rows, cols] * features.inner[rows, cols]).sum() for _, _, rows, cols in self._pairs()]
        second = self.source.class_sums(self.source.within * features.square)
        second_target = self.target.class_sums(self.target.within * features.square_target)
        total = second[:, None] + second_target
        return (total - 2 * torch.stack(cross).view_as(total)).clamp_(min=0.0)

    def pull_back(self, mass: Tensor, features: Features, joint: Tensor, row: Tensor) -> None:
        share = mass.tolist()  # one transfer instead of one for each pair
        for k, l, rows, cols in self._pairs():
            if share[k][l] > 0:
                joint[rows, cols].add_(self._plan[rows, cols], alpha=share[k][l])
        row += mass.sum(1)[self.source.y] * self.source.within

    def _pairs(self) -> Iterator[tuple[int, int, slice, slice]]:
        for k, rows in enumerate(self.source.slices):
            for l, cols in enumerate(self.target.slices):
                yield k, l, rows, cols


class MeansCost(LabelCost):
    """``||mu_k - nu_l||^2``: label distributions stand for their means."""

    def distances(self, features: Features) -> Tensor:
        means = self.source.moved(features.x).class_means()
        return squared_distances(means, self.target.moved(features.x_target).class_means())

    def pull_back(self, mass: Tensor, features: Features, joint: Tensor, row: Tensor) -> Tensor:
        source, target = self.source.moved(features.x), self.target.moved(features.x_target)
        by_class = 2 * (mass.sum(1)[:, None] * source.class_means() - mass @ target.class_means())
        return source.within[:, None] * by_class[source.y]


class DiagonalCost(LabelCost):
    """``||mu_k - nu_l||^2 + ||s_k - s_l||^2``: Gaussian label distributions with diagonal covariances s^2."""

    def distances(self, features: Features) -> Tensor:
        (mu, s), (nu, t) = self._moments(features)
        return squared_distances(torch.cat([mu, s], 1), torch.cat([nu, t], 1))

    def pull_back(self, mass: Tensor, features: Features, joint: Tensor, row: Tensor) -> Tensor:
        (mu, s), (nu, t) = self._moments(features)
        total, y = mass.sum(1)[:, None], self.source.y
        shift = total * mu - mass @ nu
        stretch = torch.where(s > 0, total - (mass @ t) / s, total)
        return 2 * self.source.within[:, None] * (shift[y] + stretch[y] * (features.x - mu[y]))

    def _moments(self, features: Features) -> list[tuple[Tensor, Tensor]]:
        return [
            diagonal_moments(points.moved(x))
            for points, x in ((self.source, features.x), (self.target, features.x_target))
        ]


def diagonal_moments(points: LabelledPoints) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of every class, (K, d) each."""
    mu = points.class_means()
    variance = points.class_sums(points.within[:, None] * (points.x - mu[points.y]).square())
    return mu, variance.sqrt()


def exact_class_plan(x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
    """The optimal plan between the samples of two classes ("computed non-parametrically", section 6.1)."""
    return ExactSolver(w, w_target).solve(squared_distances(x, x_target)).plan


def _gaussian_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    moments = [[class_factor(p.x[s], p.within[s]) for s in p.slices] for p in (source, target)]
    return torch.stack([torch.stack([bures_wasserstein(*m, *n) for n in moments[1]]) for m in moments[0]])


def _exact_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    def value(k: int, l: int) -> Tensor:
        a, b = source.only(k), target.only(l)
        return ExactSolver(a.a, b.a).solve(squared_distances(a.x, b.x)).value

    return torch.stack([torch.stack([value(k, l) for l in range(target.n_classes)]) for k in range(source.n_classes)])


def _means_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    return squared_distances(source.class_means(), target.class_means())


def _diagonal_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    return squared_distances(torch.cat(diagonal_moments(source), 1), torch.cat(diagonal_moments(target), 1))


_MATRICES = {
    "gaussian": _gaussian_matrix,
    "gaussian-diag": _diagonal_matrix,
    "means": _means_matrix,
    "exact": _exact_matrix,
}
LABEL_DISTANCES = tuple(_MATRICES)
"""Names of the label distances: Gaussian (full, diagonal, means only) or nonparametric."""


def label_distance_matrix(source: LabelledPoints, target: LabelledPoints, kind: str) -> Tensor:
    """Squared W2 distances between the label distributions of two datasets, shape (K, K')."""
    return _MATRICES[kind](source, target)


def make_label_cost(kind: str, source: LabelledPoints, target: LabelledPoints) -> LabelCost:
    """The :class:`LabelCost` of that name."""
    if kind == "means":
        return MeansCost(source, target)
    if kind == "gaussian-diag":
        return DiagonalCost(source, target)
    return ClassPlanCost(source, target, {"gaussian": gaussian_class_plan, "exact": exact_class_plan}[kind])
