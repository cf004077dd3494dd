"""What stands for a class where its distance to another is a transport cost: a Gaussian, or its samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from .._gaussian import centred_plan, class_factor, newton_schulz, orthogonal_core
from .._ground_cost import squared_distances
from .._points import LabelledPoints
from ..solvers import NetworkSimplex
from ._crosses import gaussian_crosses

FEW_SAMPLES = 2
"""A class with fewer samples than dimensions by this factor is coupled without a core of the other, however large."""


class ClassModel(Protocol):
    """What stands for classes; all methods take batches of them where `in_batches` says so."""

    in_batches: bool
    """Whether many pairs of classes are worked on at once, padded with points without weight."""

    def prepare(self, x: Tensor, w: Tensor) -> Any:
        """What all pairs need of a class with points `x` (..., n_k, d) and weights `w` (..., n_k) that sum to one."""
        ...

    def plan(self, one: Any, other: Any) -> Tensor:
        """The plan R between two prepared classes, (..., n_k, m_l)."""
        ...

    def image(self, one: Any, other: Any) -> Tensor:
        """What the plan makes of the other's samples about their mean, ``R (x' - nu)``, (..., n_k, d)."""
        ...

    def crosses(self, source: LabelledPoints, target: LabelledPoints) -> Tensor | None:
        """``sum_ij (R_ij - w_i w'_j) <x_i, x'_j>`` of all pairs (K, K'); None where that takes plans."""
        ...


@dataclass(frozen=True)
class GaussianClass:
    """A class by weights `w` (..., n_k) and factor (..., n_k, d), and by its core where that is asked for."""

    w: Tensor
    factor: Tensor

    @cached_property
    def orthogonal(self) -> tuple[Tensor | None, Tensor]:
        """See :func:`~skflow.transport._gaussian.orthogonal_core`."""
        return orthogonal_core(self.factor)


class GaussianClasses:
    """Gaussians, whose plan is signed, see :func:`~skflow.transport._gaussian.gaussian_class_plan`.

    With the factors ``A = L C`` and ``B = L' C'``, L of orthonormal columns, the polar factor of ``A B^T`` is
    ``L Q L'^T`` with Q that of ``C C'^T``, and an image is ``diag(sqrt(w)) L Q C'``: no plan is made for it. L is A
    times a matrix. With fewer samples than dimensions, and where one of the two classes is small, C is A, and L the
    identity.
    """

    in_batches = True

    def prepare(self, x: Tensor, w: Tensor) -> GaussianClass:
        return GaussianClass(w, class_factor(x, w)[1])

    def plan(self, one: GaussianClass, other: GaussianClass) -> Tensor:
        (inverse, left), (inverse_target, right) = _cores(one, other)
        q = newton_schulz(left @ right.mT)
        if inverse is not None:
            q = one.factor @ (inverse @ q)
        if inverse_target is not None:
            q = (q @ inverse_target.mT) @ other.factor.mT
        return centred_plan(q, one.w, other.w)

    def image(self, one: GaussianClass, other: GaussianClass) -> Tensor:
        (inverse, left), (_, right) = _cores(one, other)
        image = newton_schulz(left @ right.mT) @ right
        if inverse is not None:
            image = one.factor @ (inverse @ image)
        return image.mul_(one.w.sqrt()[..., None])

    def crosses(self, source: LabelledPoints, target: LabelledPoints) -> Tensor | None:
        return gaussian_crosses(source, target)


def _cores(one: GaussianClass, other: GaussianClass) -> list[tuple[Tensor | None, Tensor]]:
    """Of both, what makes the factor orthonormal, and the core.

    Where one class is small, products with its samples cost less than the other's core.
    """
    d, smallest = one.factor.shape[-1], min(one.factor.shape[-2], other.factor.shape[-2])
    if FEW_SAMPLES * smallest <= d:
        return [(None, one.factor), (None, other.factor)]
    return [one.orthogonal, other.orthogonal]


class SampleClasses:
    """The samples themselves ("computed non-parametrically", section 6.1), one pair at a time."""

    in_batches = False

    def prepare(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        return x, w

    def plan(self, one: tuple, other: tuple) -> Tensor:
        return optimal_class_plan(*one, *other)

    def image(self, one: tuple, other: tuple) -> Tensor:
        x, w = other
        return self.plan(one, other) @ (x - w @ x)

    def crosses(self, source: LabelledPoints, target: LabelledPoints) -> Tensor | None:
        return None


class PairDistances:
    """The squared distances between the points of two classes, as a cost that a solver asks for."""

    def __init__(self, x: Tensor, x_target: Tensor) -> None:
        self._x, self._x_target = x, x_target

    def matrix(self) -> Tensor:
        return squared_distances(self._x, self._x_target)


def optimal_class_plan(x: Tensor, w: Tensor, x_target: Tensor, w_target: Tensor) -> Tensor:
    """The optimal plan between the samples of two classes."""
    plan = NetworkSimplex(w, w_target).solve(PairDistances(x, x_target)).plan
    assert plan is not None
    return plan


CLASS_MODELS: dict[str, ClassModel] = {"gaussian": GaussianClasses(), "exact": SampleClasses()}
"""By the names of the label distances; they hold nothing."""
