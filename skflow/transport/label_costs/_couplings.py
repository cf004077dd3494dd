"""How plans between classes are found: pair by pair, or many pairs in one padded batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .._ground_cost import Features
from .._padding import batches, padded
from .._points import LabelledPoints
from ._class_models import ClassModel

PAIR_BATCH = 2**24
"""Numbers in a batch of plans between classes, which bounds what the batch takes."""

ClassPair = tuple[int, int]


@dataclass
class CoupledRun:
    """Pairs of classes that were worked on together, or one alone."""

    pairs: Sequence[ClassPair]
    couplings: Tensor
    """What was made for each, (n_pairs, ...), padded."""
    rows: Tensor | slice
    """Points of the source's classes, without padding."""
    present: Tensor | None = None
    """Which of (n_pairs, longest) points are no padding; None without any."""


def couplings(
    pairs: Sequence[ClassPair],
    classes: ClassModel,
    couple: Callable[[Any, Any], Tensor],
    source: LabelledPoints,
    target: LabelledPoints,
    features: Features,
) -> Iterator[CoupledRun]:
    """What `couple`, the plan or the image of `classes`, gives for each pair at the present features.

    Pairs of similar sizes are worked on together where that is faster.
    """
    alone, device = _OneByOne(classes, source, target, features), features.x.device
    rows_of, cols_of = [source.slices[k] for k, _ in pairs], [target.slices[l] for _, l in pairs]
    sizes = [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in zip(rows_of, cols_of, strict=True)]
    most = PAIR_BATCH if classes.in_batches else 0
    for run in batches(sizes, features.x.shape[1], device, most):
        some = slice(run.start, run.stop)
        if len(run) == 1:
            yield CoupledRun(pairs[some], couple(*alone(*pairs[run.start]))[None], rows_of[run.start])
            continue
        (rows, present), (cols, present_target) = padded(rows_of[some], device), padded(cols_of[some], device)
        one = classes.prepare(features.rows(rows), source.within[rows] * present)
        other = classes.prepare(features.x_target[cols], target.within[cols] * present_target)
        yield CoupledRun(pairs[some], couple(one, other), rows[present], present)


class _OneByOne:
    """Prepares the classes of pairs that come class by class: the last of the source, and all of the target."""

    def __init__(self, classes: ClassModel, source: LabelledPoints, target: LabelledPoints, features: Features) -> None:
        self._classes, self._source, self._target, self._features = classes, source, target, features
        self._last: tuple[int, tuple] | None = None
        self._others: dict[int, tuple] = {}

    def __call__(self, k: int, l: int) -> tuple[tuple, tuple]:
        if self._last is None or self._last[0] != k:
            self._last = None  # large: before another as large
            rows = self._source.slices[k]
            self._last = k, self._classes.prepare(self._features.rows(rows), self._source.within[rows])
        if l not in self._others:
            cols = self._target.slices[l]
            self._others[l] = self._classes.prepare(self._features.x_target[cols], self._target.within[cols])
        return self._last[1], self._others[l]
