"""Sinkhorn against POT and geomloss, its warm start, its limits, and whether it says how good it is."""

import geomloss.ot
import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import EntropicSolver
from skflow.transport.solvers._acceleration import HeavyBall
from skflow.transport.solvers._entropic import exponential_
from tests._data import array, tensor
from tests._tolerances import ORACLE, ROUNDING
from tests.transport._problems import Matrix

SIZES = [(40, 40), (7, 90), (90, 7), (1, 5), (5, 1)]


def problem(n=40, m=30, seed=0):
    """Weights and squared distances between two clouds, with mean one."""
    rng = np.random.default_rng(seed)
    cost = ot.dist(rng.normal(size=(n, 3)), 1 + rng.normal(size=(m, 3)))
    return rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0)), cost / cost.mean()


def make(a, b, eps, device="cpu", dtype=torch.float64, tol=1e-12, max_iter=100_000):
    return EntropicSolver(tensor(a, device, dtype), tensor(b, device, dtype), eps, tol=tol, max_iter=max_iter)


def solve(solver, cost):
    # The solver overwrites what it is given and may ask again.
    return solver.solve(Matrix(lambda: tensor(cost.copy(), solver.a.device, solver.a.dtype)))


def primal(plan, a, b, cost, eps):
    """``<P, C> + eps KL(P | a x b)``."""
    ratio = np.where(plan > 0, plan, 1.0) / np.where(plan > 0, np.outer(a, b), 1.0)
    return (plan * cost).sum() + eps * (plan * np.log(ratio)).sum()


def measured_errors(solved, a, b):
    plan = array(solved.plan).astype(np.float64)
    return np.abs(plan.sum(1) - a).sum(), np.abs(plan.sum(0) - b).sum()


@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_plan_and_value_are_those_of_pot(n, m, eps, device):
    a, b, cost = problem(n, m)
    solved = solve(make(a, b, eps, device), cost)
    expected = ot.sinkhorn(a, b, cost, eps, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    assert solved.converged
    np.testing.assert_allclose(array(solved.plan), expected, atol=ORACLE * expected.max())
    assert solved.value.item() == pytest.approx(primal(expected, a, b, cost, eps), rel=ORACLE)


@pytest.mark.parametrize("eps", [1.0, 0.1])
def test_plan_and_value_are_those_of_geomloss(eps, device):
    """geomloss anneals over all its iterations and has no tolerance: its plans are off by their number's inverse."""
    a, b, cost = problem()
    solved = solve(make(a, b, eps, device), cost)
    expected = geomloss.ot.solve(tensor(cost), reg=eps, a=tensor(a), b=tensor(b), max_iter=1000)
    assert np.abs(array(solved.plan) - array(expected.plan)).sum() <= 5e-3
    assert solved.value.item() == pytest.approx(expected.value.item(), rel=1e-6)


@pytest.mark.parametrize("eps", [1.0, 0.05])
def test_potentials_solve_the_dual(eps, device):
    """The dual value ``a.f + b.g + eps (1 - mass)`` equals the primal one, and the plan is that of the potentials."""
    a, b, cost = problem()
    solver = make(a, b, eps, device)
    solved = solve(solver, cost)
    f, g = array(solver.f), array(solver.g)
    plan = np.outer(a, b) * np.exp((f[:, None] + g - cost) / eps)
    np.testing.assert_allclose(array(solved.plan), plan, rtol=1e-9)
    assert a @ f + b @ g + eps * (1 - plan.sum()) == pytest.approx(primal(plan, a, b, cost, eps), rel=ORACLE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4])
def test_marginal_error_is_the_plans_own(tol, dtype, device):
    a, b, cost = problem()
    solved = solve(make(a, b, 0.02, device, dtype, tol=tol), cost)
    rows, columns = measured_errors(solved, a, b)
    assert rows <= 10 * ROUNDING[dtype]
    assert solved.marginal_error == pytest.approx(columns, abs=10 * ROUNDING[dtype])
    assert solved.converged
    assert columns <= tol + 10 * ROUNDING[dtype]


