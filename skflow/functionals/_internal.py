"""Internal energies ``F(rho) = integral of f(rho(x)) dx`` (eq. 9), over the features of all classes together.

The first variation is f'(rho) (eq. 13). Particles have no density, so a kernel density takes its place ("blob method",
Carrillo, Craig & Patacchini, 2019), or, for the entropy alone, noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Real

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..flow import BoundFunctional, Derivative, Particles, rows_where
from ..transport import squared_distances
from ._autograd import check_returned, gradient_in, leaf, recording
from ._base import Functional
from ._interaction import PAIRS_AT_A_TIME, row_chunks

POSITIVE_WEIGHT = [Interval(Real, 0, None, closed="left")]
"""A negative weight would make the flow a diffusion backwards in time, which has no solution."""
BANDWIDTH = [StrOptions({"silverman"}), Interval(Real, 0, None, closed="neither")]


class InternalEnergy(Functional):
    """Internal energy of a convex f, regularised by a kernel density (blob method [1]_).

    With ``rho_eps = sum_j a_j phi_eps(x - x_j)``, a Gaussian phi_eps, the functional is
    ``weight sum_i a_i f(rho_eps(x_i)) / rho_eps(x_i)``, with the exact gradient of this sum. It tends to eq. 9
    with many particles and a small bandwidth. Densities are for few dimensions.

    Parameters
    ----------
    f : float or callable
        A number m > 1 is the porous medium's ``f(t) = t^m``: the flow solves ``d rho/dt = (m - 1) Laplace(rho^m)``. A
        callable takes a tensor of densities (n,) to f of each, and is derived by autograd; it should be convex, with
        ``f(0) = 0``.
    bandwidth : "silverman" or float, default="silverman"
        Standard deviation eps of the kernel, a length in the units of the data. "silverman": his rule of thumb for the
        starting particles; it stays the same during a flow.
    weight : float, default=1.0
        Factor of the functional, not negative.

    Raises
    ------
    ValueError
        When bound: where the starting particles have no finite density, as in many dimensions.

    References
    ----------
    .. [1] J. A. Carrillo, K. Craig, F. S. Patacchini, "A blob method for diffusion", Calc. Var. PDE 58, 2019.
    """

    _parameter_constraints = {
        "f": [Interval(Real, 1, None, closed="neither"), callable],
        "bandwidth": BANDWIDTH,
        "weight": POSITIVE_WEIGHT,
    }

    def __init__(
        self, f: float | Callable[[Tensor], Tensor], *, bandwidth: str | float = "silverman", weight: float = 1.0
    ) -> None:
        self.f = f
        self.bandwidth = bandwidth
        self.weight = weight

    def bind(self, particles: Particles) -> BoundInternal:
        """Check the parameters and settle the bandwidth."""
        self.validate()
        bound = BoundInternal(self, bandwidth_of(self.bandwidth, particles))
        if not bound.evaluate(particles).features.isfinite().all():
            density = log_density(particles, bound.bandwidth).exp()
            if (density.isfinite() & (density > 0)).all() and (own := bound.explain(particles)):
                raise ValueError(own)
            raise ValueError(
                f"bandwidth={self.bandwidth!r}: the starting particles, in {particles.x.shape[1]} dimensions, have no "
                "finite kernel density. Raise it, reduce the dimension, or use Entropy, which moves by noise."
            )
        return bound


class BoundInternal(BoundFunctional):
    """:class:`InternalEnergy` bound to particles."""

    def __init__(self, spec: InternalEnergy, bandwidth: float) -> None:
        self.spec, self.bandwidth = spec, bandwidth

    def evaluate(self, particles: Particles) -> Derivative:
        """See :meth:`~skflow.flow.BoundFunctional.evaluate`."""
        weight, a, x = float(self.spec.weight), particles.a, particles.x - particles.a @ particles.x
        energy, slope = self._energy(log_density(particles, self.bandwidth).exp())
        gradient = torch.empty_like(x)
        for rows, log_kernel in kernel_rows(x, self.bandwidth):
            # d phi_eps(x_i - x_j) / dx_i = -phi_eps (x_i - x_j) / eps^2; x_i moves its own density and that at x_j.
            pairs = log_kernel.exp_().mul_(slope[rows, None] + slope).mul_(a)
            gradient[rows] = pairs @ x - pairs.sum(1, keepdim=True) * x[rows]
        return Derivative(value=weight * (a @ energy), features=gradient * (weight * a / self.bandwidth**2)[:, None])

    def _energy(self, density: Tensor) -> tuple[Tensor, Tensor]:
        """``f(t) / t`` and its derivative."""
        if not callable(self.spec.f):
            m = float(self.spec.f)
            return density ** (m - 1), (m - 1) * density ** (m - 2)
        name = f"f={self.spec.f!r}"
        with recording():
            t = leaf(density)
            energy = check_returned(name, self.spec.f(t.clone()), t, tuple(t.shape)) / t
            slope = gradient_in(name, energy.sum(), t)
        return energy.detach(), slope

    def explain(self, particles: Particles) -> str | None:
        """See :meth:`~skflow.flow.BoundFunctional.explain`."""
        energy, slope = self._energy(log_density(particles, self.bandwidth).exp())
        bad = ~(energy.isfinite() & slope.isfinite())
        return f"f={self.spec.f!r} or its slope is not finite at {rows_where(bad, particles)}." if bad.any() else None


class Entropy(Functional):
    """Entropy ``integral of rho log rho``, which moves particles by noise (section 5; Euler-Maruyama).

    A step adds ``sqrt(2 weight step_size)`` times standard normal noise to each feature: the heat flow
    ``d rho/dt = weight Laplace(rho)`` (appendix B), whatever the optimizer does with the other functionals. The noise
    comes from the flow's `random_state`. The first variation, ``log rho + 1`` (eq. 13), is never formed; the value is
    that of a kernel density and serves to follow the objective. The map learnt from such a flow follows its mean.

    Parameters
    ----------
    bandwidth : "silverman" or float, default="silverman"
        Of the kernel density in the value, a length in the units of the data, see :class:`InternalEnergy`.
    weight : float, default=1.0
        Factor of the functional, not negative: the diffusion coefficient, or temperature, a squared length in the units
        of the data for each unit of time.
    """

    _parameter_constraints = {"bandwidth": BANDWIDTH, "weight": POSITIVE_WEIGHT}

    def __init__(self, *, bandwidth: str | float = "silverman", weight: float = 1.0) -> None:
        self.bandwidth = bandwidth
        self.weight = weight

    def bind(self, particles: Particles) -> BoundEntropy:
        """Check the parameters and settle the bandwidth."""
        self.validate()
        return BoundEntropy(float(self.weight), bandwidth_of(self.bandwidth, particles))


class BoundEntropy(BoundFunctional):
    """:class:`Entropy` bound to particles."""

    def __init__(self, weight: float, bandwidth: float) -> None:
        self.weight, self.bandwidth = weight, bandwidth

    def evaluate(self, particles: Particles) -> Derivative:
        """See :meth:`~skflow.flow.BoundFunctional.evaluate`."""
        value = self.weight * (particles.a @ log_density(particles, self.bandwidth))
        return Derivative(value=value, features=torch.zeros_like(particles.x), diffusion=self.weight)


def bandwidth_of(bandwidth: str | float, particles: Particles) -> float:
    """The bandwidth in units of the features; Silverman's rule for weighted particles where it is not a number."""
    if isinstance(bandwidth, Real):
        if not 0 < float(bandwidth) ** 2 < math.inf:
            raise ValueError(f"bandwidth={bandwidth!r}: its square is beyond the range of float64.")
        return float(bandwidth)
    d, effective = particles.x.shape[1], 1 / particles.a.square().sum().item()
    spread = particles.a @ (particles.x - particles.a @ particles.x).square()
    scale = spread.mean().sqrt().item()
    if scale == 0:
        raise ValueError(f"bandwidth={bandwidth!r} is zero: all particles are at one place. Pass a number.")
    return scale * (effective * (d + 2) / 4) ** (-1 / (d + 4))


def kernel_rows(x: Tensor, bandwidth: float) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time, and ``log phi_eps(x_i - x_j)`` of these rows with all the others."""
    n, d = x.shape
    log_peak = -d / 2 * math.log(2 * math.pi) - d * math.log(bandwidth)
    for rows in row_chunks(n, PAIRS_AT_A_TIME // n):
        yield rows, squared_distances(x[rows], x).div_(-2 * bandwidth**2).add_(log_peak)


def log_density(particles: Particles, bandwidth: float) -> Tensor:
    """Logarithm of the kernel density at the particles, shape (n,)."""
    x, log_mass = particles.x - particles.a @ particles.x, particles.a.log()
    return torch.cat([(kernel.add_(log_mass)).logsumexp(1) for _, kernel in kernel_rows(x, bandwidth)])
