"""What all pairs of Gaussian classes have in common beyond their moments: nuclear norms, many at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .._gaussian import class_factor
from .._padding import padded
from .._points import LabelledPoints

CROSS_NUMBERS = 2**20
"""Numbers in the products of the factors of some pairs of classes, which bounds what they take."""


def gaussian_crosses(source: LabelledPoints, target: LabelledPoints) -> Tensor:
    """``||A_k B_l^T||_*`` of the factors of all pairs of classes, shape (K, K')."""
    cross = source.x.new_empty(source.n_classes, target.n_classes)
    others = list(class_cores(target))
    for classes, factors in class_cores(source):
        for other_classes, other_factors in others:
            cross[classes[:, None], other_classes] = _nuclear_norms(factors, other_factors)
    return cross


def class_cores(points: LabelledPoints) -> Iterator[tuple[Tensor, Tensor]]:
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