@pytest.mark.parametrize("max_iter", [1, 2, 7])
def test_too_few_iterations_do_not_converge_and_say_so(max_iter, device):
    a, b, cost = problem()
    solved = solve(make(a, b, 0.005, device, tol=1e-9, max_iter=max_iter), cost)
    rows, columns = measured_errors(solved, a, b)
    assert not solved.converged
    assert solved.n_iter == max_iter
    assert solved.marginal_error == pytest.approx(columns, rel=1e-6)
    assert columns > 1e-9
    assert rows <= 1e-12


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_costs_that_are_not_finite_do_not_converge_and_are_forgotten(bad, device):
    a, b, cost = problem()
    solver, spoilt = make(a, b, 0.1, device, max_iter=1000), np.full_like(cost, bad)
    expected = solve(solver, cost)
    assert not solve(solver, spoilt).converged
    again = solve(solver, cost)
    assert again.converged
    assert again.value.item() == pytest.approx(expected.value.item(), rel=ORACLE)


def test_warm_start_needs_fewer_iterations_and_ends_in_the_same_plan(device):
    a, b, cost = problem()
    warm = make(a, b, 0.05, device, tol=1e-6)
    solve(warm, cost)
    moved = cost * (1 + 1e-3 * np.random.default_rng(1).normal(size=cost.shape))
    cold, again = solve(make(a, b, 0.05, device, tol=1e-6), moved), solve(warm, moved)
    assert again.n_iter < cold.n_iter
    np.testing.assert_allclose(array(again.plan), array(cold.plan), atol=1e-5 * array(cold.plan).max())
    assert solve(warm, moved).n_iter == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_costs_that_change_hugely_are_solved_as_if_from_the_start(dtype, device):
    a, b, cost = problem()
    solver = make(a, b, 0.1, device, dtype, tol=1e-5)
    costs = [cost, 100 * cost[::-1], cost / 1000, cost + 1e4, 30 * cost[:, ::-1], np.zeros_like(cost), cost]
    for other in costs:
        solved = solve(solver, other)
        assert solved.converged
        assert max(measured_errors(solved, a, b)) <= 2e-5
        expected = solve(make(a, b, 0.1, device, tol=1e-7), other)
        # A marginal error moves the value by at most the potentials' range.
        accepted = 2e-5 * np.ptp(other) + ROUNDING[dtype] * (1 + other.max())
        assert solved.value.item() == pytest.approx(expected.value.item(), abs=accepted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("eps", [1e-2, 1e-3])
def test_small_eps_comes_close_to_the_exact_cost(eps, dtype, device):
    """``W <= <P, C>`` and ``<P, C> + eps KL <= W + eps min H``, up to the mass that is amiss."""
    a, b, cost = problem()
    tol = 1e-3
    solved = solve(make(a, b, eps, device, dtype, tol=tol), cost)
    exact = ot.emd2(a, b, cost)
    entropy = min(-(w * np.log(w)).sum() for w in (a, b))
    assert solved.converged
    assert exact - tol * cost.max() <= (array(solved.plan) * cost).sum() <= exact + eps * entropy + tol * cost.max()
    assert solved.value.item() <= exact + eps * entropy + tol * cost.max()


@pytest.mark.parametrize("scale", [1e-18, 1e-6, 1e6, 1e18])
def test_units_of_the_cost_do_not_matter_in_float32(scale, device):
    a, b, cost = problem()
    expected = solve(make(a, b, 0.05, device, tol=1e-10), cost)
    solved = solve(make(a, b, 0.05 * scale, device, torch.float32, tol=1e-5), scale * cost)
    assert solved.converged
    np.testing.assert_allclose(array(solved.plan), array(expected.plan), atol=1e-4 * array(expected.plan).max())
    assert solved.value.item() == pytest.approx(scale * expected.value.item(), rel=1e-4)


def test_no_cost_is_the_independent_plan(device):
    a, b, _ = problem()
    solved = solve(make(a, b, 0.1, device), np.zeros((len(a), len(b))))
    np.testing.assert_allclose(array(solved.plan), np.outer(a, b), rtol=1e-12)
    assert abs(solved.value.item()) < 1e-14


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), size=st.floats(0, 100))
def test_costs_of_rows_and_columns_leave_the_plan_alone(seed, size):
    """``C + r_i + c_j`` adds ``a.r + b.c`` to the value and nothing to the plan."""
    a, b, cost = problem(12, 9, seed)
    rng = np.random.default_rng(seed)
    r, c = size * rng.uniform(size=len(a)), size * rng.uniform(size=len(b))
    plain, more = (solve(make(a, b, 0.2, tol=1e-11), matrix) for matrix in (cost, cost + r[:, None] + c))
    np.testing.assert_allclose(array(more.plan), array(plain.plan), atol=1e-9)
    assert more.value.item() == pytest.approx(plain.value.item() + a @ r + b @ c, rel=1e-9)


