"""The OTDD where label distributions are state of their own: joint-driven dynamics (section 6.1)."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from ..flow import Derivative, Particles
from ..transport import FreeLabelCost, GaussianLabels, LabelledPoints, TransportProblem, free_label_distances
from ._bound_distance import BoundOTDD, Parameters, TransportBlock


class BoundJointOTDD(BoundOTDD):
    """:class:`BoundOTDD` for particles with free label distributions, see :class:`~skflow.functionals.Particles`.

    A particle is the pair of its features and its label distribution; the ground cost sees nothing else of its label.
    So with one distribution a particle ("jd-vl") classes may merge and split during the flow, and problems, plans and
    potentials stay what they are: inside, particles stand in the order of their distributions, not of their classes.
    """

    def __init__(self, spec: Parameters, particles: Particles) -> None:
        if spec.label_distance == "exact":
            raise ValueError(
                "label_distance='exact' has no parameters that could move of their own: choose dynamics='fd', or "
                "'gaussian', 'gaussian-diag' or 'means'."
            )
        labels = _labels_of(particles)
        self._per_particle, self._covariance = labels.per_particle, labels.covariance
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
        labels = _labels_of(particles)
        order = labels.of.argsort(stable=True)
        for k, block in enumerate(self._blocks):
            of_block = labels if self.mapping is None else labels.take(slice(k, k + 1))
            _free_cost(block.problem).labels = of_block
            if block.own is not None:
                cost = _free_cost(block.own)
                cost.labels = cost.target_labels = of_block
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
        if not self._per_particle:
            return self._label_mass
        return particles.class_sums(self._label_mass[_labels_of(particles).of])

    def label_distances(self, particles: Particles) -> Tensor:
        """Squared label distances (K, K'), averaged over the particles of a class."""
        labels = _labels_of(particles)
        distances = free_label_distances(labels, self._target_labels)
        return particles.class_sums(particles.within[:, None] * distances[labels.of])

    @cached_property
    def _target_labels(self) -> GaussianLabels:
        return GaussianLabels.from_classes(self.target, self._covariance)

    def _runs(self, particles: Particles, target: Particles) -> list[range]:
        return [range(k, k + 1) for k in range(particles.n_classes)]

    def _label_gradient(self) -> GaussianLabels | None:
        if self.spec.label_weight == 0:
            return None
        parts = [self._gradient_of(block) for block in self._blocks]
        factors = [part.factor for part in parts if part.factor is not None]
        mean = torch.cat([part.mean for part in parts])
        return replace(parts[0], mean=mean, factor=torch.cat(factors) if factors else None)

    def _gradient_of(self, block: TransportBlock) -> GaussianLabels:
        gradient = _free_cost(block.problem).gradient
        assert gradient is not None
        own = None if block.own is None else _free_cost(block.own).gradient
        if own is not None:
            # As with the features, the self-transport's gradient is twice half the one in its first argument.
            gradient = gradient + own.times(-1.0)
        return gradient.times(self.spec.weight * block.mass)

    def _block(self, rows: slice, mass: float, source: LabelledPoints, target: LabelledPoints) -> TransportBlock:
        if self._per_particle:
            assert isinstance(source, Particles)
            of = _labels_of(source).of
            order = of.argsort(stable=True)
            source = LabelledPoints(source.x[order], of[order], source.a[order])
        return super()._block(rows, mass, source, target)

    def _label_cost(self, source: LabelledPoints, target: LabelledPoints, by_image: bool) -> FreeLabelCost:
        return FreeLabelCost(source, target, self._covariance)


def _labels_of(particles: Particles) -> GaussianLabels:
    assert particles.labels is not None
    return particles.labels


def _free_cost(problem: TransportProblem) -> FreeLabelCost:
    assert isinstance(problem.label_cost, FreeLabelCost)
    return problem.label_cost
