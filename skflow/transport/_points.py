"""A labelled dataset as a discrete measure on features x labels (section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

CHUNK = 2**20
"""Numbers of a copy of some rows, where all of them would be a copy of everything."""
SMALL_CLASS = 32
"""Points of a class, on average, below which one operation on all classes is faster than one operation each."""


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
        Weights that sum to one, all of them positive: a point without weight is left out before it comes here.
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
        small = self.has_small_classes
        self.mass = self.class_sums(self.a) if small else torch.stack([self.a[s].sum() for s in self.slices])
        self.within = self.a / self.mass[self.y]

    @property
    def n_classes(self) -> int:
        return len(self.slices)

    @property
    def has_small_classes(self) -> bool:
        """Whether classes are better worked on together than one by one."""
        return len(self.a) < SMALL_CLASS * self.n_classes

    def one_hot(self) -> Tensor:
        """Indicators of the classes, (n, n_classes)."""
        return torch.nn.functional.one_hot(self.y, self.n_classes).to(self.a.dtype)

    def chunks(self, width: int) -> Iterator[slice]:
        """All rows, a few at a time, so that a copy of `width` numbers a row stays small."""
        height = max(CHUNK // max(width, 1), 1)
        for start in range(0, len(self.a), height):
            yield slice(start, min(start + height, len(self.a)))

    def pieces(self, width: int) -> Iterator[tuple[slice, int | Tensor]]:
        """All rows, class by class or a few at a time, with the code of their class, or those of each."""
        if self.has_small_classes:
            yield from ((rows, self.y[rows]) for rows in self.chunks(width))
        else:
            yield from ((rows, k) for k, rows in enumerate(self.slices))

    def class_sums(self, values: Tensor) -> Tensor:
        """Sums over each class of `values` (n,) or (n, q): a tensor of (n_classes,) or (n_classes, q)."""
        out = values.new_zeros(self.n_classes, *values.shape[1:])
        return out.index_add_(0, self.y, values)

    def class_means(self, values: Tensor | Callable[[slice], Tensor] | None = None) -> Tensor:
        """The weighted mean in each class, (n_classes, ...), of the features, or of other `values` (n, ...).

        A function gives the values of some rows where there is no room for those of all.
        """
        if values is None:
            values = self.x
        rows = values if callable(values) else values.__getitem__
        if not self.has_small_classes:
            return torch.stack([self.within[s] @ rows(s) for s in self.slices])
        first = rows(slice(0, 1))
        out = first.new_zeros(self.n_classes, *first.shape[1:])
        for s in self.chunks(first.numel()):
            some = rows(s)
            out.index_add_(0, self.y[s], self.within[s].view(-1, *[1] * (some.dim() - 1)) * some)
        return out

    def moved(self, x: Tensor) -> Self:
        """The same points with other features; classes and masses are not looked for again."""
        moved = copy(self)
        moved.x = x
        return moved

    def without_features(self) -> Self:
        """Labels and weights alone, for who is given features with each call."""
        return self.moved(self.x.new_empty(0, self.x.shape[1]))

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
        sizes = torch.tensor([s.stop - s.start for s in slices], device=self.a.device)
        y = torch.arange(len(classes), device=self.a.device).repeat_interleave(sizes)
        x, within = (
            values[slices[0]] if len(slices) == 1 else torch.cat([values[s] for s in slices])
            for values in (self.x, self.within)
        )
        return LabelledPoints(x, y, within * (mass / mass.sum())[y])
