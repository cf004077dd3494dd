"""Distances between label distributions, followed while the points move (sections 3.3 and 6.1)."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ._exact import ExactSolver
from ._gaussian import bures_wasserstein, class_factor, core, gaussian_class_plan, newton_schulz, orthogonal_core
from ._ground_cost import Features, squared_distances
from ._plan import TransportPlan
from ._points import LabelledPoints

NEGLIGIBLE = 5e-3
"""Share of a class's mass below which its exchange with another class has no part in a flow's gradient."""


class LabelCost(ABC):
    """Label distances between the classes of moving points and those of fixed ones, and their gradient.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides; only the features change later.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints) -> None:
        self.source, self.target = source, target

    def refresh(self, features: Features, every: bool = True) -> None:  # noqa: B027
        """Bring what ages up to date, for every pair of classes or those that matter; most have nothing to do."""

    def follow(self, mass: Tensor, features: Features) -> None:  # noqa: B027
        """Learn what `mass` (K, K') the pairs of classes exchange; :meth:`pull_back` does so by itself."""

    @abstractmethod
    def distances(self, features: Features) -> Tensor:
        """Label distances ``W2^2`` at the present features, shape (K, K')."""

    @abstractmethod
    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        """Add the gradient of ``sum_kl mass_kl D_kl`` in x, in the form ``2 (row_i x_i - (plan x')_i - image_i)``.

        The plan or the image, and `row` (n,), are added to in place.
        """


class ClassPlanCost(LabelCost):
    """Label distances that are transport costs under a plan R between the samples of two classes.

    ``D_kl = sum_ij R_ij ||x_i - x'_j||^2`` with R the optimal plan ("exact") or its signed Gaussian counterpart
    ("gaussian"). By the envelope theorem the gradient needs R alone, and it has the shape of the feature part's: it
    joins the matrix product that the flow needs anyway. R is costly and ages well: an R from an earlier step
    overestimates D in second order, and its gradient is the exact one of that overestimate, which touches the true
    objective where R was made. Plans are kept for the pairs of classes that exchanged mass at the last refresh; of the
    others only the value ``sum_ij (R_ij - w_i w'_j) <x_i, x'_j>`` is.

    Parameters
    ----------
    couple : callable (x, w, x_target, w_target) -> R
        Plan between two classes.
    negligible : float
        Share of a class's mass below which its exchange with another class has no part in the gradient.

    Attributes
    ----------
    pairs : list of (int, int)
        Classes between which there may be any exchange, all at first; other distances are not kept up to date.
    """

    def __init__(
        self,
        source: LabelledPoints,
        target: LabelledPoints,
        couple: Callable[..., Tensor],
        negligible: float = NEGLIGIBLE,
    ) -> None:
        super().__init__(source, target)
        self.couple, self.negligible = couple, negligible
        self.pairs = list(itertools.product(range(source.n_classes), range(target.n_classes)))
        self._plans: dict[tuple[int, int], Tensor] = {}
        self._matter: list[tuple[int, int]] = []
        self._target_moments: tuple[Tensor, Tensor, Tensor] | None = None
        self._cross = torch.zeros(source.n_classes, target.n_classes, dtype=source.x.dtype, device=source.x.device)

    def refresh(self, features: Features, every: bool = True) -> None:
        means, (means_target, _) = self.source.class_means(features.x), self._moments_of_target(features)
        self._plans = {pair: self._plans[pair] for pair in self._matter if pair in self._plans}
        for k, l in self.pairs if every else self._matter:
            plan = self._couple(k, l, features)
            self._cross[k, l] = self._inner(k, l, plan, features) - means[k] @ means_target[l]
            if (k, l) in self._matter:
                self._plans[k, l] = plan

    def distances(self, features: Features) -> Tensor:
        means, (means_target, second_target) = self.source.class_means(features.x), self._moments_of_target(features)
        cross = means @ means_target.T + self._cross
        for (k, l), plan in self._plans.items():
            cross[k, l] = self._inner(k, l, plan, features)
        second = self.source.class_means(features.square)
        return (second[:, None] + second_target - 2 * cross).clamp_(min=0.0)

    def follow(self, mass: Tensor, features: Features) -> None:
        matter = (mass > self.negligible * mass.sum(1, keepdim=True)).nonzero().tolist()
        self._matter = [(k, l) for k, l in matter]
        if self.negligible == 0 or not self._plans:  # else those that have come to matter wait for the next refresh
            for k, l in self._matter:
                if (k, l) not in self._plans:
                    self._plans[k, l] = self._couple(k, l, features)

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        self.follow(mass, features)
        for (k, l), plan in self._plans.items():
            rows, cols = self.source.slices[k], self.target.slices[l]
            solved.plan[rows, cols] += mass[k, l] * plan
            row[rows] += mass[k, l] * self.source.within[rows]

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        rows, cols = self.source.slices[k], self.target.slices[l]
        return self.couple(
            features.x[rows], self.source.within[rows], features.x_target[cols], self.target.within[cols]
        )

    def _inner(self, k: int, l: int, plan: Tensor, features: Features) -> Tensor:
        return (plan * features.inner[self.source.slices[k], self.target.slices[l]]).sum()

    def _moments_of_target(self, features: Features) -> tuple[Tensor, Tensor]:
        """Means and mean squared norms of the target's classes, computed once as long as it stays where it is."""
        if self._target_moments is None or self._target_moments[0] is not features.x_target:
            means = self.target.class_means(features.x_target)
            self._target_moments = features.x_target, means, self.target.class_means(features.square_target)
        return self._target_moments[1:]


