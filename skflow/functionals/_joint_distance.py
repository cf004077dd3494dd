"""The OTDD where label distributions are state of their own: joint-driven dynamics (section 6.1)."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..flow import Derivative, Particles
from ..transport import FreeLabelCost, GaussianLabels, LabelledPoints, free_label_distances
from ._bound_distance import BoundOTDD, TransportBlock

if TYPE_CHECKING:
    from ._distance import OTDDFunctional


class BoundJointOTDD(BoundOTDD):
    """:class:`BoundOTDD` for particles with free label distributions, see :class:`~skflow.functionals.Particles`.

    A particle is the pair of its features and its label distribution; the ground cost sees nothing else of its label.
    So with one distribution a particle ("jd-vl") classes may merge and split during the flow, and problems, plans and
    potentials stay what they are: inside, particles stand in the order of their distributions, not of their classes.
    """

    def __init__(self, spec: OTDDFunctional, particles: Particles) -> None:
        if spec.label_distance == "exact":
            raise ValueError(
                "label_distance='exact' has no parameters that could move of their own: choose dynamics='fd', or "
                "'gaussian', 'gaussian-diag' or 'means'."
            )
        self._per_particle, self._covariance = particles.labels.per_particle, particles.labels.covariance
        spec = copy(spec).set_params(label_path=True)
        if self._per_particle:
            if spec.correspondence not in ("auto", "coupling"):
                raise ValueError(
                    f"correspondence={spec.correspondence!r} assumes that classes stay what they are, which they do "
                    "not under dynamics='jd-vl': choose 'auto' or 'coupling', or dynamics='jd-fl'."
                )
            spec.set_params(correspondence="coupling")
        super().__init__(spec, particles)

    def evaluate(self, particles: Particles) -> Derivative:
        """Objective and its gradients in the features and in the label distributions."""
        labels, order = particles.labels, particles.labels.of.argsort(stable=True)
        for k, block in enumerate(self._blocks):
            block.problem.label_cost.labels = self._labels_of(k, labels)
            if block.own is not None:
                cost = block.own.label_cost
                cost.labels = cost.target_labels = self._labels_of(k, labels)
        derivative = super().evaluate(particles.moved(particles.x[order]))
        self._label_mass = self.coupling
        self.coupling = self.coupling_of(particles)
        derivative.features = torch.empty_like(derivative.features).index_copy_(0, order, derivative.features)
        derivative.labels = self._label_gradient()
        return derivative

    def _curvature(self) -> float | None:
        """Features and label distributions move apart from each other: that of the part with the larger weight."""
        return 2 * self.spec.weight * max(1.0, self.spec.label_weight) if self.spec.weight > 0 else None

    def coupling_of(self, particles: Particles) -> Tensor:
        """Mass (K, K') that the last plan moves between the present classes of `particles` and the target's."""
        return particles.class_sums(self._label_mass[particles.labels.of]) if self._per_particle else self._label_mass

    def label_distances(self, particles: Particles) -> Tensor:
        """Squared label distances (K, K'), averaged over the particles of a class."""
        distances = free_label_distances(particles.labels, self._target_labels)
        return particles.class_sums(particles.within[:, None] * distances[particles.labels.of])

    @cached_property
    def _target_labels(self) -> GaussianLabels:
        return GaussianLabels.from_classes(self.target, self._covariance)

    def _runs(self, particles: Particles, target: Particles) -> list[range]:
        return [range(k, k + 1) for k in range(particles.n_classes)]

    def _labels_of(self, k: int, labels: GaussianLabels) -> GaussianLabels:
        return labels if self.mapping is None else labels.take(slice(k, k + 1))

    def _label_gradient(self) -> GaussianLabels | None:
        if self.spec.label_weight == 0:
            return None
        parts = []
        for block in self._blocks:
            part, scale = block.problem.label_cost.gradient, self.spec.weight * block.mass
            own = None if block.own is None else block.own.label_cost.gradient
            # As with the features, the self-transport's gradient is twice half the one in its first argument.
            moments = [
                None if g is None else scale * (g if o is None else g - o)
                for g, o in ((part.mean, own and own.mean), (part.factor, own and own.factor))
            ]
            parts.append(replace(part, mean=moments[0], factor=moments[1]))
        factors = [part.factor for part in parts]
        return replace(
            parts[0],
            mean=torch.cat([part.mean for part in parts]),
            factor=None if factors[0] is None else torch.cat(factors),
        )

    def _block(self, rows: slice, mass: float, source: LabelledPoints, target: LabelledPoints) -> TransportBlock:
        if self._per_particle:
            order = source.labels.of.argsort(stable=True)
            source = LabelledPoints(source.x[order], source.labels.of[order], source.a[order])
        return super()._block(rows, mass, source, target)

    def _label_cost(self, source: LabelledPoints, target: LabelledPoints, by_image: bool) -> FreeLabelCost:
        return FreeLabelCost(source, target, self._covariance)
