from itertools import permutations, product

import numpy as np
import pytest

from skflow.alignment import align
from skflow.alignment._column_matching import correspond, match_columns
from skflow.alignment._column_problem import ColumnProblem
from skflow.alignment._column_summary import ColumnSummary


def side(n, d, seed, mixing):
    random = np.random.RandomState(seed)
    return random.exponential(size=(n, d)) @ mixing


def summary(X):
    return ColumnSummary.of(X, np.full(len(X), 1 / len(X)))


@pytest.fixture(scope="module")
def problem():
    mixing = np.random.RandomState(0).randn(4, 4)
    X, Y = side(60, 4, 1, mixing), side(70, 4, 2, mixing)
    return summary(X[:, [2, 0, 1]]), summary(Y)


def all_orders(d, k):
    for p in permutations(range(k), d):
        for s in product([1.0, -1.0], repeat=d):
            yield np.array(p), np.array(s)


def test_moves_and_exchanges_are_differences_of_the_value(problem):
    task = ColumnProblem(*problem)
    p, s = np.array([1, 3, 0]), np.array([1.0, -1.0, -1.0])
    before, (moved, exchanged) = task.value(p, s), task.changes(p, s)
    for r, sign in product(range(3), (1.0, -1.0)):
        q, t = p.copy(), s.copy()
        q[r], t[r] = 2, sign
        assert moved[int(sign < 0), r, 2] == pytest.approx(task.value(q, t) - before)
    for a, b in product((0, 1), repeat=2):
        q, t = p[[2, 1, 0]], s.copy()
        t[0], t[2] = 1 - 2.0 * a, 1 - 2.0 * b
        assert exchanged[a, b, 0, 2] == pytest.approx(task.value(q, t) - before)


def test_the_cost_is_a_likelihood_ratio():
    X, Y = side(60, 2, 1, np.eye(2)), side(80, 2, 2, np.array([[1.0, 0.9], [0.0, 1.0]]))
    task = ColumnProblem(summary(X), summary(Y), signs=False)
    p, s = np.arange(2), np.ones(2)
    determinants = [1 - C[0, 1] ** 2 for C in (task.A, task.B, (60 * task.A + 80 * task.B) / 140)]
    ratio = 140 * np.log(determinants[2]) - 60 * np.log(determinants[0]) - 80 * np.log(determinants[1])
    assert task.value(p, s) == pytest.approx(ratio + task.nodes[0, p, p].sum())


def test_columns_of_one_distribution_differ_by_as_much_as_is_expected():
    costs = []
    for seed in range(20):
        sides = [summary(np.random.RandomState(2 * seed + k).exponential(size=(100, 3))) for k in (0, 1)]
        costs.append(np.diag(ColumnProblem(*sides, shifted=False).nodes[0]).mean())
    assert 4 < np.mean(costs) < 8  # six components


@pytest.mark.parametrize("signs", [True, False])
def test_the_best_matching_is_that_of_all_orders(signs):
    mixing = np.random.RandomState(0).randn(4, 4)
    X, Y = side(300, 4, 1, mixing), side(300, 4, 2, mixing)
    sides = summary(X[:, [2, 0, 1]] * (np.array([1, -1, 1]) if signs else 1)), summary(Y)
    best = match_columns(*sides, np.random.RandomState(0))[0]
    task = ColumnProblem(*sides, shifted=signs, signs=signs)
    lowest = min(task.value(p, s) for p, s in all_orders(3, 4) if signs or (s > 0).all())
    assert best.cost == pytest.approx(lowest + (6 * np.log(2) if signs else 0))  # signs must be told
    assert (best.shifted, best.matrix.sum(), np.abs(best.matrix).sum()) == (signs, 1 if signs else 3, 3)


def test_matching_from_either_side_is_the_same(problem):
    forth = match_columns(*problem, np.random.RandomState(0))[0]
    back = match_columns(*problem[::-1], np.random.RandomState(0))[0]
    np.testing.assert_array_equal(forth.matrix, back.matrix.T)


def test_weights_are_repetitions():
    X = np.random.RandomState(0).randn(9, 2)
    times = np.array([1, 2, 3] * 3)
    weighted, repeated = ColumnSummary.of(X, times / times.sum()), summary(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.correlation, repeated.correlation)
    np.testing.assert_allclose(weighted.quantiles, repeated.quantiles)


