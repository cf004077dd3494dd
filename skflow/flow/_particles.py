"""The source samples in motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..transport import GaussianLabels, LabelledPoints

LEAST_CLASS_MASS = 1e-3
"""Of a class, in even shares: points have some."""


@dataclass
class Particles(LabelledPoints):
    """The source samples in motion: ``rho_N = sum_i a_i delta_(x_i, y_i)`` (section 4.2), sorted by class.

    Parameters
    ----------
    x, y, a : Tensor
        See :class:`~skflow.transport.LabelledPoints`.
    classes : ndarray of shape (n_classes,)
        The label of each class code.
    order : Tensor of shape (n,), int64
        Row of the user's data that each particle comes from.
    labels : GaussianLabels or None
        Label distributions where they are free state ("jd-fl", "jd-vl"); None where they are those of the samples.
    continuous : Tensor of shape (n, q), float64, or None
        Labels that are numbers; then all particles are of one class. None where labels are classes.
    """

    classes: np.ndarray
    order: Tensor
    labels: GaussianLabels | None = None
    continuous: Tensor | None = None

    @classmethod
    def from_arrays(
        cls,
        X: np.ndarray,
        y: np.ndarray,
        *,
        class_weight: str | Mapping[Any, float] | None = "balanced",
        sample_weight: np.ndarray | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Particles:
        """Particles for features `X` (n, d) with labels `y` (n,).

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Features, cast to `dtype`; centre and scale what that cannot hold.
        y : ndarray of shape (n,), or of floats of shape (n, q)
            Labels of classes, of one kind that sorts; or continuous ones in columns.
        class_weight : {"balanced", None} or mapping {label: mass}, default="balanced"
            "balanced" gives every class the same mass, None every sample the same weight. Classes have at least a
            thousandth of an even share.
        sample_weight : ndarray of shape (n,) or None, default=None
            Shares out a class's mass, or all of it, unevenly. Finite and positive: rows of weight zero are absent, and
            are dropped by whoever validates weights.
        device, dtype : torch.device or str, torch.dtype
            Of the tensors.
        """
        continuous = None
        if np.ndim(y) == 2:
            continuous = torch.as_tensor(np.array(y, dtype=np.float64), device=device)
            y = np.zeros(len(y), dtype=int)
        classes, codes = np.unique(y, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        weights = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, dtype=float)[order]
        if class_weight is not None:
            weights = weights / np.bincount(codes, weights)[codes]
        if isinstance(class_weight, Mapping):
            masses = np.array([class_weight.get(label, 0.0) for label in classes.tolist()], dtype=float)
            weights = weights * np.maximum(masses / masses.sum(), LEAST_CLASS_MASS / len(classes))[codes]
        weights = weights / weights.sum()
        return cls(
            torch.as_tensor(np.asarray(X)[order], dtype=dtype, device=device),
            torch.as_tensor(codes, device=device),
            torch.as_tensor(weights, dtype=dtype, device=device),
            classes,
            torch.as_tensor(order, device=device),
            continuous=continuous,  # of one class, whose order is that of the rows
        )

    def moved(self, x: Tensor) -> Particles:
        """The same particles with other features; classes and masses are not looked for again."""
        return super().moved(x)

    def in_data_order(self, values: Tensor) -> Tensor:
        """Rows of `values` (n, ...), which go with the particles, in the order of the user's data."""
        return torch.empty_like(values).index_copy_(0, self.order, values)
