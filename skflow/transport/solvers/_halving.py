"""Matched halves of two measures, again and again: the tree of a plan that is found in nearly linear time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._ground_cost import GroundCost
from .._points import CHUNK, LabelledPoints

LOOKED_AT = 2048
"""Points of each side that a direction is looked for with."""
STARTS = 4
"""Directions that are tried for each split."""
SMOOTH, SHARP = 2, 6
"""Iterations with scores, which find where both sides spread, and with their signs, which find halves."""
WHOLE = 1e-9
"""Share of a point's weight that is not cut off."""


@dataclass
class Block:
    """Some points of both sides, with as much mass on either.

    Parameters
    ----------
    rows, cols : Tensor of shape (n_k,), (m_k,), int64
        Source and target points.
    a, b : Tensor of shape (n_k,), (m_k,), float64
        Their weights here. A source point is in one block, a target point may be shared by several.
    """

    rows: Tensor
    cols: Tensor
    a: Tensor
    b: Tensor


@dataclass
class Direction:
    """A linear form of features and labels."""

    feature: Tensor
    """(d, n_starts)."""
    label: Tensor
    """(K, n_starts)."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ self.feature + self.label[y]


def matched_blocks(cost: GroundCost, size: int, generator: torch.Generator) -> list[Block]:
    """Split both sides into blocks of no more than about `size` points a side, each to be transported to its own.

    Both sides are cut into halves of the same mass, so that halves that are close face each other, and these again: a
    binary space partition (Genest, Courty and Coeurjolly, BSP-OT, SIGGRAPH Asia 2025) whose cuts solve the problem of
    rank two that hierarchical refinement poses (Halmos et al., ICML 2025), see :func:`halving_directions`. It takes
    O((n + m) d) operations for each doubling of the points.

    Source points are not divided, so that a block's mass is that of its source points; where a cut falls within a
    target point's weight, both halves have their part of it. A transport to oneself has the same blocks on both sides.

    Parameters
    ----------
    cost : GroundCost
        Features, labels and weights of both sides.
    size : int
        A block has no more than ``size ** 2`` pairs, unless it has a single source point.
    generator : torch.Generator
        Draws starts, and the points that directions are looked for with.
    """
    device = cost.source.a.device
    a, b = cost.source.a.double(), cost.target.a.double()
    waiting = [
        Block(torch.arange(len(a), device=device), torch.arange(len(b), device=device), a, b * (a.sum() / b.sum()))
    ]
    done = []
    while waiting:
        block = waiting.pop()
        if len(block.rows) == 1 or len(block.rows) * len(block.cols) <= size**2:
            done.append(block)
        else:
            waiting += reversed(_halves(block, cost, generator))
    return done


def _halves(block: Block, cost: GroundCost, generator: torch.Generator) -> list[Block]:
    """The two halves of a block."""
    to_source, to_target = halving_directions(block, cost, generator)
    rows, cols, a, b = block.rows, block.cols, block.a, block.b
    order = _scores(to_source, cost.features.rows, cost.source, rows).argsort(stable=True)
    rows, a = rows[order], a[order]
    total = a.cumsum(0)
    first = int((total < total[-1] / 2).sum().clamp(0, len(a) - 2)) + 1
    if cost.source is cost.target:
        return [Block(rows[s], rows[s], a[s], a[s]) for s in (slice(first), slice(first, None))]
    order = _scores(to_target, cost.features.x_target.__getitem__, cost.target, cols).argsort(stable=True)
    cols, b = cols[order], b[order]
    (own, b), (other, c) = _cut(b, total[first - 1] / total[-1] * b.sum())
    return [Block(rows[:first], cols[own], a[:first], b), Block(rows[first:], cols[other], a[first:], c)]


def _cut(weights: Tensor, mass: Tensor) -> list[tuple[slice, Tensor]]:
    """Where the first points of that mass are, and the others, with their weights; a point may be in both."""
    total = weights.cumsum(0)
    place = int((total < mass - WHOLE * weights.mean()).sum().clamp(max=len(weights) - 1))
    before, left_over = weights[: place + 1].clone(), weights[place:].clone()
    left_over[0] = total[place] - mass
    before[-1] -= left_over[0]
    if left_over[0] <= WHOLE * weights[place] and len(left_over) > 1:
        before[-1] = weights[place]
        return [(slice(place + 1), before), (slice(place + 1, None), left_over[1:])]
    return [(slice(place + 1), before), (slice(place, None), left_over.clamp_(min=0))]


def _scores(direction: Direction, features: Callable[[Tensor], Tensor], points: LabelledPoints, some: Tensor) -> Tensor:
    """Scores of some points, without a copy of all their features."""
    height = max(CHUNK // len(direction.feature), 1)
    return torch.cat([direction(features(part), points.y[part])[:, 0] for part in some.split(height)])


def halving_directions(block: Block, cost: GroundCost, generator: torch.Generator) -> tuple[Direction, Direction]:
    """Linear forms of the source and of the target by whose medians the block is halved.

    The ground cost is ``-2 <x, x'> + D_yy'`` and terms of either side alone. Halves S of the source and T of the target
    that are coupled independently gain ``<s, t>``, s and t being half the differences of their means in this bilinear
    form. Given T, the best S is a half space whose normal is t, and the other way round: the iterations climb, from
    several starts. The first of them have scores for signs, which makes them power iterations for the leading singular
    pair of both covariances.

    Returns
    -------
    tuple of Direction
        Of the start that gains most, for the source and for the target.
    """
    rows, a = _sample(block.rows, block.a, generator)
    cols, b = _sample(block.cols, block.b, generator)
    x, y, x_target, y_target = (
        cost.features.rows(rows),
        cost.source.y[rows],
        cost.features.x_target[cols],
        cost.target.y[cols],
    )
    a, b = (a / a.sum()).to(x.dtype)[:, None], (b / b.sum()).to(x.dtype)[:, None]
    labels = cost.labels / -2
    t = torch.randn(len(b), STARTS, generator=generator).to(x)
    for i in range(SMOOTH + SHARP):
        side = _centred if i < SMOOTH else _side
        to_source = _direction(x_target, y_target, b * side(t, b), labels)
        s = to_source(x, y)
        to_target = _direction(x, y, a * side(s, a), labels.T)
        t = to_target(x_target, y_target)
    gain = (b * _side(t, b) * t).sum(0)
    best = gain.nan_to_num().argmax()[None]
    to_source = _direction(x_target, y_target, b * _side(t[:, best], b), labels)
    return to_source, Direction(to_target.feature[:, best], to_target.label[:, best])


def _direction(x: Tensor, y: Tensor, charge: Tensor, labels: Tensor) -> Direction:
    """The form by which the other side is drawn to points with that charge (n, n_starts), of length one."""
    by_class = charge.new_zeros(labels.shape[1], charge.shape[1]).index_add_(0, y, charge)
    feature, label = x.T @ charge, labels @ by_class
    length = (feature.square().sum(0) + label.square().sum(0)).sqrt().clamp(min=torch.finfo(x.dtype).tiny)
    return Direction(feature / length, label / length)


def _centred(scores: Tensor, weight: Tensor) -> Tensor:
    return scores - (weight * scores).sum(0)


def _side(scores: Tensor, weight: Tensor) -> Tensor:
    """Charges of the two halves that the weighted median of each column parts: their sum is zero."""
    order = scores.argsort(0)
    upper = weight[:, 0][order].cumsum(0) > 0.5
    sign = torch.empty_like(scores).scatter_(0, order, upper.to(scores.dtype) * 2 - 1)
    return _centred(sign, weight)


def _sample(index: Tensor, weight: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """At most so many points as a direction needs."""
    if len(index) <= LOOKED_AT:
        return index, weight
    some = torch.randint(len(index), (LOOKED_AT,), generator=generator).to(index.device)
    return index[some], weight[some]
