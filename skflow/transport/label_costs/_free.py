"""Label distributions as state of their own: Gaussians by mean and factor, and their distances (section 6.1).

With ``Sigma = A^T A`` and Q the polar factor of ``A B^T`` the squared distance to ``N(nu, B^T B)`` is
``||mu - nu||^2 + ||A - Q B||^2``, and by the envelope theorem its gradients are ``2 (mu - nu)`` and ``2 (A - Q B)``.
Where Sigma is regular ``Q B = A T`` with T the optimal map, so that an Euler step on the factor is a step along the
Bures manifold, ``Sigma <- (I - tau G) Sigma (I - tau G)`` with ``G = 2 (I - T)`` (twice the Euclidean gradient in
Sigma): positive semi-definite by construction, without a projection or a d x d root. A singular Sigma has a factor
with fewer rows and is nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .._gaussian import newton_schulz
from .._ground_cost import Features, squared_distances
from .._memory import require_memory
from .._points import LabelledPoints
from ..solvers import TransportPlan
from ._base import LabelCost


@dataclass
class GaussianLabels:
    """Label distributions ``N(mean_k, Sigma_k)``, or the gradients in their means and factors.

    Parameters
    ----------
    mean : Tensor of shape (L, d)
    factor : Tensor of shape (L, r, d) or (L, d), or None
        ``Sigma_k = factor_k^T factor_k``; or standard deviations of diagonal covariances, whose sign means nothing;
        or None, where a distribution is its mean alone.
    of : Tensor of shape (n,), int64
        The distribution that each particle has.
    per_particle : bool
        Whether every particle has one of its own ("jd-vl"), so that classes may change.
    """

    mean: Tensor
    factor: Tensor | None
    of: Tensor
    per_particle: bool = False

    @classmethod
    def from_classes(cls, points: LabelledPoints, covariance: str | int) -> GaussianLabels:
        """The classes' own moments, with factors that are "full", "diag", None ("means") or of that rank."""
        mean = points.class_sums(points.within[:, None] * points.x)
        if covariance == "means":
            return cls(mean, None, points.y)
        if covariance == "diag":
            variance = points.class_sums(points.within[:, None] * (points.x - mean[points.y]).square())
            return cls(mean, variance.sqrt(), points.y)
        factors = []
        for k, rows in enumerate(points.slices):
            factor = points.within[rows].sqrt()[:, None] * (points.x[rows] - mean[k])
            if len(factor) > factor.shape[1]:
                factor = torch.linalg.qr(factor, mode="r").R
            if isinstance(covariance, int) and covariance < len(factor):
                _, s, v = torch.linalg.svd(factor, full_matrices=False)
                factor = s[:covariance, None] * v[:covariance]
            factors.append(factor)
        # Rows of zeros change no covariance, and stay zero.
        return cls(mean, torch.nn.utils.rnn.pad_sequence(factors, batch_first=True), points.y)

    def __add__(self, other: GaussianLabels) -> GaussianLabels:
        """The sum of two gradients."""
        factor = None if self.factor is None or other.factor is None else self.factor + other.factor
        return replace(self, mean=self.mean + other.mean, factor=factor)

    def times(self, factor: float) -> GaussianLabels:
        """A multiple of a gradient."""
        return replace(self, mean=factor * self.mean, factor=None if self.factor is None else factor * self.factor)

    @property
    def covariance(self) -> str:
        """Form of the covariances, "full", "diag" or "means"."""
        return "means" if self.factor is None else "diag" if self.factor.dim() == 2 else "full"

    def take(self, rows: slice | Tensor) -> GaussianLabels:
        """Some of the distributions."""
        return replace(self, mean=self.mean[rows], factor=None if self.factor is None else self.factor[rows])


