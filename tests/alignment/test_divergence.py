import numpy as np
import ot
import pytest

from skflow._proportions import PRIOR_SHARE, estimate_proportions
from skflow.alignment import sinkhorn_divergence
from skflow.alignment._divergence import typical_reg
from skflow.alignment._gaussian_classes import GaussianPosterior


def cost(A, B, a, b, reg):
    C = ot.dist(A, B)
    P = ot.sinkhorn(a, b, C, reg, method="sinkhorn_log", numItermax=5000, stopThr=1e-11)
    return (P * C).sum() + reg * (P * np.log(P / np.outer(a, b))).sum()


@pytest.fixture
def sides():
    random = np.random.RandomState(0)
    A, B, b = random.randn(60, 4), random.randn(50, 4) + 0.5, random.rand(50) + 0.2
    return A, B, np.full(60, 1 / 60), b / b.sum()


def test_divergence_is_pots(sides):
    A, B, a, b = sides
    reg = typical_reg(A, B, 0.2)
    oracle = cost(A, B, a, b, reg) - cost(A, A, a, a, reg) / 2 - cost(B, B, b, b, reg) / 2
    divergence = sinkhorn_divergence(A, B, a, b, reg)
    assert divergence.value == pytest.approx(oracle, rel=1e-5)
    assert a @ divergence.of_rows + b @ divergence.of_target == pytest.approx(divergence.value)


def test_divergence_from_itself_is_zero(sides):
    A, _, a, _ = sides
    assert sinkhorn_divergence(A, A, a, a, typical_reg(A, A)).value == pytest.approx(0, abs=1e-4)


def test_divergence_by_class_is_the_mean_of_the_classes():
    random = np.random.RandomState(1)
    A, B = random.randn(40, 3), random.randn(40, 3) + 1
    y = t = np.repeat([0, 1], 20)
    w, half = np.full(40, 1 / 40), np.full(20, 1 / 20)
    reg = 1.0
    parts = [sinkhorn_divergence(A[y == c], B[t == c], half, half, reg).value for c in (0, 1)]
    assert sinkhorn_divergence(A, B, w, w, reg, (y, t)).value == pytest.approx(np.mean(parts), rel=1e-4)


def test_proportions_are_estimated_without_labels():
    random = np.random.RandomState(0)
    means = 3 * random.randn(3, 5)
    t, y = np.repeat([0, 1, 2], 200), np.repeat([0, 1, 2], [300, 60, 40])
    posterior = GaussianPosterior(means[t] + random.randn(600, 5), t)
    guessed = posterior(means[y] + random.randn(400, 5))
    w = estimate_proportions(guessed, np.full(3, 1 / 3), prior_share=PRIOR_SHARE)
    np.testing.assert_allclose(w, [0.75, 0.15, 0.1], atol=0.03)


def test_one_row_a_class_is_enough_for_gaussian_classes():
    Y = np.array([[0.0, 0], [3, 1], [1, 9]])
    with np.errstate(all="raise"):
        assert (GaussianPosterior(Y, np.arange(3))(Y).argmax(1) == np.arange(3)).all()
        np.testing.assert_allclose(GaussianPosterior(np.ones((2, 2)), np.arange(2))(Y), 0.5)
