"""Gaussian label distances by factors: against POT, closed forms, singular covariances, and as a transport plan."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import bures_wasserstein, class_factor, squared_distances
from skflow.transport._gaussian import gaussian_class_plan, newton_schulz, polar_factor
from tests._data import array, tensor
from tests._tolerances import ORACLE

SHAPES = {
    "more points than dimensions": (40, 50, 4),
    "fewer points than dimensions": (5, 7, 12),
    "fewer in one class alone": (4, 60, 10),
    "fewer in the other alone": (60, 4, 10),
    "a single point": (1, 30, 4),
    "two single points": (1, 1, 3),
    "one dimension": (8, 9, 1),
}


def one_class(n, d, seed, device="cpu", dtype=torch.float64):
    """Points (n, d) off the origin with condition numbers of their own, and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=d) + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return tensor(x, device, dtype), tensor(rng.dirichlet(np.full(n, 5.0)), device, dtype)


def pair(n, m, d, device="cpu", seed=0):
    return *one_class(n, d, seed, device), *one_class(m, d, seed + 1, device)


def distance(x, w, z, u):
    return bures_wasserstein(*class_factor(x, w), *class_factor(z, u))


def plan_cost(plan, x, z):
    return (plan * squared_distances(x, z)).sum()


def biased_moments(x, w):
    x, w = array(x), array(w)
    mu = w @ x
    return mu, (x - mu).T @ ((x - mu) * w[:, None])


def exact_singular_root(Sigma):
    """A root that takes rounding below zero for zero, which POT's does not."""
    values, vectors = np.linalg.eigh(Sigma)
    return vectors * np.sqrt(np.where(values > 1e-13 * values.max(initial=0.0), values, 0.0)) @ vectors.T


def brute_force(x, w, z, u):
    """``||mu - nu||^2 + tr(S + T - 2 (S^1/2 T S^1/2)^1/2)`` by d x d roots."""
    (mu, S), (nu, T) = biased_moments(x, w), biased_moments(z, u)
    root = exact_singular_root(S)
    return ((mu - nu) ** 2).sum() + np.trace(S) + np.trace(T) - 2 * np.trace(exact_singular_root(root @ T @ root))


def test_matches_pot(device):
    x, w, z, u = pair(40, 50, 4, device)
    (mu, S), (nu, T) = biased_moments(x, w), biased_moments(z, u)
    expected = ot.gaussian.bures_wasserstein_distance(mu, nu, S, T)
    assert distance(x, w, z, u).item() == pytest.approx(expected**2, rel=ORACLE)


@pytest.mark.parametrize("shape", SHAPES)
def test_matches_roots_of_covariances_singular_or_not(shape, device):
    x, w, z, u = pair(*SHAPES[shape], device)
    assert distance(x, w, z, u).item() == pytest.approx(brute_force(x, w, z, u), rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 10), min_size=3, max_size=3), st.lists(st.floats(0, 10), min_size=3, max_size=3),
    st.integers(0, 2**16),
)  # fmt: skip
def test_commuting_covariances_are_a_distance_of_standard_deviations(s, t, seed):
    """``||mu - nu||^2 + ||s - t||^2``, zero deviations included."""
    rng = np.random.default_rng(seed)
    axes, (mu, nu) = np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.normal(size=(2, 3))
    rotated = [tensor(np.diag(deviations) @ axes) for deviations in (s, t)]
    expected = ((mu - nu) ** 2).sum() + np.subtract(s, t) @ np.subtract(s, t)
    actual = bures_wasserstein(tensor(mu), rotated[0], tensor(nu), rotated[1])
    assert actual.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_single_point_is_at_the_distance_of_means_and_spread(device):
    x, w, z, u = pair(1, 30, 4, device)
    nu, T = biased_moments(z, u)
    expected = ((array(x)[0] - nu) ** 2).sum() + np.trace(T)
    assert distance(x, w, z, u).item() == pytest.approx(expected, rel=ORACLE)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_class_is_at_no_distance_from_itself(shape, device):
    """To rounding of the spread, by values and by plan, whatever the order of the points."""
    n, _, d = SHAPES[shape]
    x, w = one_class(n, d, 0, device)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0)).to(device)
    size = x.square().sum().item()
    assert distance(x, w, x[order], w[order]).item() <= 1e-14 * size
    assert abs(plan_cost(gaussian_class_plan(x, w, x[order], w[order]), x, x[order]).item()) <= 1e-14 * size


