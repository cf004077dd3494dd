"""A labelled dataset as a discrete measure on features x labels (section 3.1)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class LabelledPoints:
    """The measure ``sum_i a_i delta_(x_i, y_i)``, kept sorted by class so that a class is a slice.

    Parameters
    ----------
    x : Tensor of shape (n, d)
        Features.
    y : Tensor of shape (n,), int64
        Class codes ``0 .. n_classes - 1`` in ascending order; every class has a point.
    a : Tensor of shape (n,)
        Positive weights that sum to one.
    """

    x: Tensor
    y: Tensor
    a: Tensor
    slices: list[slice] = field(init=False, repr=False)
    """Where each class lies in `x`, `y` and `a`."""
    mass: Tensor = field(init=False, repr=False)
    """Class masses ``p_k``, shape (n_classes,)."""
    within: Tensor = field(init=False, repr=False)
    """Weights within the own class, ``a_i / p_{y_i}``, shape (n,)."""

    def __post_init__(self) -> None:
        ends = torch.bincount(self.y).cumsum(0).tolist()
        self.slices = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        self.mass = torch.stack([self.a[s].sum() for s in self.slices])
        self.within = self.a / self.mass[self.y]

    @property
    def n_classes(self) -> int:
        return len(self.slices)

    def one_hot(self) -> Tensor:
        """Indicators of the classes, (n, n_classes)."""
        return torch.nn.functional.one_hot(self.y, self.n_classes).to(self.a.dtype)

    def class_sums(self, values: Tensor) -> Tensor:
        """Sums over each class of `values` (n,) or (n, q): a tensor of (n_classes,) or (n_classes, q)."""
        out = values.new_zeros(self.n_classes, *values.shape[1:])
        return out.index_add_(0, self.y, values)

    def class_means(self, values: Tensor | None = None) -> Tensor:
        """The weighted mean in each class of `values` (n, ...), or of the features: (n_classes, ...)."""
        values = self.x if values is None else values
        return torch.stack([self.within[s] @ values[s] for s in self.slices])

    def moved(self, x: Tensor) -> LabelledPoints:
        """The same points with other features; classes and masses are not looked for again."""
        moved = copy(self)
        moved.x = x
        return moved

    def part(self, rows: Tensor) -> tuple[LabelledPoints, Tensor]:
        """Some of the points, without features, and the codes of their classes, each with its share of the mass."""
        classes, y = self.y[rows].unique(return_inverse=True)
        mass = self.mass[classes]
        within = self.within[rows]
        within = within / torch.zeros_like(mass).index_add_(0, y, within)[y]
        return LabelledPoints(self.x[:0], y, within * (mass / mass.sum())[y]), classes

    def only(self, *classes: int, mass: Tensor | None = None) -> LabelledPoints:
        """Some classes alone, in that order, as a probability measure, with the `mass` (K,) of each or their own."""
        slices = [self.slices[k] for k in classes]
        mass = self.mass[list(classes)] if mass is None else mass
        share = mass / mass.sum()
        return LabelledPoints(
            torch.cat([self.x[s] for s in slices]) if len(slices) > 1 else self.x[slices[0]],
            torch.cat([torch.full_like(self.y[s], k) for k, s in enumerate(slices)]),
            torch.cat([self.within[s] * p for s, p in zip(slices, share, strict=True)]),
        )
