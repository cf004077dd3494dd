"""Distances between label distributions, followed while the points move (sections 3.3 and 6.1)."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ._blocks import batches, padded
from ._exact import ExactSolver
from ._gaussian import (
    bures_wasserstein,
    class_factor,
    core,
    gaussian_class_plan,
    newton_schulz,
    orthogonal_core,
    polar_factor,
)
from ._ground_cost import Features, squared_distances
from ._plan import TransportPlan
from ._points import LabelledPoints

NEGLIGIBLE = 5e-3
"""Share of a class's mass below which its exchange with another class has no part in a flow's gradient."""
BATCH = 2**24
"""Numbers in a batch of plans between classes, which bounds what the batch takes."""

Pair = tuple[int, int]


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


class ClassPairCost(LabelCost):
    """Label distances that are transport costs under a plan R between the samples of two classes.

    ``D_kl = sum_ij R_ij ||x_i - x'_j||^2`` with R the optimal plan ("exact") or its signed Gaussian counterpart
    ("gaussian"). By the envelope theorem the gradient needs R alone, and it has the shape of the feature part's. R is
    costly and ages well: an R from an earlier step overestimates D in second order, and its gradient is the exact one
    of that overestimate, which touches the true objective where R was made. R, or what it makes of the target's
    samples, is kept for the pairs of classes that exchanged mass at the last refresh; of the others only the value
    ``sum_ij (R_ij - w_i w'_j) <x_i, x'_j>`` is.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    negligible : float
        Share of a class's mass below which its exchange with another class has no part in the gradient.

    Attributes
    ----------
    pairs : list of (int, int)
        Classes between which there may be any exchange, all at first; other distances are not kept up to date.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, negligible: float = NEGLIGIBLE) -> None:
        super().__init__(source, target)
        self.negligible = negligible
        self.pairs = list(itertools.product(range(source.n_classes), range(target.n_classes)))
        self._kept: dict[Pair, Tensor] = {}
        self._matter: list[Pair] = []
        self._matters: Tensor | None = None
        self._target_moments: tuple[Tensor, Tensor, Tensor] | None = None
        self._cross = torch.zeros(source.n_classes, target.n_classes, dtype=source.x.dtype, device=source.x.device)

    def refresh(self, features: Features, every: bool = True) -> None:
        self._read()
        means, (means_target, _) = features.class_means(self.source), self._moments_of_target(features)
        self._kept = {pair: self._kept[pair] for pair in self._matter if pair in self._kept}
        for (k, l), coupling in self._couplings(self.pairs if every else self._matter, features):
            self._cross[k, l] = self._inner(k, l, coupling, features) - means[k] @ means_target[l]
            if (k, l) in self._matter:
                self._kept[k, l] = self._keep(k, l, coupling)

    def distances(self, features: Features) -> Tensor:
        means, (means_target, second_target) = features.class_means(self.source), self._moments_of_target(features)
        cross = means @ means_target.T + self._cross
        for (k, l), coupling in self._kept.items():
            cross[k, l] = self._inner(k, l, coupling, features)
        second = self.source.class_means(features.square)
        return (second[:, None] + second_target - 2 * cross).clamp_(min=0.0)

    def follow(self, mass: Tensor, features: Features) -> None:
        self._matters = mass > self.negligible * mass.sum(1, keepdim=True)
        if self.negligible == 0 or not self._kept:  # else those that have come to matter wait for the next refresh
            self._read()
            new = [pair for pair in self._matter if pair not in self._kept]
            for (k, l), coupling in self._couplings(new, features):
                self._kept[k, l] = self._keep(k, l, coupling)

    def _read(self) -> None:
        """Which pairs matter now; a GPU's queue runs empty, so not at every step."""
        if self._matters is not None:
            rows = enumerate(self._matters.tolist())
            self._matter, self._matters = [(k, l) for k, row in rows for l, matters in enumerate(row) if matters], None

    def _keep(self, k: int, l: int, coupling: Tensor) -> Tensor:
        """The coupling of a pair that matters, where it is to stay."""
        return coupling

    def _couplings(self, pairs: list[Pair], features: Features) -> Iterator[tuple[Pair, Tensor]]:
        """What is kept of the plan R of each pair, at the present features."""
        for k, l in pairs:
            yield (k, l), self._couple(k, l, features)

    @abstractmethod
    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        """What is kept of the plan R between two classes, at the present features."""

    @abstractmethod
    def _inner(self, k: int, l: int, coupling: Tensor, features: Features) -> Tensor:
        """``sum_ij R_ij <x_i, x'_j>`` at the present features."""

    def _moments_of_target(self, features: Features) -> tuple[Tensor, Tensor]:
        """Means and mean squared norms of the target's classes, computed once as long as it stays where it is."""
        if self._target_moments is None or self._target_moments[0] is not features.x_target:
            means = self.target.class_means(features.x_target)
            self._target_moments = features.x_target, means, self.target.class_means(features.square_target)
        return self._target_moments[1:]

    def _classes(self, k: int, l: int, features: Features) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features and weights of the two classes."""
        rows, cols = self.source.slices[k], self.target.slices[l]
        return features.rows(rows), self.source.within[rows], features.x_target[cols], self.target.within[cols]


class InBatches(ClassPairCost):
    """Couples pairs of classes of similar sizes together, padded with points without weight, where that is faster."""

    def _couplings(self, pairs: list[Pair], features: Features) -> Iterator[tuple[Pair, Tensor]]:
        source, target = [self.source.slices[k] for k, _ in pairs], [self.target.slices[l] for _, l in pairs]
        sizes = [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in zip(source, target, strict=True)]
        device = features.x.device
        for run in batches(sizes, features.x.shape[1], device, BATCH):
            some = slice(run.start, run.stop)
            if len(run) == 1:
                yield from super()._couplings(pairs[some], features)
                continue
            (rows, present), (cols, present_target) = padded(source[some], device), padded(target[some], device)
            w, w_target = self.source.within[rows] * present, self.target.within[cols] * present_target
            couplings = self._couple_batch(features.rows(rows), w, features.x_target[cols], w_target)
            for pair, (n, m), coupling in zip(pairs[some], sizes[some], couplings, strict=True):
                yield pair, self._without_padding(coupling, n, m).clone()  # nothing keeps the whole batch

    @abstractmethod
    def _couple_batch(self, x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
        """What is kept of the plan R between the classes of a batch, of shapes (..., n_k, d) and (..., n_k)."""

    @abstractmethod
    def _without_padding(self, coupling: Tensor, n: int, m: int) -> Tensor:
        """That of two classes of `n` and `m` points."""


class ClassPlanCost(ClassPairCost):
    """Keeps plans (n_k, m_l): they join the matrix product with the plan that the flow needs anyway."""

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        self.follow(mass, features)
        for (k, l), plan in self._kept.items():
            rows, cols = self.source.slices[k], self.target.slices[l]
            solved.plan[rows, cols] += mass[k, l] * plan
            row[rows] += mass[k, l] * self.source.within[rows]

    def _inner(self, k: int, l: int, coupling: Tensor, features: Features) -> Tensor:
        return (coupling * features.inner[self.source.slices[k], self.target.slices[l]]).sum()


class ExactPlanCost(ClassPlanCost):
    """Of the samples themselves."""

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        return exact_class_plan(*self._classes(k, l, features))


class GaussianPlanCost(InBatches, ClassPlanCost):
    """Of Gaussian label distributions."""

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        return gaussian_class_plan(*self._classes(k, l, features))

    def _couple_batch(self, x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
        return gaussian_class_plan(x, w, x_target, w_target)

    def _without_padding(self, coupling: Tensor, n: int, m: int) -> Tensor:
        return coupling[:n, :m]


class ClassImageCost(ClassPairCost):
    """Keeps what plans make of the target's samples about their mean, ``R (x' - nu)`` (n_k, d): O(n d), not O(n m)."""

    def __init__(self, source: LabelledPoints, target: LabelledPoints, negligible: float = NEGLIGIBLE) -> None:
        super().__init__(source, target, negligible)
        self._seen: Tensor | None = None
        # One image of each class has its place from the start: what stays is not to lie scattered among what goes.
        self._room = source.a.new_empty(len(source.a), source.x.shape[1])
        self._tenant: dict[int, int] = {}

    def distances(self, features: Features) -> Tensor:
        if self._seen is not features.x_target:  # images age well as the source moves, not as the target does
            self.refresh(features, every=False)
        return super().distances(features)

    def refresh(self, features: Features, every: bool = True) -> None:
        self._seen = features.x_target
        self._tenant = {k: l for k, l in self._tenant.items() if (k, l) in self._matter}
        super().refresh(features, every)

    def _keep(self, k: int, l: int, coupling: Tensor) -> Tensor:
        if self._tenant.setdefault(k, l) != l:
            return coupling
        return self._room[self.source.slices[k]].copy_(coupling)

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        self.follow(mass, features)
        images, means_target = solved.image_like(features.x), self._moments_of_target(features)[0]
        for (k, l), coupling in self._kept.items():
            rows = self.source.slices[k]
            within = mass[k, l] * self.source.within[rows]
            images[rows].addr_(within, means_target[l]).add_(mass[k, l] * coupling)
            row[rows] += within

    def _inner(self, k: int, l: int, coupling: Tensor, features: Features) -> Tensor:
        x, within = features.rows(self.source.slices[k]), self.source.within[self.source.slices[k]]
        mean = within @ x
        return mean @ self._moments_of_target(features)[0][l] + ((x - mean) * coupling).sum()


class ExactImageCost(ClassImageCost):
    """Of the samples themselves."""

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        x, w, x_target, w_target = self._classes(k, l, features)
        return exact_class_plan(x, w, x_target, w_target) @ (x_target - w_target @ x_target)


class GaussianImageCost(InBatches, ClassImageCost):
    """Of Gaussian label distributions, whose plan is never made.

    With the factors ``A = L C`` and ``B = L' C'``, the image is ``diag(sqrt(w)) L Q C'`` with Q the polar factor of
    ``C C'^T``. With fewer samples than dimensions C is A, and L the identity.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, negligible: float = NEGLIGIBLE) -> None:
        super().__init__(source, target, negligible)
        self._last: tuple[int, Tensor | None, Tensor] | None = None
        self._cores: dict[int, Tensor] = {}

    def refresh(self, features: Features, every: bool = True) -> None:
        super().refresh(features, every)
        self._forget()

    def follow(self, mass: Tensor, features: Features) -> None:
        super().follow(mass, features)
        self._forget()

    def _forget(self) -> None:
        self._last, self._cores = None, {}  # large, and of use at these features alone

    def _couple(self, k: int, l: int, features: Features) -> Tensor:
        rows, cols = self.source.slices[k], self.target.slices[l]
        w, w_target = self.source.within[rows], self.target.within[cols]
        if self._last is None or self._last[0] != k:  # pairs come class by class
            self._last = None  # before another as large
            self._last = k, *orthogonal_core(class_factor(features.rows(rows), w)[1])
        if l not in self._cores:
            self._cores[l] = core(class_factor(features.x_target[cols], w_target)[1])
        _, basis, own = self._last
        image = newton_schulz(own @ self._cores[l].T) @ self._cores[l]
        if basis is not None:
            image = basis @ image
        return image.mul_(w.sqrt()[:, None])

    def _couple_batch(self, x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
        factor, other = class_factor(x, w)[1], class_factor(x_target, w_target)[1]
        return (polar_factor(factor, other) @ other).mul_(w.sqrt()[..., None])

    def _without_padding(self, coupling: Tensor, n: int, m: int) -> Tensor:
        return coupling[:n]


class MeansCost(LabelCost):
    """``||mu_k - nu_l||^2``: label distributions stand for their means."""

    def distances(self, features: Features) -> Tensor:
        return squared_distances(features.class_means(self.source), self.target.class_means(features.x_target))

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        means, means_target = features.class_means(self.source), self.target.class_means(features.x_target)
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
            centred = features.rows(rows) - mu[k]
            image[rows] -= self.source.within[rows, None] * (shift[k] + stretch[k] * centred)

    def _moments(self, features: Features) -> list[tuple[Tensor, Tensor]]:
        return [
            diagonal_moments(self.source, features.rows),
            diagonal_moments(self.target, features.x_target.__getitem__),
        ]


def diagonal_moments(points: LabelledPoints, rows: Callable[[slice], Tensor]) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of every class, (K, d) each, given what returns the features of some `rows`."""
    means, deviations = [], []
    for s in points.slices:
        x, within = rows(s), points.within[s]
        means.append(within @ x)
        deviations.append((within @ (x - means[-1]).square()).sqrt())
    return torch.stack(means), torch.stack(deviations)


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
    return squared_distances(*(torch.cat(diagonal_moments(p, p.x.__getitem__), 1) for p in (source, target)))


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
    plans, images = {"gaussian": (GaussianPlanCost, GaussianImageCost), "exact": (ExactPlanCost, ExactImageCost)}[kind]
    cost = (images if by_image else plans)(source, target, negligible)
    if matched:
        cost.pairs = [(k, k) for k in range(source.n_classes)]
    return cost