@pytest.mark.parametrize("shape", SHAPES)
def test_plan_has_the_marginals_and_costs_the_distance(shape, device):
    x, w, z, u = pair(*SHAPES[shape], device)
    plan = gaussian_class_plan(x, w, z, u)
    torch.testing.assert_close(plan.sum(1), w, rtol=0, atol=1e-14)
    torch.testing.assert_close(plan.sum(0), u, rtol=0, atol=1e-14)
    torch.testing.assert_close(plan_cost(plan, x, z), distance(x, w, z, u), rtol=1e-6, atol=0)


def test_plan_is_translation_free(device):
    x, w, z, u = pair(40, 50, 4, device)
    torch.testing.assert_close(gaussian_class_plan(x + 5, w, z - 3, u), gaussian_class_plan(x, w, z, u))


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2**16), st.floats(1e-3, 10))
def test_a_plan_of_other_points_costs_no_less(shape, seed, movement):
    """Where the points move on, a plan from before overestimates the distance."""
    x, w, z, u = pair(*SHAPES[shape], seed=seed)
    stale = gaussian_class_plan(x, w, z, u)
    moved = x + movement * tensor(np.random.default_rng(seed + 2).normal(size=x.shape))
    exact = distance(moved, w, z, u).item()
    assert plan_cost(stale, moved, z).item() >= exact * (1 - 1e-9)


def test_a_plan_ages_in_second_order(device):
    x, w, z, u = pair(40, 50, 4, device)
    stale, direction = gaussian_class_plan(x, w, z, u), one_class(40, 4, 9, device)[0]

    def overestimate(t):
        moved = x + t * direction
        return (plan_cost(stale, moved, z) - distance(moved, w, z, u)).item()

    assert overestimate(0.02) > 0
    assert overestimate(0.02) / overestimate(0.01) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("shape", ["more points than dimensions", "fewer points than dimensions", "one dimension"])
def test_polar_factor_is_that_of_the_svd(shape, device):
    n, m, d = SHAPES[shape]
    left, right = (tensor(np.random.default_rng(seed).normal(size=(k, d)), device) for seed, k in ((0, n), (1, m)))
    U, _, V = torch.linalg.svd(left @ right.T, full_matrices=False)
    rank = min(n, m, d)
    torch.testing.assert_close(polar_factor(left, right), U[:, :rank] @ V[:rank], rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("d", [3, 40])
def test_polar_factor_of_ill_conditioned_factors_attains_the_nuclear_norm(d, dtype, device):
    """Singular values over 12 orders of magnitude; those that are lost in rounding add nothing, and none passes one."""
    scale = torch.logspace(0, -6, d, dtype=dtype, device=device)
    left, right = (tensor(np.random.default_rng(s).normal(size=(20, d)), device, dtype) * scale for s in (0, 1))
    q, unit = polar_factor(left, right), torch.finfo(dtype).eps
    nuclear = torch.linalg.svdvals(left.double() @ right.double().T).sum().item()
    assert torch.linalg.matrix_norm(q.double(), 2).item() <= 1 + 50 * unit
    # A singular value below sqrt(unit) counts for less than itself.
    lost = min(d, 20) * unit**0.5 * nuclear
    assert nuclear - lost <= (q * (left @ right.T)).sum().item() <= nuclear * (1 + 50 * unit)


def test_polar_factor_of_nothing_is_nothing(device):
    zero = torch.zeros(3, 5, device=device)
    assert torch.equal(polar_factor(zero, zero), torch.zeros(3, 3, device=device))


def test_polar_factors_leave_nothing_of_rounding_in_null_spaces():
    """Else equal rows, whose products differ by rounding on some processors, drift apart."""
    left, right = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    U, s, V = torch.linalg.svd(left @ right.T)
    noisy = U @ torch.diag(torch.cat([s[:3], 1e-15 * s[:3]])) @ V
    torch.testing.assert_close(newton_schulz(noisy), U[:, :3] @ V[:3], rtol=0, atol=1e-13)
