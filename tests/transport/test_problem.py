"""One transport problem: value, gradient and class coupling by brute force, and when label distances are refreshed."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

from skflow.transport import LabelledPoints, RefreshRule, label_distance_matrix
from tests._data import array, points, tensor
from tests._tolerances import GRADIENT, ORACLE
from tests.transport._problems import make_problem

EPS = 1.5
SOLVERS = {
    "exact": {"reg": 0},
    "dense": {"solver": "dense", "reg": EPS, "tol": 1e-12},
    "tiled": {"solver": "tiled", "reg": EPS, "tol": 1e-12},
    "loose": {"solver": "dense", "reg": 10.0, "tol": 1e-6},
}
TIGHT = ("exact", "dense", "tiled")


def sides(device="cpu", **kwargs):
    return points(25, k=3, device=device, **kwargs), points(20, k=2, seed=1, shift=1.0, device=device, **kwargs)


def problem(source, target, *, solver="exact", kind="gaussian", refresh_tol=0.0, **kwargs):
    negligible = 1e-3 if refresh_tol else 0.0
    return make_problem(
        source, target, kind=kind, refresh_tol=refresh_tol, negligible=negligible, **SOLVERS[solver], **kwargs
    )


def brute_force(source, target, solver, kind="gaussian", label_weight=1.0):
    """Value and plan from POT, on the whole cost matrix."""
    labels = label_weight * array(label_distance_matrix(source, target, kind))
    cost = cdist(array(source.x), array(target.x), "sqeuclidean") + labels[array(source.y)][:, array(target.y)]
    a, b = array(source.a), array(target.a)
    if solver == "exact":
        plan = ot.emd(a, b * a.sum() / b.sum(), cost)
        return (plan * cost).sum(), plan
    plan = ot.sinkhorn(a, b, cost, EPS, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    return (plan * cost).sum() + EPS * (plan * np.log(plan / np.outer(a, b))).sum(), plan


@pytest.mark.parametrize("label_weight", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("kind", ["gaussian", "gaussian-diag", "means", "exact"])
@pytest.mark.parametrize("solver", TIGHT)
def test_value_and_class_mass_are_brute_force(solver, kind, label_weight, device):
    source, target = sides(device)
    got = problem(source, target, solver=solver, kind=kind, label_weight=label_weight).evaluate(source.x)
    value, plan = brute_force(source, target, solver, kind, label_weight)
    assert got.converged
    assert got.value.item() == pytest.approx(value, rel=ORACLE)
    mass = [[plan[s][:, t].sum() for t in target.slices] for s in source.slices]
    np.testing.assert_allclose(array(got.class_mass), mass, atol=1e-8)


@pytest.mark.parametrize("label_weight", [0.0, 2.5])
@pytest.mark.parametrize("solver", TIGHT)
def test_gradient_without_label_path_follows_the_features_alone(solver, label_weight, device):
    """``2 (a_i x_i - sum_j pi_ij x'_j)``, the plan made with label distances or without."""
    source, target = sides(device)
    got = problem(source, target, solver=solver, label_weight=label_weight, label_path=False).evaluate(source.x)
    _, plan = brute_force(source, target, solver, label_weight=label_weight)
    expected = 2 * (array(source.a)[:, None] * array(source.x) - plan @ array(target.x))
    np.testing.assert_allclose(array(got.gradient), expected, atol=1e-9)


@pytest.mark.parametrize("solver", TIGHT)
def test_gradient_with_label_path_is_that_of_the_value(solver, device):
    source, target = sides(device)
    gradient = problem(source, target, solver=solver).evaluate(source.x).gradient
    h, direction = 1e-5, tensor(np.random.default_rng(3).normal(size=source.x.shape), device)
    ahead, behind = (brute_force(source.moved(source.x + s * direction), target, solver)[0] for s in (h, -h))
    assert (gradient * direction).sum().item() == pytest.approx((ahead - behind) / (2 * h), rel=GRADIENT)


def test_other_target_features_take_the_place_of_the_targets(device):
    source, target = sides(device)
    other = target.moved(target.x.flip(1) + 3)
    got, expected = (
        problem(source, t).evaluate(source.x, x) for t, x in ((target, other.x), (other, None))
    )  # fmt: skip
    torch.testing.assert_close(got.value, expected.value)
    torch.testing.assert_close(got.gradient, expected.gradient)


def test_evaluation_leaves_the_features_alone(device):
    source, target = sides(device)
    before = source.x.clone(), target.x.clone()
    problem(source, target).evaluate(source.x, target.x)
    assert torch.equal(source.x, before[0])
    assert torch.equal(target.x, before[1])


def test_an_evaluation_does_not_depend_on_those_before(device):
    """Warm starts and buffers that are used again leave no trace."""
    source, target = sides(device)
    for solver in TIGHT:
        used, other = problem(source, target, solver=solver), source.x.square()
        first = used.evaluate(source.x)
        gradient = first.gradient.clone()
        used.evaluate(other)
        again = used.evaluate(source.x)
        torch.testing.assert_close(again.value, first.value, rtol=1e-9, atol=0)
        torch.testing.assert_close(again.gradient, gradient, rtol=0, atol=1e-9)


def test_an_objective_of_nothing_is_no_divisor(device):
    """A point at the target's only point, evaluated until label distances have been measured anew."""
    x, y = torch.zeros(1, 2, device=device), torch.zeros(1, dtype=torch.int64, device=device)
    point = LabelledPoints(x, y, torch.ones(1, device=device))
    lazy = problem(point, point, refresh_tol=1e-3)
    assert [lazy.evaluate(point.x).value.item() for _ in range(4)] == [0.0] * 4


def test_labels_without_weight_are_not_looked_at(device, monkeypatch):
    source, target = sides(device)
    unweighted = problem(source, target, label_weight=0.0)
    monkeypatch.setattr(unweighted, "label_cost", None)
    assert unweighted.evaluate(source.x).value > 0


def test_no_tolerance_refreshes_all_at_every_step():
    rule = RefreshRule(0.0)
    assert [rule.due() for _ in range(50)] == ["all"] * 50


def test_intervals_double_while_distances_age_slowly_and_halve_when_they_do_not():
    rule = RefreshRule(1e-3)

    def steps_until_refresh():
        steps = 1
        while rule.due() is None:
            steps += 1
        return steps

    def next_interval(overestimate, fall=1.0):
        nonlocal value
        value -= fall
        rule.adapt(overestimate * value, value)
        return steps_until_refresh()

    value = 100.0

    assert steps_until_refresh() == 1
    assert [next_interval(0.0) for _ in range(4)] == [2, 3, 3, 3]
    assert [next_interval(2e-4) for _ in range(2)] == [3, 3]  # between an eighth and all of the tolerance
    assert [next_interval(2e-3) for _ in range(3)] == [1, 1, 1]
    assert [next_interval(1e-6) for _ in range(3)] == [2, 3, 3]
    # Half of the fall is all that may be hidden, and a third of that calls for longer intervals.
    assert [next_interval(1e-6, fall=1e-3) for _ in range(2)] == [3, 3]
    assert [next_interval(1e-6, fall=1e-4) for _ in range(3)] == [1, 1, 1]
    assert [next_interval(1e-6, fall=f) for f in (3e-4, 1.5e-3, 1.5e-3)] == [1, 2, 3]
    assert next_interval(0.0, fall=0.0) == 3


def test_settled_intervals_are_of_one_step_and_stay_so():
    rule = RefreshRule(1e-2)
    for value in (100.0, 90.0):
        rule.due()
        rule.adapt(0.0, value)
    assert rule.due() is None
    assert rule.settle()
    for value in (70.0, 60.0):
        assert rule.due() is not None
        rule.adapt(0.0, value)
    assert not rule.settle()


def test_every_eighth_refresh_is_of_all_pairs():
    rule = RefreshRule(1e-3)
    assert [rule.due() for _ in range(17)] == (["all"] + ["active"] * 7) * 2 + ["all"]


@pytest.mark.parametrize("label_path", [True, False])
@pytest.mark.parametrize("kind", ["gaussian", "exact"])
@pytest.mark.parametrize("tol", [1e-2, 2e-3, 1e-3])
def test_refresh_tol_bounds_the_overestimate_along_a_flow(tol, kind, label_path, device):
    """Against a twin that is refreshed at every step, on the same path; pairs that exchange little may be amiss."""
    source, target = points(40, k=3, shift=4.0, device=device), points(30, k=3, seed=1, device=device)
    lazy, exact = (
        problem(source, target, kind=kind, solver="loose", refresh_tol=t, label_path=label_path) for t in (tol, 0.0)
    )
    x, n_steps, n_refreshes = source.x, 30, 0
    refresh = lazy.label_cost.refresh

    def counted(*args, **kwargs):
        nonlocal n_refreshes
        n_refreshes += 1
        return refresh(*args, **kwargs)

    lazy.label_cost.refresh = counted
    for _ in range(n_steps):
        got, expected = lazy.evaluate(x), exact.evaluate(x)
        assert got.value.item() == pytest.approx(expected.value.item(), rel=tol)
        x = x - 0.05 * expected.gradient / source.a[:, None]
    assert n_refreshes < n_steps
