"""The OTDD where labels are numbers: each label is its own point distribution."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from ..flow import Derivative, Particles
from ..transport import label_columns
from ._bound_distance import BoundOTDD, Parameters


class BoundContinuousOTDD(BoundOTDD):
    """:class:`BoundOTDD` for particles with continuous labels, which are columns beside the features.

    Inside there are no classes: points of features and labels, and a plan between them. Labels stay what they are, so
    that the gradient is that of the features' columns.
    """

    def __init__(self, spec: Parameters, particles: Particles) -> None:
        if particles.labels is not None:
            raise ValueError("Continuous labels have no distribution that could move of its own: choose dynamics='fd'.")
        if spec.correspondence not in ("auto", "coupling"):
            raise ValueError(
                f"correspondence={spec.correspondence!r} matches classes, but the labels are continuous: leave it "
                "'auto'."
            )
        X, y = spec.target
        y = y.reshape(len(y), -1)
        n_labels = _labels(particles).shape[1]
        if y.shape[1] != n_labels or y.dtype.kind not in "fiub":
            raise ValueError(
                f"target[1] is to hold {n_labels} numbers a row, as the particles have; got shape {y.shape} and dtype "
                f"{y.dtype}."
            )
        target = Particles.from_arrays(X, y, device=particles.x.device, dtype=particles.x.dtype)
        own, other = ((p.x, _labels(p), p.a) for p in (particles, target))
        self._columns, of_target = label_columns(*own, *other, spec.label_weight)
        with_labels = torch.cat([target.x, of_target], dim=1).cpu().numpy()
        spec = copy(spec).set_params(
            target=(with_labels, np.zeros(len(X), dtype=int)),
            label_weight=0.0,
            label_path=False,
            correspondence="coupling",
        )
        super().__init__(spec, self._with_labels(particles))

    def evaluate(self, particles: Particles) -> Derivative:
        """Objective and its gradient in the features."""
        derivative = super().evaluate(self._with_labels(particles))
        derivative.features = derivative.features[:, : particles.x.shape[1]].contiguous()
        return derivative

    def label_distances(self, particles: Particles) -> Tensor:
        """There are no classes: a single zero."""
        return particles.x.new_zeros(1, 1)

    def _with_labels(self, particles: Particles) -> Particles:
        return particles.moved(torch.cat([particles.x, self._columns], dim=1))


def _labels(particles: Particles) -> Tensor:
    assert particles.continuous is not None
    return particles.continuous
