"""How the gradients of label distances come back: in the plan between all points, or in its image."""

from __future__ import annotations

from collections.abc import Callable, Container

from torch import Tensor

from .._ground_cost import Features
from .._points import LabelledPoints
from ..solvers import TransportPlan
from ._class_models import ClassModel
from ._couplings import ClassPair


class KeptPlans:
    """Keeps plans (n_k, m_l): they join the matrix product with the plan that the flow needs anyway."""

    follow_source_alone = False
    """Whether what is kept is of no use once the target has moved."""

    def __init__(self, source: LabelledPoints, target: LabelledPoints) -> None:
        self.source, self.target = source, target
        self.couplings: dict[ClassPair, Tensor] = {}

    def of(self, classes: ClassModel) -> Callable[[tuple, tuple], Tensor]:
        """What to make for each pair."""
        return classes.plan

    def without_padding(self, k: int, l: int, coupling: Tensor) -> Tensor:
        """That of the pair alone, which keeps no batch alive."""
        rows, cols = self.source.slices[k], self.target.slices[l]
        coupling = coupling[: rows.stop - rows.start, : cols.stop - cols.start]
        return _of_its_own(coupling)

    def keep(self, k: int, l: int, coupling: Tensor) -> None:
        """Keep what was made for an active pair."""
        self.couplings[k, l] = coupling

    def forget_all_but(self, pairs: Container[ClassPair]) -> None:
        """Let go of what was kept for other pairs."""
        self.couplings = {pair: coupling for pair, coupling in self.couplings.items() if pair in pairs}

    def inner(self, k: int, l: int, coupling: Tensor, features: Features, mean: Tensor, mean_target: Tensor) -> Tensor:
        """``sum_ij R_ij <x_i, x'_j>`` at the present features."""
        assert features.inner is not None
        return (coupling * features.inner[self.source.slices[k], self.target.slices[l]]).sum()

    def add(
        self, k: int, l: int, coupling: Tensor, mass: Tensor, within: Tensor, mean_target: Tensor,
        solved: TransportPlan, features: Features,
    ) -> None:  # fmt: skip
        """Add ``mass R`` to the plan, or ``mass R x'`` to its image; `within` are the row sums of ``mass R``."""
        assert solved.plan is not None
        solved.plan[self.source.slices[k], self.target.slices[l]] += mass * coupling


class KeptImages(KeptPlans):
    """Keeps what plans make of the target's samples about their mean, ``R (x' - nu)`` (n_k, d): O(n d), not O(n m).

    One image of each class lies in a buffer that is there from the start: what stays is not to lie scattered among
    what goes. The first active pair of a class owns its place in the buffer.
    """

    follow_source_alone = True

    def __init__(self, source: LabelledPoints, target: LabelledPoints) -> None:
        super().__init__(source, target)
        self._buffer = source.a.new_empty(len(source.a), source.x.shape[1])
        self._owner: dict[int, int] = {}

    def of(self, classes: ClassModel) -> Callable[[tuple, tuple], Tensor]:
        return classes.image

    def without_padding(self, k: int, l: int, coupling: Tensor) -> Tensor:
        rows = self.source.slices[k]
        coupling = coupling[: rows.stop - rows.start]
        return _of_its_own(coupling)

    def keep(self, k: int, l: int, coupling: Tensor) -> None:
        if self._owner.setdefault(k, l) == l:
            coupling = self._buffer[self.source.slices[k]].copy_(coupling)
        self.couplings[k, l] = coupling

    def forget_all_but(self, pairs: Container[ClassPair]) -> None:
        super().forget_all_but(pairs)
        self._owner = {k: l for k, l in self._owner.items() if (k, l) in pairs}

    def inner(self, k: int, l: int, coupling: Tensor, features: Features, mean: Tensor, mean_target: Tensor) -> Tensor:
        x = features.rows(self.source.slices[k])
        return mean @ mean_target + ((x - mean) * coupling).sum()

    def add(
        self, k: int, l: int, coupling: Tensor, mass: Tensor, within: Tensor, mean_target: Tensor,
        solved: TransportPlan, features: Features,
    ) -> None:  # fmt: skip
        rows = self.source.slices[k]
        solved.image_like(features.x)[rows].addr_(within, mean_target).add_(mass * coupling)


def _of_its_own(part: Tensor) -> Tensor:
    """The tensor, or a copy where it is a part of a larger one."""
    return part if part.untyped_storage().nbytes() == part.numel() * part.element_size() else part.clone()
