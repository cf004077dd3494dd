from itertools import permutations, product

import numpy as np
import pytest

from skflow.alignment import align
from skflow.alignment._column_matching import ColumnMoments, ColumnProblem, match_columns


def side(n, d, seed, mixing):
    random = np.random.RandomState(seed)
    return random.exponential(size=(n, d)) @ mixing


def moments(X):
    return ColumnMoments.of(X, np.full(len(X), 1 / len(X)))


@pytest.fixture(scope="module")
def problem():
    mixing = np.random.RandomState(0).randn(4, 4)
    X, Y = side(60, 4, 1, mixing), side(70, 4, 2, mixing)
    return moments(X[:, [2, 0, 1]]), moments(Y)


def all_orders(d, k):
    for p in permutations(range(k), d):
        for s in product([1.0, -1.0], repeat=d):
            yield np.array(p), np.array(s)


def test_moves_and_exchanges_are_differences_of_the_value(problem):
    task = ColumnProblem(*problem)
    p, s = np.array([1, 3, 0]), np.array([1.0, -1.0, -1.0])
    before, costs = task.value(p, s), task.moves(p, s)
    now = costs[(s < 0).astype(int), np.arange(3), p]
    for r, sign in product(range(3), (1.0, -1.0)):
        q, t = p.copy(), s.copy()
        q[r], t[r] = 2, sign
        assert costs[int(sign < 0), r, 2] - now[r] == pytest.approx(task.value(q, t) - before)
    change = task._exchanges(p, s, costs, now)
    for a, b in product((0, 1), repeat=2):
        q, t = p[[2, 1, 0]], s.copy()
        t[0], t[2] = 1 - 2.0 * a, 1 - 2.0 * b
        assert change[a, b, 0, 2] == pytest.approx(task.value(q, t) - before)


@pytest.mark.parametrize("signs", [True, False])
def test_the_best_matching_is_that_of_all_orders(problem, signs):
    task = ColumnProblem(*problem)
    lowest = min(task.value(p, s) for p, s in all_orders(3, 4) if signs or (s > 0).all())
    best = match_columns(*problem, np.random.RandomState(0), signs=signs)[0]
    assert best.cost == pytest.approx(lowest)
    assert np.abs(best.matrix).sum() == 3


def test_matching_from_either_side_is_the_same(problem):
    forth = match_columns(*problem, np.random.RandomState(0))[0]
    back = match_columns(*problem[::-1], np.random.RandomState(0))[0]
    np.testing.assert_array_equal(forth.matrix, back.matrix.T)


def test_weights_are_repetitions():
    X = np.random.RandomState(0).randn(9, 2)
    times = np.array([1, 2, 3] * 3)
    weighted, repeated = ColumnMoments.of(X, times / times.sum()), moments(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.cov, repeated.cov)
    np.testing.assert_allclose(weighted.quantiles, repeated.quantiles)


def test_columns_in_another_order_are_found_from_few_rows():
    mixing = np.eye(12) + 0.3 * np.random.RandomState(0).randn(12, 12)
    X, Y = side(200, 12, 1, mixing), side(200, 12, 2, mixing)
    order, signs = np.random.RandomState(3).permutation(12), np.random.RandomState(4).choice([-1, 1], 12)
    found = align(X[:, order] * signs, Y, invariance="permutation")
    np.testing.assert_array_equal(found.matrix, np.eye(12)[order] * signs[:, None])
    assert found.verdict == "aligned"


def test_what_two_maps_explain_as_well_is_not_found():
    random = np.random.RandomState(0)
    X, Y = random.randn(150, 8), random.randn(150, 8)
    found = align(X @ np.linalg.qr(random.randn(8, 8))[0], Y, invariance="orthogonal")
    assert found.ambiguity > 0.3
    assert found.verdict == "not found"
