"""Label distances between datasets that stay where they are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from .._gaussian import class_factor
from .._ground_cost import squared_distances
from .._padding import padded
from .._points import LabelledPoints
from ..solvers import NetworkSimplex
from ._class_models import PairDistances
from ._moments import moments

LABEL_DISTANCES = ("gaussian", "gaussian-diag", "means", "exact")
"""Names of the label distances: Gaussian (full, diagonal, means only) or nonparametric."""
CROSS_NUMBERS = 2**22
"""Numbers in the products of the factors of some pairs of classes, which bounds what they take."""


def label_distance_matrix(source: LabelledPoints, target: LabelledPoints, kind: str) -> Tensor:
    """Squared W2 distances between the label distributions of two datasets, shape (K, K')."""
    if kind == "exact":
        pairs = itertools.product(range(source.n_classes), range(target.n_classes))
        return torch.stack([_optimal_cost(source, k, target, l) for k, l in pairs]).view(-1, target.n_classes)
    if kind != "gaussian":
        return squared_distances(*_moments(kind, source, target))
    cross = source.x.new_empty(source.n_classes, target.n_classes)
    others = list(_cores(target))
    for classes, factors in _cores(source):
        for other_classes, other_factors in others:
            cross[classes[:, None], other_classes] = _nuclear_norms(factors, other_factors)
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
    cross, others = source.x.new_empty(source.n_classes), list(_cores(target))
    place = {int(l): (i, j) for i, (classes, _) in enumerate(others) for j, l in enumerate(classes.tolist())}
    for classes, factors in _cores(source):
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


def _cores(points: LabelledPoints) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes (c,) of classes of similar sizes, and their factors (c, r, d) with no more rows than columns."""
    d = points.x.shape[1]
    groups: dict[int, list[int]] = {}
    for k, where in enumerate(points.slices):
        groups.setdefault((where.stop - where.start - 1).bit_length(), []).append(k)
    for exponent, classes in groups.items():
        most = max(CROSS_NUMBERS // (2**exponent * d), 1)
        for start in range(0, len(classes), most):
            some = classes[start : start + most]
            rows, present = padded([points.slices[k] for k in some], points.x.device)
            factor = class_factor(points.x[rows], points.within[rows] * present)[1]
            if factor.shape[1] > d:
                factor = torch.linalg.qr(factor, mode="r").R
            yield torch.tensor(some, device=points.x.device), factor


def _nuclear_norms(factors: Tensor, others: Tensor) -> Tensor:
    """``||A B^T||_*`` for all pairs of factors (c, r, d) and (c', s, d), shape (c, c')."""
    (c, r, d), (c_other, s, _) = factors.shape, others.shape
    norms, flat = factors.new_empty(c, c_other), others.reshape(-1, d).T
    step = max(CROSS_NUMBERS // (r * c_other * s), 1)
    for start in range(0, c, step):
        some = factors[start : start + step]
        cross = (some.reshape(-1, d) @ flat).view(len(some), r, c_other, s).transpose(1, 2)
        norms[start : start + step] = torch.linalg.svdvals(cross).sum(-1)
    return norms