class FreeLabelCost(LabelCost):
    """Label distances from free label distributions, the source's classes, to those of the target.

    Nothing flows back into the features: :meth:`pull_back` leaves its result in `gradient`. Polar factors are costly
    and age well, as the class plans of the other label distances do: an old one overestimates a distance in second
    order, and is refreshed when it is due.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides, one class of the source for each distribution.
    covariance : {"full", "diag", "means"}
        Form of the label distributions.

    Attributes
    ----------
    labels, target_labels : GaussianLabels
        The label distributions, those of the samples until set; `labels` is to be set ahead of each evaluation.
    gradient : GaussianLabels
        Gradient of ``sum_kl mass_kl D_kl`` in them, from the last :meth:`pull_back`.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, covariance: str) -> None:
        super().__init__(source, target)
        self.covariance = covariance
        self.gradient: GaussianLabels | None = None
        self._polar: Tensor | None = None

    @cached_property
    def labels(self) -> GaussianLabels:
        return GaussianLabels.from_classes(self.source, self.covariance)

    @cached_property
    def target_labels(self) -> GaussianLabels:
        return GaussianLabels.from_classes(self.target, self.covariance)

    def refresh(self, features: Features, every: bool = True) -> None:
        if self.labels.covariance == "full":
            if self._polar is None:
                _check_memory(self.labels, self.target_labels)
            self._polar = newton_schulz(_cross(self.labels, self.target_labels))

    def distances(self, features: Features) -> Tensor:
        if self._polar is None:
            self.refresh(features)
        return _distances(self.labels, self.target_labels, self._polar)

    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        labels, target, total = self.labels, self.target_labels, mass.sum(1)
        factor = None
        if labels.factor is not None:
            own = total.view(-1, *[1] * (labels.factor.dim() - 1)) * labels.factor
            factor = 2 * (own - self._target_part(mass))
        mean = 2 * (total[:, None] * labels.mean - mass @ target.mean)
        self.gradient = replace(labels, mean=mean, factor=factor)

    def _target_part(self, mass: Tensor) -> Tensor:
        """``sum_l mass_kl Q_kl B_l``, one matrix product for all pairs."""
        factor, other = _factors(self.labels, self.target_labels)
        if self._polar is None:
            # Q is the sign; a standard deviation of zero may grow.
            return torch.where(factor < 0, -1.0, 1.0).to(factor.dtype) * (mass @ other)
        weighted = self._polar * mass[:, :, None, None]
        return (weighted.transpose(1, 2).flatten(2) @ other.flatten(0, 1)).view_as(factor)


def free_label_distances(labels: GaussianLabels, target_labels: GaussianLabels) -> Tensor:
    """Squared W2 distances (L, K') between two sets of label distributions with factors of the same kind."""
    if labels.covariance != "full":
        return _distances(labels, target_labels, None)
    _check_memory(labels, target_labels)
    return _distances(labels, target_labels, newton_schulz(_cross(labels, target_labels)))


def _distances(labels: GaussianLabels, target: GaussianLabels, polar: Tensor | None) -> Tensor:
    """Squared distances, with the polar factors of all pairs where covariances are full."""
    squares = squared_distances(labels.mean, target.mean)
    if labels.covariance == "means":
        return squares
    factor, other = _factors(labels, target)
    if polar is None:
        return squares + squared_distances(factor.abs(), other)
    cross = torch.linalg.vecdot(polar.flatten(2), _cross(labels, target).flatten(2))
    total = factor.square().sum((1, 2))[:, None] + other.square().sum((1, 2))
    return squares + (total - 2 * cross).clamp_(min=0.0)


def _factors(labels: GaussianLabels, target: GaussianLabels) -> tuple[Tensor, Tensor]:
    assert labels.factor is not None
    assert target.factor is not None
    return labels.factor, target.factor


def _cross(labels: GaussianLabels, target: GaussianLabels) -> Tensor:
    """``A_k B_l^T`` for all pairs, shape (L, K', r, s)."""
    factor, other = _factors(labels, target)
    product = factor.flatten(0, 1) @ other.flatten(0, 1).T
    return product.view(*factor.shape[:2], *other.shape[:2]).transpose(1, 2).contiguous()


def _check_memory(labels: GaussianLabels, target: GaussianLabels) -> None:
    factor, other = _factors(labels, target)
    numbers = factor.shape[0] * factor.shape[1] * other.shape[0] * other.shape[1]
    require_memory(
        5 * numbers * factor.element_size(),
        factor.device,
        f"The distances between {len(factor)} x {len(other)} label distributions with factors of "
        f"{factor.shape[1]} and {other.shape[1]} rows",
        "Lower max_particles, or choose covariance='diag' or a smaller rank.",
    )