def clusters(n=60, k=4, seed=0):
    """A cost between points of classes that hardly exchange mass, but must a little: iterations contract slowly."""
    rng = np.random.default_rng(seed)
    rows, cols = rng.integers(0, k, n), rng.integers(0, k, n)
    cost = ot.dist(rng.normal(size=(n, 2)), rng.normal(size=(n, 2))) + 40.0 * (rows[:, None] != cols)
    return np.full(n, 1 / n), np.full(n, 1 / n), cost / cost.mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_momentum_takes_the_root_of_the_number_of_iterations(dtype, monkeypatch, device):
    a, b, cost = clusters()
    tol = 1e-4 if dtype == torch.float32 else 1e-10
    with_momentum = solve(make(a, b, 0.1, device, dtype, tol=tol), cost)
    monkeypatch.setattr(HeavyBall, "look", lambda self, n_iter, error: None)
    plain = solve(make(a, b, 0.1, device, dtype, tol=tol), cost)
    assert with_momentum.converged
    assert plain.converged
    assert with_momentum.n_iter <= plain.n_iter / 5
    assert with_momentum.value.item() == pytest.approx(plain.value.item(), rel=10 * tol)
    assert max(measured_errors(with_momentum, a, b)) <= tol + 10 * ROUNDING[dtype]


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**16), eps=st.sampled_from([0.3, 0.05, 0.01]))
def test_momentum_ends_in_the_plan_of_pot(seed, eps):
    a, b, cost = problem(25, 20, seed)
    solved = solve(make(a, b, eps, tol=1e-8), cost)
    plan = array(solved.plan)
    assert solved.converged
    # The optimality conditions: marginals, and a plan that is a kernel between potentials.
    np.testing.assert_allclose(plan.sum(0), b, atol=1e-8)
    expected = ot.sinkhorn(a, b, cost, eps, method="sinkhorn_log", numItermax=2000, stopThr=1e-9, warn=False)
    error = np.abs(expected.sum(1) - a).sum() + np.abs(expected.sum(0) - b).sum()
    assert primal(plan, a, b, cost, eps) == pytest.approx(
        primal(expected, a, b, cost, eps), rel=1e-6, abs=10 * error * cost.max()
    )


@pytest.mark.parametrize("eps", [1.0, 0.1, 1e-2, 1e-3])
def test_a_transport_to_oneself_is_quick_at_any_eps(eps, device):
    x = np.random.default_rng(0).normal(size=(80, 3))
    cost = ot.dist(x, x) / ot.dist(x, x).mean()
    a = tensor(np.random.default_rng(1).dirichlet(np.full(80, 5.0)), device)
    solved = solve(EntropicSolver(a, a, eps, tol=1e-10, max_iter=200, symmetric=True), cost)
    assert solved.converged
    assert solved.n_iter <= 60
    torch.testing.assert_close(solved.plan, solved.plan.T, rtol=0, atol=1e-10)
    if eps == 1:
        expected = ot.sinkhorn(array(a), array(a), cost, eps, method="sinkhorn_log", numItermax=10**5, stopThr=1e-13)
        np.testing.assert_allclose(array(solved.plan), expected, atol=ORACLE * expected.max())


def test_a_warm_start_far_away_is_kept_and_not_begun_anew(monkeypatch, device):
    """Where a cost has changed by more than the kernel holds, one iteration in the log domain does."""
    a, b, cost = problem()
    warm = make(a, b, 0.005, device, torch.float32, tol=1e-3)
    solve(warm, cost)
    monkeypatch.setattr(EntropicSolver, "_cold_start", lambda self, cost: pytest.fail("started cold"))
    moved = cost + 0.3 * np.random.default_rng(1).uniform(size=cost.shape)
    assert solve(warm, moved).converged


def test_kernels_have_no_numbers_below_the_normal_range(device):
    exponents = tensor(np.linspace(-800, 1, 1000), device, torch.float32)
    values = exponential_(exponents.clone(), -87.0)
    assert ((values == 0) | (values >= torch.finfo(torch.float32).tiny)).all()
    torch.testing.assert_close(values[exponents > -87], exponents[exponents > -87].exp())


@pytest.mark.parametrize("eps", [1e-300, 1e-30])
def test_an_eps_of_next_to_nothing_ends(eps, device):
    a, b, cost = problem()
    assert solve(make(a, b, eps, device, tol=1e-3, max_iter=50), cost).n_iter <= 50
