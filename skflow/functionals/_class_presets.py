"""Potentials that tell classes apart, or may, with their gradients in closed form (section 5, figure 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .._sklearn import Interval
from ..flow import Particles
from ._arrays import as_tensor, norm_and_direction
from ._base import WEIGHT
from ._potential import Potential, ValueAndGradient


class AffinePotential(Potential):
    """``V(x, y) = ||A x - b||``, or ``||A_y x - b_y||`` for chosen classes (section 5). First variation: V (eq. 13).

    Parameters
    ----------
    A : array-like of shape (q, n_features) or None, default=None
        Matrix; None is the identity.
    b : array-like of shape (q,), float or None, default=None
        Where ``A x`` is drawn to, in the units of ``A x``; None is zero.
    by_class : mapping {label: (A, b)} or None, default=None
        A matrix and a vector (or None) for each class to constrain, in place of `A` and `b`. Other classes are free.
    weight : float, default=1.0
        Factor of the functional.

    Raises
    ------
    ValueError
        When bound: for shapes that do not fit the data, labels that it does not have, or `A` or `b` beside `by_class`.
    """

    _parameter_constraints = {
        "A": ["array-like", None],
        "b": ["array-like", Real, None],
        "by_class": [Mapping, None],
        "weight": WEIGHT,
    }

    def __init__(
        self,
        A: ArrayLike | None = None,
        b: ArrayLike | float | None = None,
        *,
        by_class: Mapping[Any, tuple] | None = None,
        weight: float = 1.0,
    ) -> None:
        self.A = A
        self.b = b
        self.by_class = by_class
        self.weight = weight

    @property
    def needs_labels(self) -> bool:
        """Whether classes are told apart."""
        return self.by_class is not None

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        if self.by_class is None:
            evaluate = _affine(self.A, self.b, start.x, "")
            return lambda particles: evaluate(particles.x)
        if self.A is not None or self.b is not None:
            raise ValueError(f"Pass A={self.A!r} and b={self.b!r} or by_class={self.by_class!r}, not both.")
        if not self.by_class:
            raise ValueError("by_class={} names no class to constrain.")
        unknown = [label for label in self.by_class if label not in start.classes.tolist()]
        if unknown:
            raise ValueError(f"by_class={self.by_class!r} names the labels {unknown}; y has {start.classes.tolist()}.")
        potentials = {}
        for label, pair in self.by_class.items():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"by_class[{label!r}]={pair!r} is not a pair (A, b).")
            potentials[label] = _affine(*pair, start.x, f"by_class[{label!r}]: ")

        def evaluate_by_class(particles: Particles) -> ValueAndGradient:
            values, gradient = torch.zeros_like(particles.a), torch.zeros_like(particles.x)
            for rows, label in zip(particles.slices, particles.classes.tolist(), strict=True):
                if label in potentials:
                    values[rows], gradient[rows] = potentials[label](particles.x[rows])
            return values, gradient

        return evaluate_by_class


def _affine(A: ArrayLike | None, b: ArrayLike | None, like: Tensor, name: str) -> Callable[[Tensor], ValueAndGradient]:
    d = like.shape[1]
    matrix = as_tensor(f"{name}A", np.eye(d) if A is None else A, (None, d), like)
    vector = as_tensor(f"{name}b", 0.0 if b is None else b, (len(matrix),), like)

    def evaluate(x: Tensor) -> ValueAndGradient:
        norm, direction = norm_and_direction(x @ matrix.T - vector)
        return norm, direction @ matrix

    return evaluate


class MarginPotential(Potential):
    """``V(x, y) = max{0, margin + y (x^T w - b)}``: two linearly separable classes (section 5, figure 1).

    The first of the two sorted labels is the paper's ``y = -1``, the second ``y = +1``. With the paper's sign the class
    +1 goes to the side ``x^T w <= b`` and the class -1 to the other; ``-w, -b`` turns them round. First variation: V
    (eq. 13).

    Parameters
    ----------
    w : array-like of shape (n_features,)
        Normal of the separating hyperplane.
    b : float, default=0.0
        Its offset, in units of ``x^T w``.
    margin : float, default=0.0
        Distance to keep from it, in units of ``1 / ||w||``; the paper has none.
    weight : float, default=1.0
        Factor of the functional.

    Raises
    ------
    ValueError
        When bound: for a `w` of another width than the data, or other than two classes.
    """

    needs_labels = True
    _parameter_constraints = {
        "w": ["array-like"],
        "b": [Interval(Real, None, None, closed="neither")],
        "margin": [Interval(Real, 0, None, closed="left")],
        "weight": WEIGHT,
    }

    def __init__(self, w: ArrayLike, b: float = 0.0, *, margin: float = 0.0, weight: float = 1.0) -> None:
        self.w = w
        self.b = b
        self.margin = margin
        self.weight = weight

    def _potential(self, start: Particles) -> Callable[[Particles], ValueAndGradient]:
        w = as_tensor("w", self.w, start.x.shape[1:], start.x)
        if len(start.classes) != 2:
            raise ValueError(f"MarginPotential separates two classes; y has {start.classes.tolist()}.")
        signs = dict(zip(start.classes.tolist(), (-1.0, 1.0), strict=True))
        b, margin = float(self.b), float(self.margin)

        def evaluate(particles: Particles) -> ValueAndGradient:
            by_class = [signs.get(label, 0.0) for label in particles.classes.tolist()]
            sign = torch.tensor(by_class, dtype=w.dtype, device=w.device)[particles.y]
            values = (margin + sign * (particles.x @ w - b)).clamp(min=0)
            return values, torch.outer(sign * (values > 0), w)

        return evaluate
