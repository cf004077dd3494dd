"""Internal energies: diffusions with known solutions, by noise and by kernel density."""

import numpy as np
import pytest
import torch

from skflow.flow import OPTIMIZERS, Euler, FeatureDriven, Particles, integrate
from skflow.functionals import Entropy, FunctionalSum, InternalEnergy, PotentialEnergy
from skflow.functionals import _internal as internal

Q = torch.tensor([[1.5, 0.4], [0.4, 1.2]], dtype=torch.float64)
CENTER = torch.tensor([1.0, -2.0], dtype=torch.float64)


def bowl(X, y):
    return (((X - CENTER) @ Q) * (X - CENTER)).sum(dim=1) / 2


def particles(X):
    return Particles.from_arrays(np.asarray(X), np.zeros(len(X), dtype=int), dtype=torch.float64)


def run(functional, start, *, step_size, n_steps, optimizer=Euler, seed=0):
    bound, moving = functional.bind(start), start.moved(start.x.clone())
    dynamics = FeatureDriven().bind(moving, optimizer=optimizer(), step_size=step_size, seed=seed)
    return integrate(bound, dynamics, max_iter=n_steps, tol=0).particles


def test_entropy_and_quadratic_potential_end_in_their_gaussian():
    """Ornstein-Uhlenbeck: the stationary law of ``V + T entropy`` is ``N(center, T Q^-1)``, whatever the start."""
    n, temperature = 800, 0.5
    start = particles(np.random.default_rng(0).uniform(-3, 3, size=(n, 2)))
    functional = FunctionalSum([("bowl", PotentialEnergy(bowl)), ("entropy", Entropy(weight=temperature))])
    x = run(functional, start, step_size=0.03, n_steps=200).x
    Sigma = temperature * torch.linalg.inv(Q)
    assert ((x.mean(0) - CENTER).abs() <= 3 * (Sigma.diagonal() / n).sqrt()).all()
    standard_error = ((torch.outer(Sigma.diagonal(), Sigma.diagonal()) + Sigma**2) / n).sqrt()
    assert ((torch.cov(x.T) - Sigma).abs() <= 3 * standard_error).all()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_entropy_alone_is_the_heat_flow_under_every_optimizer_of_known_steps(optimizer):
    """The variance grows by ``2 weight t`` in each coordinate."""
    n = 500
    end = run(Entropy(weight=0.7), particles(np.zeros((n, 1)) + np.linspace(0, 1e-3, n)[:, None]),
              step_size=0.1, n_steps=20, optimizer=OPTIMIZERS[optimizer])  # fmt: skip
    assert end.x.var().item() == pytest.approx(2 * 0.7 * 2.0, rel=3 * np.sqrt(2 / n))


def test_noise_is_determined_by_the_seed():
    start = particles(np.random.default_rng(0).normal(size=(20, 2)))
    one, again, other = (run(Entropy(), start, step_size=0.1, n_steps=3, seed=seed).x for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_value_of_the_entropy():
    """``integral of rho log rho`` of a Gaussian, by a kernel density of a sample."""
    x = np.random.default_rng(0).normal(size=(2000, 2)) @ np.diag([1.0, 2.0])
    at = particles(x)
    expected = -(np.log(2 * np.pi * np.e) + np.log(2.0))
    assert Entropy(weight=3).bind(at).evaluate(at).value.item() / 3 == pytest.approx(expected, rel=0.05)


def barenblatt_profile(m):
    """Quantile function and second moment of Barenblatt's solution of ``d rho/dt = (rho^m)_xx`` on the line at t = 1.

    ``rho(x, t) = t^-b (C - k x^2 t^-2b)_+^(1/(m-1))`` with ``b = 1 / (m + 1)``, ``k = b (m - 1) / 2m``.
    """
    u = np.linspace(-1, 1, 20001)
    shape = (1 - u**2) ** (1 / (m - 1))
    area = np.trapezoid(shape, u)
    k = (m - 1) / (2 * m * (m + 1))
    # Mass one: C^(1/(m-1)) radius area = 1, with radius = (C / k)^(1/2).
    C = (np.sqrt(k) / area) ** (1 / (1 / (m - 1) + 0.5))
    radius = np.sqrt(C / k)
    cdf = np.concatenate([[0], np.cumsum((shape[1:] + shape[:-1]) / 2)])
    second = radius**2 * np.trapezoid(u**2 * shape, u) / area
    return lambda q: radius * np.interp(q, cdf / cdf[-1], u), second


@pytest.mark.parametrize("m", [2.0, 3.0])
def test_porous_medium_spreads_like_barenblatts_solution(m):
    """The second moment of the exact solution is ``t^(2 / (m + 1))`` times that at t = 1: here, t goes from 1 to 8."""
    n, step_size = 200, 0.05
    quantiles, second = barenblatt_profile(m)
    start = particles(quantiles((np.arange(n) + 0.5) / n)[:, None])
    assert start.x.square().mean().item() == pytest.approx(second, rel=1e-3)
    # f(t) = t^m flows by (m - 1) (rho^m)_xx.
    functional = InternalEnergy(m, bandwidth=0.1, weight=1 / (m - 1))
    end = run(functional, start, step_size=step_size, n_steps=round(7 / step_size))
    assert end.x.square().mean().item() == pytest.approx(second * 8 ** (2 / (m + 1)), rel=0.05)


def test_power_is_its_callable():
    at = particles(np.random.default_rng(0).normal(size=(15, 2)))
    number, function = (InternalEnergy(f).bind(at).evaluate(at) for f in (2.5, lambda t: t**2.5))
    torch.testing.assert_close(number.value, function.value)
    torch.testing.assert_close(number.features, function.features)


@pytest.mark.parametrize("functional", [InternalEnergy(2), Entropy()], ids=repr)
def test_blocks_add_up(functional, monkeypatch):
    at = particles(np.random.default_rng(0).normal(size=(17, 2)))
    whole = functional.bind(at).evaluate(at)
    monkeypatch.setattr(internal, "PAIRS_AT_A_TIME", 40)
    parts = functional.bind(at).evaluate(at)
    torch.testing.assert_close(parts.value, whole.value)
    torch.testing.assert_close(parts.features, whole.features)


def test_entropy_has_a_value_in_many_dimensions_where_a_density_has_none():
    at = particles(np.random.default_rng(0).normal(size=(50, 784)))
    assert Entropy().bind(at).evaluate(at).value.isfinite()
    with pytest.raises(ValueError, match=r"bandwidth=0.01: the starting particles, in 784 dimensions"):
        InternalEnergy(2, bandwidth=0.01).bind(at)


@pytest.mark.parametrize(
    ("functional", "message"),
    [
        (InternalEnergy(1), "'f' parameter of InternalEnergy must be .* Got 1"),
        (InternalEnergy(2, bandwidth="scott"), "'bandwidth' parameter of InternalEnergy must be .* Got 'scott'"),
        (InternalEnergy(2, weight=-1), "'weight' parameter of InternalEnergy must be .* Got -1"),
        (InternalEnergy(lambda t: t.sum()), r"must return a tensor of shape \(3,\), got \(\)"),
        (Entropy(weight=-1), "'weight' parameter of Entropy must be .* Got -1"),
        (Entropy(bandwidth=0), "'bandwidth' parameter of Entropy must be .* Got 0"),
        (Entropy(), "bandwidth='silverman' is zero"),
    ],
)
def test_errors_name_parameter_and_value(functional, message):
    at = particles(np.ones((3, 2)) if "zero" in message else np.eye(3, 2))
    with pytest.raises(ValueError, match=message):
        functional.bind(at)
