import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from skflow.alignment import (
    INVARIANCES,
    AffineMap,
    Gaussian,
    Orthogonal,
    Permutation,
    PlanMoments,
    Similarity,
)


def rotation(d, k=None, seed=0):
    """Random matrix (d, k) with orthonormal rows or columns."""
    k = d if k is None else k
    Q = np.linalg.qr(np.random.RandomState(seed).randn(max(d, k), max(d, k)))[0]
    return Q[:d, :k]


def random_moments(d, k, seed=0, n=30, m=25):
    random = np.random.RandomState(seed)
    P = random.rand(n, m)
    P /= P.sum()
    X, Y = random.randn(n, d) + 3, random.randn(m, k) - 2
    return PlanMoments(X, P.sum(1), P @ Y / P.sum(1)[:, None], Y, P.sum(0)), P, X, Y


def paired_moments(X, Y):
    n = len(X)
    return PlanMoments(X, np.full(n, 1 / n), Y, Y, np.full(n, 1 / n))


def test_moments_are_those_of_the_plan():
    moments, P, X, Y = random_moments(3, 4)
    Xc, Yc = X - P.sum(1) @ X, Y - P.sum(0) @ Y
    np.testing.assert_allclose(moments.cross, Xc.T @ P @ Yc, atol=1e-12)
    np.testing.assert_allclose(moments.cov_y, Yc.T @ (P.sum(0)[:, None] * Yc), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4), scale=st.sampled_from([1e-9, 1.0, 1e9]))
def test_each_class_finds_its_own_map_from_the_pairs(seed, d, scale):
    random = np.random.RandomState(seed)
    X = random.randn(40, d) * scale
    truth = {
        "translation": np.eye(d),
        "diagonal": np.diag(random.rand(d) + 0.5),
        "permutation": np.eye(d)[random.permutation(d)] * random.choice([-1, 1], d),
        "monomial": np.eye(d)[random.permutation(d)] * random.choice([-1, 1], d) * (random.rand(d) + 0.5),
        "orthogonal": rotation(d, seed=seed),
        "similarity": 3 * rotation(d, seed=seed),
    }
    for name, A in truth.items():
        Y = X @ A + 5 * scale
        h = INVARIANCES[name]().fit(paired_moments(X, Y))
        np.testing.assert_allclose(h(X), Y, atol=1e-9 * scale, err_msg=name)
        np.testing.assert_allclose(h.inverse(Y), X, atol=1e-8 * scale, err_msg=name)


def test_no_rotation_is_better_than_the_orthogonal_fit():
    moments, P, X, Y = random_moments(2, 2, seed=3)

    def cost(h):
        return float((P * ot.dist(h(X), Y)).sum())

    best = cost(Orthogonal().fit(moments))

    def turned(angle, mirror):
        c, s = np.cos(angle), np.sin(angle)
        return cost(AffineMap(moments.mean_x, moments.mean_y, (np.array([[c, s], [-s, c]]) * [1, mirror],)))

    angles = np.linspace(0, 2 * np.pi, 721)
    assert best == pytest.approx(min(turned(a, mirror) for a in angles for mirror in (1, -1)), rel=1e-4)


def test_affine_without_corrections_solves_its_ridge_problem():
    moments, P, X, Y = random_moments(2, 3, seed=1)
    Q = Orthogonal().fit(moments).factors[0]
    gram = Q @ moments.cov_y @ Q.T
    gram += 0.01 * np.trace(gram) / 2 * np.eye(2)
    gain = np.sqrt(np.trace(Q @ moments.cov_y @ Q.T) / np.trace(moments.cov_x))
    towards = gain * np.linalg.solve(gram, Q @ moments.cov_y)
    penalty = 0.5 * np.trace(moments.cov_x) / 2

    def loss(flat):
        A = flat.reshape(2, 3)
        h = AffineMap(moments.mean_x, moments.mean_y, (A,))
        return (P * ot.dist(h(X), Y)).sum() + penalty * ((A - towards) ** 2).sum()

    oracle = minimize(loss, np.zeros(6), tol=1e-12).x.reshape(2, 3)
    np.testing.assert_allclose(INVARIANCES["affine"](ridge=0.5).fit(moments).factors[0], oracle, atol=1e-5)


def test_gaussian_map_is_pots():
    moments, _, _, _ = random_moments(4, 4, seed=2)
    A, b = ot.gaussian.bures_wasserstein_mapping(moments.mean_x, moments.mean_y, moments.cov_x, moments.cov_y)
    h = Gaussian(shrinkage=0).fit(moments)
    np.testing.assert_allclose(h.matrix, A, atol=1e-8)
    np.testing.assert_allclose(h.offset, np.ravel(b), atol=1e-8)


def test_missing_columns_are_the_targets_regressions():
    random = np.random.RandomState(0)
    known = random.randn(500, 3)
    Y = np.column_stack([known, known @ [1.0, -2.0, 0.5]])
    h = Permutation().fit(paired_moments(known[:, [2, 0, 1]], Y))
    # The exact regression but for the one percent of shrinkage.
    assert np.abs(h(known[:, [2, 0, 1]]) - Y).max() < 0.1 * Y.std()


@pytest.mark.parametrize(("d", "k"), [(3, 5), (5, 3)])
def test_maps_between_different_columns(d, k):
    moments, *_ = random_moments(d, k)
    Q = Orthogonal().fit(moments).matrix
    gram = Q @ Q.T if d < k else Q.T @ Q
    np.testing.assert_allclose(gram, np.eye(min(d, k)), atol=1e-12)
    Z = np.random.RandomState(0).randn(7, d)
    h = Similarity().fit(moments)
    assert h(Z).shape == (7, k)
    if d < k:
        np.testing.assert_allclose(h.inverse(h(Z)), Z, atol=1e-10)


def test_inverse_through_axes_is_least_squares():
    V, W, Q = rotation(6, 3), rotation(5, 3, seed=1), rotation(3, seed=2)
    h = AffineMap(np.ones(6), np.zeros(5), (V / 7.0, Q, W.T))
    Z = np.random.RandomState(0).randn(4, 5)
    np.testing.assert_allclose(h.inverse(Z), Z @ np.linalg.pinv(h.matrix) + 1, atol=1e-10)


@pytest.mark.parametrize("name", INVARIANCES)
def test_constant_and_tiny_columns_stay_finite(name):
    X = np.zeros((5, 3))
    X[:, 0] = 1e-150 * np.arange(5)
    h = INVARIANCES[name]().fit(PlanMoments.of_marginals(X, X))
    assert np.isfinite(h(X)).all()


def test_images_beyond_float64_are_refused():
    h = AffineMap(np.zeros(1), np.ones(1), (np.array([4.0]),))
    assert np.isfinite(h(np.array([[4e307]]))).all()
    with pytest.raises(ValueError, match="values up to 9e[+]307"):
        h(np.array([[9e307]]))
    with pytest.raises(ValueError, match="beyond the range of float64"):
        AffineMap(np.zeros(1), np.ones(1), (np.array([0.25]),)).inverse(np.array([[9e307]]))
