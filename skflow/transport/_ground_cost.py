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

    def class_means(self, source: LabelledPoints) -> Tensor:
        """Means of the moving classes, (n_classes, d)."""
        return torch.stack([source.within[s] @ self.rows(s) for s in source.slices])


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
    """Add `distances` (K, K') to `cost` (n, m), target class by target class, in place."""
    for l, cols in enumerate(target.slices):
        cost[:, cols] += distances[source.y, l, None]
    return cost


def mean_ground_cost(source: LabelledPoints, target: LabelledPoints, label_cost: Tensor) -> Tensor:
    """Mean of the ground cost under independent draws, from first and second moments alone.

    Parameters
    ----------
    label_cost : Tensor of shape (K, K')
        The label part of the ground cost (already weighted).
    """
    centre = target.a @ target.x
    total, means = source.mass @ label_cost @ target.mass, []
    for points in (source, target):
        means.append(torch.zeros_like(centre))
        for s in points.slices:  # not all of them at once: centred features are a copy
            x = points.x[s] - centre
            means[-1] += points.a[s] @ x
            total += points.a[s] @ x.square_().sum(1)
    return total - 2 * means[0] @ means[1]
