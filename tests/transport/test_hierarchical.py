"""Plans by matched halves: their marginals, how near they come to the optimum, and what stays from solve to solve."""

from itertools import pairwise

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import Features, GroundCost, Hierarchical, LabelledPoints, Task, bind_solver
from skflow.transport.solvers import _dispatch as dispatch
from skflow.transport.solvers import _hierarchical as hierarchical
from skflow.transport.solvers._halving import matched_blocks
from tests._data import array, points
from tests.transport._problems import make_problem


def ground_cost(source, target, label_weight=1.0):
    """With the distances between class means for label distances."""
    labels = label_weight * torch.cdist(source.class_means(), target.class_means()).square()
    features = Features(source.x, target.x, source.x.square().sum(1), target.x.square().sum(1))
    return GroundCost(features, labels, source, target)


def solve(cost, reg=0.0, **parameters):
    task = Task(cost.source, cost.target, reg, tol=1e-7)
    return Hierarchical(**parameters).bind(task).solve(cost)


def optimum(cost):
    """POT's."""
    x, x_target = array(cost.features.x), array(cost.features.x_target)
    matrix = ot.dist(x, x_target) + array(cost.labels)[array(cost.source.y)][:, array(cost.target.y)]
    return ot.emd2(array(cost.source.a), array(cost.target.a), matrix, numItermax=10**7)


def mixture(n, d, k, seed, device="cpu"):
    """Classes whose means are shared, and whose spectra fall, with weights all different."""
    rng, own = np.random.default_rng(0), np.random.default_rng(1 + seed)
    means = rng.normal(size=(k, d)) + 0.5 * seed * own.normal(size=(k, d))
    y = np.sort(np.r_[np.arange(k), own.integers(0, k, n - k)])
    x = means[y] + own.normal(size=(n, d)) * np.linspace(1, 0.1, d)
    a = own.uniform(0.5, 1.5, n)
    x, y, a = (torch.as_tensor(values, device=device) for values in (x, y, a / a.sum()))
    return LabelledPoints(x, y, a)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6), st.integers(0, 10**6))
def test_blocks_part_all_mass(n, m, size, seed):
    """Source points whole; any points, weights and sizes."""
    rng = np.random.default_rng(seed)
    k = min(n, m, 3)
    source, target = points(n, k=k, seed=seed), points(m, k=k, seed=seed + 1)
    source.a = torch.as_tensor(rng.dirichlet(np.full(n, 0.3)) + 1e-12)
    source.a /= source.a.sum()
    blocks = matched_blocks(ground_cost(source, target), size, torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([b.rows for b in blocks]).sort().values, torch.arange(n))
    columns = torch.zeros(m, dtype=torch.float64)
    for block in blocks:
        assert len(block.rows) == 1 or len(block.rows) * len(block.cols) <= size**2 or len(block.cols) == 0
        assert (block.b > 0).all()
        torch.testing.assert_close(block.a, source.a[block.rows])
        torch.testing.assert_close(block.b.sum(), block.a.sum(), rtol=1e-6, atol=1e-9)
        columns.index_add_(0, block.cols, block.b)
    torch.testing.assert_close(columns, target.a, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(600, 600, 30, 1), (700, 500, 30, 6), (500, 900, 2, 3)])
def test_exact_plans_cost_little_more_than_the_optimum(n, m, d, k, device):
    """Unequal sizes and weights, in blocks of a tenth of the points."""
    cost = ground_cost(mixture(n, d, k, 0, device), mixture(m, d, k, 1, device))
    solved, best = solve(cost, block_size=60), optimum(cost)
    assert best <= solved.value.item() * (1 + 1e-9)
    assert solved.value.item() < 1.03 * best
    assert solved.marginal_error < 1e-9


def test_in_one_dimension_exact_plans_are_optimal(device):
    cost = ground_cost(mixture(400, 1, 1, 0, device), mixture(300, 1, 1, 1, device), label_weight=0)
    assert solve(cost, block_size=10).value.item() == pytest.approx(optimum(cost), rel=1e-9)


def test_far_apart_classes_go_where_the_optimal_plan_takes_them(device):
    """By features and by labels: also where classes of different masses share a half."""
    source, target = points(300, k=5, device=device), points(240, k=4, seed=3, device=device)
    cost = ground_cost(source, target, label_weight=1e4)
    solved = solve(cost, block_size=20)
    matrix = array(cost.labels)
    expected = ot.emd(array(source.mass), array(target.mass), matrix)
    assert (expected * matrix).sum() <= (array(solved.class_mass) * matrix).sum() < 1.15 * (expected * matrix).sum()
    torch.testing.assert_close(solved.class_mass.sum(1), source.mass, rtol=1e-6, atol=0)
    torch.testing.assert_close(solved.class_mass.sum(0), target.mass, rtol=1e-6, atol=0)


