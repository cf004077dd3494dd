"""Label distances that are transport costs between two classes, of all pairs or of matched ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from .._ground_cost import Features
from .._points import LabelledPoints
from ..solvers import TransportPlan
from ._base import LabelCost
from ._class_models import ClassModel
from ._couplings import ClassPair, couplings
from ._kept import KeptImages, KeptPlans

NEGLIGIBLE = 5e-3
"""Share of a class's mass below which its exchange with another class has no part in a flow's gradient."""


class PlannedCost(LabelCost):
    """Base of label distances that are transport costs under a plan R between the samples of two classes.

    ``D_kl = sum_ij R_ij ||x_i - x'_j||^2`` with R the optimal plan ("exact") or its signed Gaussian counterpart
    ("gaussian"). By the envelope theorem the gradient needs R alone, and it has the shape of the feature part's. R is
    costly and ages well: an R from an earlier step overestimates D in second order, and its gradient is the exact one
    of that overestimate, which touches the true objective where R was made.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, classes: ClassModel) -> None:
        super().__init__(source, target)
        self.classes = classes
        self._target_moments: tuple[Tensor, Tensor, Tensor] | None = None

    def _moments_of_target(self, features: Features) -> tuple[Tensor, Tensor]:
        """Means and mean squared norms of the target's classes, computed once as long as it stays where it is."""
        if self._target_moments is None or self._target_moments[0] is not features.x_target:
            means = self.target.class_means(features.x_target)
            self._target_moments = features.x_target, means, self.target.class_means(features.square_target)
        return self._target_moments[1:]


class PairwiseCost(PlannedCost):
    """Of all pairs of classes.

    R, or what it makes of the target's samples, is kept for the active pairs, those that exchanged mass at the last
    refresh; of the others only the value ``sum_ij (R_ij - w_i w'_j) <x_i, x'_j>`` is.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    classes : ClassModel
        What stands for a class.
    kept : KeptPlans or KeptImages
        How gradients come back: in the plan, or in its image.
    negligible : float
        Share of a class's mass below which its exchange with another class has no part in the gradient.
    """

    def __init__(
        self,
        source: LabelledPoints,
        target: LabelledPoints,
        classes: ClassModel,
        kept: KeptPlans | KeptImages,
        negligible: float = NEGLIGIBLE,
    ) -> None:
        super().__init__(source, target, classes)
        self.kept, self.negligible = kept, negligible
        self._pairs = list(itertools.product(range(source.n_classes), range(target.n_classes)))
        self._active: list[ClassPair] = []
        self._pending: Tensor | None = None  # mask of the pairs that will be active, where it is not read yet
        self._cross = source.a.new_zeros(source.n_classes, target.n_classes)
        self._last_target: Tensor | None = None

    def refresh(self, features: Features, every: bool = True) -> None:
        self._last_target = features.x_target
        self._read()
        means, (means_target, _) = features.moving_means(self.source), self._moments_of_target(features)
        active = set(self._active)
        self.kept.forget_all_but(active)
        for (k, l), coupling in self._couplings(self._to_refresh(features, every), features):
            inner = self.kept.inner(k, l, coupling, features, means[k], means_target[l])
            self._cross[k, l] = inner - means[k] @ means_target[l]
            if (k, l) in active:
                self.kept.keep(k, l, coupling)

    def distances(self, features: Features) -> Tensor:
        if self.kept.follow_source_alone and self._last_target is not features.x_target:
            self.refresh(features, every=False)
        means, (means_target, second_target) = features.moving_means(self.source), self._moments_of_target(features)
        cross = means @ means_target.T + self._cross
        for (k, l), coupling in self.kept.couplings.items():
            cross[k, l] = self.kept.inner(k, l, coupling, features, means[k], means_target[l])
        second = self.source.class_means(features.square)
        return (second[:, None] + second_target - 2 * cross).clamp_(min=0.0)

    def follow(self, mass: Tensor, features: Features) -> None:
        self._pending = mass > self.negligible * mass.sum(1, keepdim=True)
        # Pairs that have become active wait for the next refresh, unless there is none to wait for.
        if self.negligible == 0 or not self.kept.couplings:
            self._read()
            new = [pair for pair in self._active if pair not in self.kept.couplings]
            for (k, l), coupling in self._couplings(new, features):
                self.kept.keep(k, l, coupling)

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        self.follow(mass, features)
        means_target = self._moments_of_target(features)[0]
        for (k, l), coupling in self.kept.couplings.items():
            rows = self.source.slices[k]
            within = mass[k, l] * self.source.within[rows]
            self.kept.add(k, l, coupling, mass[k, l], within, means_target[l], solved, features)
            row[rows] += within

    def _to_refresh(self, features: Features, every: bool) -> list[ClassPair]:
        """The pairs whose plans are asked for; values that need none are set."""
        if not every:
            return self._active
        if self.source.has_small_classes and self.target.has_small_classes:
            at = self.source.moved(features.rows(slice(None)))
            crosses = self.classes.crosses(at, self.target.moved(features.x_target))
            if crosses is not None:
                self._cross = crosses
                return self._active
        return self._pairs

    def _couplings(self, pairs: list[ClassPair], features: Features) -> Iterator[tuple[ClassPair, Tensor]]:
        found = couplings(pairs, self.classes, self.kept.of(self.classes), self.source, self.target, features)
        for run in found:
            for (k, l), coupling in zip(run.pairs, run.couplings, strict=True):
                yield (k, l), self.kept.without_padding(k, l, coupling)

    def _read(self) -> None:
        """Read which pairs are active now; a GPU's queue runs empty, so not at every step."""
        if self._pending is not None:
            rows = enumerate(self._pending.tolist())
            self._active, self._pending = [(k, l) for k, row in rows for l, active in enumerate(row) if active], None


class MatchedCost(PlannedCost):
    """Of matched classes, where class k meets class k alone: only the diagonal is computed.

    The images of all plans together are one matrix like the features, so that any number of classes is a few
    operations on all points.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, classes: ClassModel) -> None:
        super().__init__(source, target, classes)
        self._image = source.x.new_zeros(len(source.a), source.x.shape[1])
        self._last_target: Tensor | None = None

    def refresh(self, features: Features, every: bool = True) -> None:
        self._last_target = features.x_target
        pairs = [(k, k) for k in range(self.source.n_classes)]
        for run in couplings(pairs, self.classes, self.classes.image, self.source, self.target, features):
            self._image[run.rows] = run.couplings[0] if run.present is None else run.couplings[run.present]

    def distances(self, features: Features) -> Tensor:
        if self._last_target is not None and self._last_target is not features.x_target:
            self.refresh(features)
        means, (means_target, second_target) = features.moving_means(self.source), self._moments_of_target(features)
        inner = torch.empty_like(self.source.a)
        for rows, k in self.source.pieces(means.shape[1]):
            centred = features.rows(rows) - means[k]
            torch.linalg.vecdot(centred, self._image[rows], out=inner[rows])
        cross = torch.linalg.vecdot(means, means_target) + self.source.class_sums(inner)
        second = self.source.class_means(features.square)
        return (second + second_target - 2 * cross).clamp_(min=0.0).diag()

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        image, by_class = solved.image_like(features.x), mass.diagonal()
        within, means_target = by_class[self.source.y] * self.source.within, self._moments_of_target(features)[0]
        for rows, k in self.source.pieces(image.shape[1]):
            image[rows].addcmul_(self._image[rows], by_class[k][..., None])
            image[rows].addcmul_(means_target[k], within[rows, None])
        row += within
