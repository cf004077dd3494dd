"""Label distances between datasets that stay where they are."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from .._ground_cost import squared_distances
from .._points import LabelledPoints
from ..solvers import NetworkSimplex
from ._class_models import PairDistances
from ._crosses import class_cores, gaussian_crosses
from ._moments import moments

LABEL_DISTANCES = ("gaussian", "gaussian-diag", "means", "exact")
"""Names of the label distances: Gaussian (full, diagonal, means only) or nonparametric."""


def label_distance_matrix(source: LabelledPoints, target: LabelledPoints, kind: str) -> Tensor:
    """Squared W2 distances between the label distributions of two datasets, shape (K, K')."""
    if kind == "exact":
        pairs = itertools.product(range(source.n_classes), range(target.n_classes))
        return torch.stack([_optimal_cost(source, k, target, l) for k, l in pairs]).view(-1, target.n_classes)
    if kind != "gaussian":
        return squared_distances(*_moments(kind, source, target))
    cross = gaussian_crosses(source, target)
    (means, spread), (means_target, spread_target) = _means_and_spreads(source, target)
    spread = (spread[:, None] + spread_target - 2 * cross).clamp_(min=0.0)
    return squared_distances(means, means_target).add_(spread)


def matched_label_distances(source: LabelledPoints, target: LabelledPoints, goes_to: Tensor, kind: str) -> Tensor:
    """Squared W2 distances between each class of the source and the one that it goes to, shape (K,)."""
    if kind == "exact":
        pairs = enumerate(goes_to.tolist())
        return torch.stack([_optimal_cost(source, k, target, l) for k, l in pairs])
    if kind != "gaussian":
        own, other = _moments(kind, source, target)
        return (own - other[goes_to]).square().sum(1)
    cross, others = source.x.new_empty(source.n_classes), list(class_cores(target))
    place = {int(l): (i, j) for i, (classes, _) in enumerate(others) for j, l in enumerate(classes.tolist())}
    for classes, factors in class_cores(source):
        places = [place[l] for l in goes_to[classes].tolist()]
        for i in sorted({i for i, _ in places}):
            some = [s for s, (group, _) in enumerate(places) if group == i]
            other = others[i][1][[places[s][1] for s in some]]
            cross[classes[some]] = torch.linalg.svdvals(factors[some] @ other.mT).sum(-1)
    (means, spread), (means_target, spread_target) = _means_and_spreads(source, target)
    spread = (spread + spread_target[goes_to] - 2 * cross).clamp_(min=0.0)
    return (means - means_target[goes_to]).square().sum(1).add_(spread)


def _moments(kind: str, *sides: LabelledPoints) -> list[Tensor]:
    return [torch.cat(moments(points, points.x.__getitem__, kind == "gaussian-diag"), 1) for points in sides]


def _means_and_spreads(*sides: LabelledPoints) -> list[tuple[Tensor, Tensor]]:
    """Means (K, d) and mean squared distances from them (K,) of the classes."""
    found = []
    for points in sides:
        means = points.class_means()
        spread = torch.empty_like(points.a)
        for rows, k in points.pieces(means.shape[1]):
            spread[rows] = (points.x[rows] - means[k]).square_().sum(1)
        found.append((means, points.class_means(spread)))
    return found


def _optimal_cost(source: LabelledPoints, k: int, target: LabelledPoints, l: int) -> Tensor:
    rows, cols = source.slices[k], target.slices[l]
    solver = NetworkSimplex(source.within[rows], target.within[cols])
    return solver.solve(PairDistances(source.x[rows], target.x[cols])).value