@pytest.mark.parametrize("reg", [0.0, 1.0])
def test_the_image_is_that_of_a_plan_between_the_weights(reg, device):
    """Its sum is the weighted sum of the target, and the value that of its own movement in one class."""
    source, target = mixture(200, 5, 1, 0, device), mixture(170, 5, 1, 1, device)
    cost = ground_cost(source, target, label_weight=0)
    solved = solve(cost, reg, block_size=25)
    torch.testing.assert_close(solved.image.sum(0), target.a @ target.x, rtol=0, atol=1e-6)
    if reg == 0:
        squares = source.a @ cost.features.square + target.a @ cost.features.square_target
        torch.testing.assert_close(solved.value, squares - 2 * (solved.image * source.x).sum())


def test_entropic_values_come_from_above(device):
    """With the entropy over all points, not that within blocks."""
    source, target = mixture(400, 30, 4, 0, device), mixture(300, 30, 4, 1, device)
    best = make_problem(source, target, "dense", reg=0.5, tol=1e-6, kind="means").evaluate(source.x).value.item()
    excess = []
    for size in (40, 100, 400):
        problem = make_problem(source, target, Hierarchical(size), reg=0.5, tol=1e-6, kind="means")
        excess.append(problem.evaluate(source.x).value.item() / best - 1)
    assert 0.1 > excess[0] > excess[1] > excess[2] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("reg", [0.0, 0.5])
def test_the_order_of_rows_is_of_little_account(reg, device):
    source, target = mixture(400, 20, 1, 0, device), mixture(400, 20, 1, 1, device)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1)).to(device)
    other = LabelledPoints(source.x[order], source.y, source.a[order])
    one, two = (solve(ground_cost(s, target), reg, block_size=50).value.item() for s in (source, other))
    assert one == pytest.approx(two, rel=0.01)


def test_a_transport_to_oneself_has_symmetric_blocks(device):
    source = points(120, k=3, device=device)
    cost = GroundCost(
        Features(source.x, source.x, source.x.square().sum(1), source.x.square().sum(1)),
        torch.zeros(3, 3).to(source.x), source, source,
    )  # fmt: skip
    for block in matched_blocks(cost, 20, torch.Generator().manual_seed(0)):
        assert torch.equal(block.rows, block.cols)
    assert solve(cost, block_size=20).value.item() == pytest.approx(0, abs=1e-9)


def test_a_sweep_makes_no_exact_plan_worse(device):
    """Nor does it lose mass, or fill the plan up."""
    source, target = mixture(300, 10, 2, 0, device), mixture(260, 10, 2, 1, device)
    cost = ground_cost(source, target)
    solver, best = Hierarchical(block_size=40).bind(Task(source, target, 0.0)), optimum(cost)
    solved = [solver.solve(cost) for _ in range(30)]
    values = [s.value.item() for s in solved]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(values))
    assert values[-1] < 1.01 * best
    torch.testing.assert_close(torch.as_tensor(solver._plan.sum(1)).to(source.a), source.a, rtol=1e-9, atol=0)
    torch.testing.assert_close(torch.as_tensor(solver._plan.sum(0)).to(target.a), target.a, rtol=1e-9, atol=0)
    assert solver._plan.nnz < 2.5 * (300 + 260)


def test_blocks_and_potentials_stay_and_are_made_anew_ever_more_seldom(monkeypatch, device):
    source, target = mixture(300, 10, 2, 0, device), mixture(300, 10, 2, 1, device)
    cost, made = ground_cost(source, target), []

    def counted(*args):
        made.append(1)
        return matched_blocks(*args)

    monkeypatch.setattr(hierarchical, "matched_blocks", counted)
    solver = Hierarchical(block_size=40).bind(Task(source, target, 0.5, tol=1e-5))
    monkeypatch.setattr(hierarchical, "LOOK_AGAIN", 4)
    values = [solver.solve(cost) for _ in range(17)]
    assert len(made) == 3
    assert all(later.value <= earlier.value + 1e-9 for earlier, later in pairwise(values))
    assert values[-1].n_iter <= 2 < values[0].n_iter


def test_auto_takes_it_for_large_problems_alone(monkeypatch, device):
    source, target = points(50, device=device), points(40, seed=1, device=device)

    def chosen(reg, **kwargs):
        return type(bind_solver("auto", Task(source, target, reg, **kwargs))).__name__

    monkeypatch.setattr(dispatch, "MOST_PAIRS", {device.type: 50 * 50})
    monkeypatch.setattr(dispatch, "MOST_PAIRS_EXACT", 50 * 50)
    assert (chosen(1.0), chosen(0.0)) == ("EntropicSolver", "NetworkSimplex")
    assert chosen(1.0, share=0.5) == "HierarchicalSolver"  # of a flow with as many pairs in other problems
    monkeypatch.setattr(dispatch, "MOST_PAIRS", {device.type: 50 * 50 - 1})
    assert (chosen(1.0), chosen(0.0)) == ("HierarchicalSolver", "NetworkSimplex")
    monkeypatch.setattr(dispatch, "MOST_PAIRS_EXACT", 50 * 50 - 1)
    assert (chosen(1.0), chosen(0.0)) == ("HierarchicalSolver", "RegroupingSolver")
    assert chosen(1.0, matched=True) == "BlockDiagonalSolver"
