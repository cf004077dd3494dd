"""Exact transport against POT and the closed form on the line; its warm start and its weights."""

import warnings

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import NetworkSimplex
from tests._data import array, tensor
from tests._tolerances import ORACLE, ROUNDING
from tests.transport._problems import Matrix


def problem(n=40, m=30, seed=0):
    rng = np.random.default_rng(seed)
    cost = ot.dist(rng.normal(size=(n, 3)), 1 + rng.normal(size=(m, 3)))
    return rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0)), cost


def solve(solver, cost, device="cpu", dtype=torch.float64):
    return solver.solve(Matrix(lambda: tensor(cost.copy(), device, dtype)))


@pytest.mark.parametrize(("n", "m"), [(40, 30), (3, 50), (1, 5), (5, 1)])
def test_value_and_plan_are_optimal(n, m, device):
    a, b, cost = problem(n, m)
    solved = solve(NetworkSimplex(tensor(a, device), tensor(b, device)), cost, device)
    plan = array(solved.plan)
    expected = ot.emd2(a, b, cost)
    assert solved.converged
    assert solved.value.item() == pytest.approx(expected, rel=ORACLE)
    assert (plan * cost).sum() == pytest.approx(expected, rel=ORACLE)
    np.testing.assert_allclose(plan.sum(1), a, atol=1e-14)
    np.testing.assert_allclose(plan.sum(0), b, atol=1e-14)
    assert solved.marginal_error <= 1e-13


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.integers(0, 2**16))
def test_on_the_line_sorted_goes_to_sorted(values, seed):
    x, z = np.array(values), np.random.default_rng(seed).normal(size=len(values))
    weights = tensor(np.full(len(x), 1 / len(x)))
    expected = np.mean((np.sort(x) - np.sort(z)) ** 2)
    solved = solve(NetworkSimplex(weights, weights), (x[:, None] - z) ** 2)
    assert solved.value.item() == pytest.approx(expected, rel=1e-9)


def test_warm_start_has_the_same_answer(device):
    a, b, cost = problem()
    warm, rng = NetworkSimplex(tensor(a, device), tensor(b, device)), np.random.default_rng(1)
    for other in [cost, cost, 1.01 * cost, cost + rng.uniform(size=cost.shape), 1000 * cost[::-1], cost / 1000]:
        solved = solve(warm, other, device)
        assert solved.converged
        assert solved.value.item() == pytest.approx(ot.emd2(a, b, other), rel=ORACLE)
        assert (array(solved.plan) * other).sum() == pytest.approx(solved.value.item(), rel=ORACLE)


@pytest.mark.parametrize(("n", "m"), [(700, 300), (333, 77)])
def test_float32_weights_are_met_to_their_rounding(n, m, device):
    """Weights that sum to one in float32 alone differ in sum, and are no reason for a warning."""
    a, b = (torch.full((k,), 1 / k, dtype=torch.float32, device=device) for k in (n, m))
    assert a.double().sum() != b.double().sum()
    _, _, cost = problem(n, m)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solved = solve(NetworkSimplex(a, b), cost, device, torch.float32)
    assert solved.converged
    assert solved.plan.dtype == torch.float32
    torch.testing.assert_close(solved.plan.sum(1), a, rtol=ROUNDING[torch.float32], atol=0)
    torch.testing.assert_close(solved.plan.sum(0), b, rtol=ROUNDING[torch.float32], atol=0)
    expected = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), cost)
    assert solved.value.item() == pytest.approx(expected, rel=ROUNDING[torch.float32])


@pytest.mark.filterwarnings("ignore:numItermax reached")
def test_too_few_iterations_do_not_converge_and_say_so(device):
    a, b, cost = problem()
    assert not solve(NetworkSimplex(tensor(a, device), tensor(b, device), max_iter=3), cost, device).converged


@pytest.mark.parametrize("scale", [1e-60, 1e-26, 1e-14, 1e20])
def test_units_of_the_cost_do_not_matter(scale, device):
    """POT alone goes wrong at costs of 1e-14."""
    a, b, cost = problem()
    solver = NetworkSimplex(tensor(a, device), tensor(b, device))
    expected = ot.emd2(a, b, cost)
    assert solve(solver, scale * cost, device).value.item() == pytest.approx(scale * expected, rel=ORACLE, abs=0)
    assert solve(solver, cost, device).value.item() == pytest.approx(
        expected, rel=ORACLE
    )  # a warm start in other units


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_costs_that_are_not_finite_do_not_converge(bad, device):
    a, b, cost = problem()
    cost[3, 2] = bad
    solved = solve(NetworkSimplex(tensor(a, device), tensor(b, device)), cost, device)
    assert not solved.converged
    assert solved.value.isnan()