class ClassImageCost(ClassPlanCost):
    """:class:`ClassPlanCost` that keeps what a plan makes of the target's samples, not the plan: O(n d), not O(n m).

    The image is ``R x' = w nu^T + basis_k M_kl``; M is what is kept for a pair, and the basis for a class.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, negligible: float = NEGLIGIBLE) -> None:
        super().__init__(source, target, self._couple, negligible)
        self._seen: Tensor | None = None

    def distances(self, features: Features) -> Tensor:
        if self._seen is not features.x_target:  # images age well as the source moves, not as the target does
            self.refresh(features, every=False)
        return super().distances(features)

    def refresh(self, features: Features, every: bool = True) -> None:
        self._seen = features.x_target
        super().refresh(features, every)

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        self.follow(mass, features)
        images, means_target = solved.image_like(features.x), self._moments_of_target(features)[0]
        for (k, l), m in self._plans.items():
            rows = self.source.slices[k]
            image, within = images[rows], mass[k, l] * self.source.within[rows]
            image.addr_(within, means_target[l])
            image += self._on_basis(k, mass[k, l] * m)
            row[rows] += within

    def _inner(self, k: int, l: int, plan: Tensor, features: Features) -> Tensor:
        x, within = features.x[self.source.slices[k]], self.source.within[self.source.slices[k]]
        mean = within @ x
        return mean @ self._moments_of_target(features)[0][l] + (self._from_basis(k, x - mean) * plan).sum()

    def _on_basis(self, k: int, m: Tensor) -> Tensor:
        return m

    def _from_basis(self, k: int, x: Tensor) -> Tensor:
        """The adjoint of :meth:`_on_basis`."""
        return x


class ExactImageCost(ClassImageCost):
    """Of the samples themselves: M is ``R (x' - nu)``."""

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        rows, cols = self.source.slices[k], self.target.slices[l]
        w, w_target, x_target = self.source.within[rows], self.target.within[cols], features.x_target[cols]
        return exact_class_plan(features.x[rows], w, x_target, w_target) @ (x_target - w_target @ x_target)


class GaussianImageCost(ClassImageCost):
    """Of Gaussian label distributions, whose plan is never made.

    With the factors ``A = L C`` and ``B = L' C'``, M is ``Q C'`` with Q the polar factor of ``C C'^T``, and the basis
    ``diag(sqrt(w)) L``. With fewer samples than dimensions C is A, and L the identity.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, negligible: float = NEGLIGIBLE) -> None:
        super().__init__(source, target, negligible)
        self._bases: list[tuple[Tensor, Tensor | None]] = []
        self._cores: tuple[list[Tensor], list[Tensor]] = [], []

    def refresh(self, features: Features, every: bool = True) -> None:
        def factors(points: LabelledPoints, x: Tensor) -> Iterator[Tensor]:
            return (class_factor(x[s], points.within[s])[1] for s in points.slices)

        split = [orthogonal_core(factor) for factor in factors(self.source, features.x)]
        roots = (self.source.within[s].sqrt()[:, None] for s in self.source.slices)
        self._bases = [(root, basis) for root, (basis, _) in zip(roots, split, strict=True)]
        self._cores = [own for _, own in split], [core(f) for f in factors(self.target, features.x_target)]
        super().refresh(features, every)

    def follow(self, mass: Tensor, features: Features) -> None:
        super().follow(mass, features)
        self._cores = [], []  # large, and of use only while plans are made

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        own, other = self._cores[0][k], self._cores[1][l]
        return newton_schulz(own @ other.T) @ other

    def _on_basis(self, k: int, m: Tensor) -> Tensor:
        root, basis = self._bases[k]
        return root * (m if basis is None else basis @ m)

    def _from_basis(self, k: int, x: Tensor) -> Tensor:
        root, basis = self._bases[k]
        return root * x if basis is None else basis.T @ (root * x)


class MeansCost(LabelCost):
    """``||mu_k - nu_l||^2``: label distributions stand for their means."""

    def distances(self, features: Features) -> Tensor:
        return squared_distances(self.source.class_means(features.x), self.target.class_means(features.x_target))

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        means, means_target = self.source.class_means(features.x), self.target.class_means(features.x_target)
        by_class, image = mass.sum(1)[:, None] * means - mass @ means_target, solved.image_like(features.x)
        for k, rows in enumerate(self.source.slices):
            image[rows].addr_(self.source.within[rows], by_class[k], alpha=-1)


class DiagonalCost(LabelCost):
    """``||mu_k - nu_l||^2 + ||s_k - s_l||^2``: Gaussian label distributions with diagonal covariances s^2."""

    def distances(self, features: Features) -> Tensor:
        (mu, s), (nu, t) = self._moments(features)
        return squared_distances(torch.cat([mu, s], 1), torch.cat([nu, t], 1))

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        (mu, s), (nu, t) = self._moments(features)
        total, image = mass.sum(1)[:, None], solved.image_like(features.x)
        shift = total * mu - mass @ nu
        stretch = torch.where(s > 0, total - (mass @ t) / s, total)
        for k, rows in enumerate(self.source.slices):
            image[rows] -= self.source.within[rows, None] * (shift[k] + stretch[k] * (features.x[rows] - mu[k]))

    def _moments(self, features: Features) -> list[tuple[Tensor, Tensor]]:
        return [diagonal_moments(self.source, features.x), diagonal_moments(self.target, features.x_target)]


def diagonal_moments(points: LabelledPoints, x: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of every class at features `x`, (K, d) each."""
    mu = points.class_means(x)
    return mu, torch.stack([points.within[s] @ (x[s] - mu[k]).square() for k, s in enumerate(points.slices)]).sqrt()


def exact_class_plan(x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
    """The optimal plan between the samples of two classes ("computed non-parametrically", section 6.1)."""
    return ExactSolver(w, w_target).solve(lambda: squared_distances(x, x_target)).plan


def _gaussian_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    def value(k: int, l: int) -> Tensor:
        moments = [class_factor(p.x[p.slices[c]], p.within[p.slices[c]]) for p, c in ((source, k), (target, l))]
        return bures_wasserstein(*moments[0], *moments[1])  # made for each pair: all factors are a copy of all points

    return _by_pair(value, source, target)


def _exact_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    def value(k: int, l: int) -> Tensor:
        a, b = source.only(k), target.only(l)
        return ExactSolver(a.a, b.a).solve(lambda: squared_distances(a.x, b.x)).value

    return _by_pair(value, source, target)


def _by_pair(value: Callable[[int, int], Tensor], source: LabelledPoints, target: LabelledPoints) -> Tensor:
    return torch.stack([torch.stack([value(k, l) for l in range(target.n_classes)]) for k in range(source.n_classes)])


def _means_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    return squared_distances(source.class_means(), target.class_means())


def _diagonal_matrix(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    return squared_distances(*(torch.cat(diagonal_moments(p, p.x), 1) for p in (source, target)))


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


def make_label_cost(
    kind: str,
    source: LabelledPoints,
    target: LabelledPoints,
    *,
    negligible: float = NEGLIGIBLE,
    by_image: bool = False,
    matched: bool = False,
) -> LabelCost:
    """The :class:`LabelCost` of that name; it keeps none of the features, which come with each call.

    `by_image` keeps no plan between classes, but its image, see :class:`ClassImageCost`. With `matched` class k meets
    class k alone.
    """
    source, target = (points.moved(points.x.new_empty(0, points.x.shape[1])) for points in (source, target))
    if kind == "means":
        return MeansCost(source, target)
    if kind == "gaussian-diag":
        return DiagonalCost(source, target)
    if by_image:
        cost = {"gaussian": GaussianImageCost, "exact": ExactImageCost}[kind](source, target, negligible)
    else:
        couple = {"gaussian": gaussian_class_plan, "exact": exact_class_plan}[kind]
        cost = ClassPlanCost(source, target, couple, negligible)
    if matched:
        cost.pairs = [(k, k) for k in range(source.n_classes)]
    return cost
