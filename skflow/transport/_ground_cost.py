"""The ground cost of the OTDD, ``||x - x'||^2 + label_weight W2^2(y, y')`` (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

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
    inner: Tensor | None = None
    """``x @ x_target.T``, (n, m), where a solver wants the whole matrix."""
    centre: Tensor | None = None
    """(d,), what is yet to be taken off `x`, where it is as large as all else that is held."""

    def rows(self, rows: slice | Tensor) -> Tensor:
        """Some of the moving features."""
        return self.x[rows] if self.centre is None else self.x[rows] - self.centre

    def moving_means(self, source: LabelledPoints) -> Tensor:
        """Means of the moving classes, (n_classes, d)."""
        return source.class_means(self.rows)


@dataclass
class GroundCost:
    """The ground cost between the points of one problem: as a matrix, or tile by tile.

    Parameters
    ----------
    features : Features
    labels : Tensor of shape (K, K')
        The label part, weighted.
    source, target : LabelledPoints
        Labels and weights.
    """

    features: Features
    labels: Tensor
    source: LabelledPoints
    target: LabelledPoints
    _stale: bool = field(default=False, init=False, repr=False)

    def matrix(self) -> Tensor:
        """All of it, (n, m), in the place of the inner products; a solver may overwrite it and ask again."""
        f = self.features
        assert f.inner is not None, "the solver did not declare that it wants a matrix"
        if self._stale:
            torch.mm(f.x, f.x_target.T, out=f.inner)
        self._stale = True
        cost = distances_from_inner(f.inner, f.square[:, None], f.square_target)
        return add_label_cost(cost, self.labels, self.source, self.target)

    def scores(self, rows: slice, potential: Tensor, eps: float, out: Tensor) -> Tensor:
        """``(potential_j - C_ij + ||x_i||^2) / eps`` for some rows, into `out` (n_rows, m).

        The row's own norm shifts all its scores alike, which a softmax does not see.
        """
        labels = self.labels[self.source.y[rows]] / -eps
        column = (potential - self.features.square_target) / eps
        if self.target.has_small_classes:
            torch.index_select(labels, 1, self.target.y, out=out).add_(column)
        else:
            for l, cols in enumerate(self.target.slices):
                torch.add(column[cols], labels[:, l, None], out=out[:, cols])
        return out.addmm_(self.features.rows(rows), self.features.x_target.T, alpha=2 / eps)

    def transposed(self) -> GroundCost:
        """The same with source and target exchanged, for tiles."""
        f = self.features
        features = Features(f.x_target, f.rows(slice(None)), f.square_target, f.square)
        return GroundCost(features, self.labels.T, self.target, self.source)

    def of_rows(self, rows: Tensor) -> GroundCost:
        """Of some of the source's points, see :meth:`~skflow.transport.LabelledPoints.part`; for tiles."""
        f, (source, classes) = self.features, self.source.part(rows)
        features = Features(f.rows(rows), f.x_target, f.square[rows], f.square_target)
        return GroundCost(features, self.labels[classes], source, self.target)

    def part(self, rows: Tensor, cols: Tensor, room: Tensor | None = None) -> GroundCost:
        """Of some points of both sides; with the matrix, in `room` if there is any."""
        part = self.of_rows(rows).transposed().of_rows(cols).transposed()
        part.features.inner = torch.mm(part.features.x, part.features.x_target.T, out=room)
        return part


def squared_distances(x: Tensor, x_target: Tensor) -> Tensor:
    """Squared Euclidean distances between rows, shape (n, m), by one matrix product."""
    centre = x_target.mean(0)  # distances do not depend on the origin, their rounding errors do
    x, x_target = x - centre, x_target - centre
    return distances_from_inner(x @ x_target.T, x.square().sum(1, keepdim=True), x_target.square().sum(1))


def distances_from_inner(inner: Tensor, square: Tensor, square_target: Tensor) -> Tensor:
    """Turn inner products (n, m) into squared distances, in place, given the squared norms (n, 1) and (m,)."""
    return inner.mul_(-2.0).add_(square).add_(square_target).clamp_(min=0.0)


def add_label_cost(cost: Tensor, distances: Tensor, source: LabelledPoints, target: LabelledPoints) -> Tensor:
    """Add `distances` (K, K') to `cost` (n, m) in place, target class by target class unless they are small."""
    if target.has_small_classes:
        for rows in source.chunks(len(target.a)):
            cost[rows] += distances[source.y[rows]].index_select(1, target.y)
        return cost
    for l, cols in enumerate(target.slices):
        cost[:, cols] += distances[source.y, l, None]
    return cost


def mean_ground_cost(
    source: LabelledPoints, target: LabelledPoints, label_cost: Tensor, goes_to: Tensor | None = None
) -> float:
    """Mean of the ground cost under independent draws, from first and second moments alone.

    The moments are those of centred points in float64: of uncentred ones, in float32, a common offset leaves nothing,
    or less than nothing.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    label_cost : Tensor of shape (K, K'), or (K,)
        The label part of the ground cost (already weighted), of all pairs of classes or of the matched ones.
    goes_to : Tensor of shape (K,), int64, or None
        Draws from a source class meet draws from this target class; None: draws of the whole target.
    """
    (means, second), (means_target, second_target) = _centred_moments(source, target)
    mass, mass_target, label_cost = source.mass.double(), target.mass.double(), label_cost.double()
    if goes_to is None:
        label, apart = mass @ label_cost @ mass_target, (mass @ means) @ (mass_target @ means_target)
        mean = mass @ second + mass_target @ second_target - 2 * apart + label
    else:
        apart = torch.linalg.vecdot(means, means_target[goes_to])
        mean = mass @ (second + second_target[goes_to] - 2 * apart + label_cost)
    return max(mean.item(), 0.0)


def _centred_moments(*sides: LabelledPoints) -> list[tuple[Tensor, Tensor]]:
    """Means (K, d) and mean squared norms (K,) of the classes of all sides about one origin, in float64."""
    points, x = sides[-1], sides[-1].x
    origin = x[0].double()  # what all points have in common goes before anything is summed
    total = torch.zeros_like(origin)
    for s in points.chunks(x.shape[1]):
        total += points.a[s].double() @ (x[s].double() - origin)
    centre, moments = origin + total / points.a.double().sum(), []
    for points in sides:
        means, second = centre.new_zeros(points.n_classes, len(centre)), centre.new_zeros(points.n_classes)
        for s in points.chunks(len(centre)):
            centred, within = points.x[s].double() - centre, points.within[s].double()
            second.index_add_(0, points.y[s], within * centred.square().sum(1))
            means.index_add_(0, points.y[s], centred.mul_(within[:, None]))
        moments.append((means, second))
    return moments
