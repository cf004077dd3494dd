"""The ground cost of the OTDD, ``||x - x'||^2 + label_weight W2^2(y, y')`` (section 3.3)."""

from __future__ import annotations

from torch import Tensor

from ._points import LabelledPoints


def squared_distances(x: Tensor, x_target: Tensor) -> Tensor:
    """Squared Euclidean distances between rows, shape (n, m), by one matrix product."""
    centre = x_target.mean(0)  # distances do not depend on the origin, their rounding errors do
    x, x_target = x - centre, x_target - centre
    return distances_from_inner(x @ x_target.T, x.square().sum(1), x_target.square().sum(1))


def distances_from_inner(inner: Tensor, square: Tensor, square_target: Tensor) -> Tensor:
    """Turn inner products ``x @ x_target.T`` (n, m) into squared distances, in place, given the squared norms."""
    return inner.mul_(-2.0).add_(square[:, None]).add_(square_target).clamp_(min=0.0)


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
    x, x_target = source.x - centre, target.x - centre
    second = source.a @ x.square().sum(1) + target.a @ x_target.square().sum(1)
    return second - 2 * (source.a @ x) @ (target.a @ x_target) + source.mass @ label_cost @ target.mass