def test_columns_in_another_order_are_found_from_few_rows():
    mixing = np.eye(12) + 0.3 * np.random.RandomState(0).randn(12, 12)
    X, Y = side(200, 12, 1, mixing), side(200, 12, 2, mixing)
    order, signs = np.random.RandomState(3).permutation(12), np.random.RandomState(4).choice([-1, 1], 12)
    found = align(X[:, order] * signs, Y, invariance="permutation")
    np.testing.assert_array_equal(found.matrix, np.eye(12)[order] * signs[:, None])
    assert found.verdict == "aligned"


@pytest.mark.parametrize("missing", [0, 3])
def test_columns_in_another_order_and_other_units_are_found_from_few_rows(missing):
    mixing = np.eye(12) + 0.3 * np.random.RandomState(0).randn(12, 12)
    X, Y = (np.exp(side(200, 12, seed, mixing) / 4) for seed in (1, 2))
    random = np.random.RandomState(3)
    order = random.permutation(12)[missing:]
    gains, offsets = np.exp(2 * random.randn(2, len(order)))
    source = X[:, order] * gains + offsets
    found = align(source, Y)
    assert (found.invariance, found.verdict) == ("monomial", "aligned")
    shares = np.abs(found.matrix) * source.std(0)[:, None] / Y.std(0)  # of each column's spread
    np.testing.assert_array_equal(shares.argmax(0)[order], np.arange(len(order)))
    # Tails are heavy, and rows that are far out match less of the target.
    np.testing.assert_allclose(np.diag(found.matrix[:, order]) * gains, 1, rtol=0.5)


def test_columns_in_their_places_are_not_looked_for_elsewhere():
    mixing = np.eye(8) + 0.3 * np.random.RandomState(0).randn(8, 8)
    X, Y = side(200, 8, 1, mixing), side(200, 8, 2, mixing)
    found = align(X * np.arange(1, 9) + 5, Y)
    assert found.invariance == "diagonal"
    assert "monomial" not in [candidate.name for candidate in found.candidates]
    assert align(X, Y, invariance="monomial").invariance == "monomial"


def test_no_rotation_is_believed_where_columns_surely_are_in_their_places():
    mixing = np.eye(12) + 0.3 * np.random.RandomState(0).randn(12, 12)
    X, Y = side(200, 12, 1, mixing), side(200, 12, 2, mixing)
    curved = np.sign(X) * X**2  # no map of the columns' values fits
    free = {"orthogonal", "similarity", "affine"}
    assert not free & {candidate.name for candidate in align(curved, Y).candidates}
    turn = np.linalg.qr(np.random.RandomState(1).randn(12, 12))[0]
    assert free < {candidate.name for candidate in align(X @ turn, Y).candidates}
    assert align(curved, Y, invariance="affine").invariance == "affine"
    assert align(curved, Y, invariance=["orthogonal", "affine"]).invariance in free


def test_what_two_maps_explain_as_well_is_not_found():
    random = np.random.RandomState(0)
    X, Y = random.randn(150, 8), random.randn(150, 8)
    found = align(X @ np.linalg.qr(random.randn(8, 8))[0], Y, invariance="orthogonal")
    assert found.ambiguity > 0.3
    assert found.verdict == "not found"


def test_columns_correspond_unless_another_order_fits_as_well():
    random = np.random.RandomState(0)
    mixing = random.randn(6, 6)
    X, Y = side(200, 6, 1, mixing), side(200, 6, 2, mixing)
    turn = np.linalg.qr(random.randn(6, 6))[0]
    for shifted, right in ((3 - 2 * X, True), (np.exp(X), True), (X @ turn, False), (X[:, ::-1], False)):
        assert correspond(summary(shifted), summary(Y), np.random.RandomState(0)) == (right, right)
    independent = (summary(side(50, 6, seed, np.eye(6))) for seed in (3, 4))
    assert correspond(*independent, np.random.RandomState(0)) == (True, False)


def test_rows_that_weigh_next_to_nothing():
    X, w = np.random.RandomState(0).randn(20, 3), np.logspace(-12, 12, 20)
    with np.errstate(all="raise", under="ignore"):
        found = ColumnSummary.of(X, w / w.sum())
    assert np.isfinite(found.correlation).all()
