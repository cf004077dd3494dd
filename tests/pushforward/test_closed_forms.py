"""Closed forms against brute force: rows left out by refits, weights by repeated rows."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from skflow.pushforward import TabularPushForward, _kernel
from skflow.pushforward._class_maps import STRENGTHS, class_means, fit_class_maps
from skflow.pushforward._gate import best_sharpness, log_loss
from skflow.pushforward._kernel import Kernel, Problem, best_fit, fits

CPU = torch.device("cpu")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)) / 2
    return X, np.sin(X @ rng.normal(size=(4, 3))), rng.integers(1, 4, size=30).astype(float)


def fit_one(X, Y, weights, alpha, centres=None, kernel=Kernel("gaussian", 1.0)):  # noqa: B008
    centres = np.arange(len(X)) if centres is None else centres
    return next(fits(Problem(X, Y, weights), kernel, [alpha], centres, CPU))


@pytest.mark.parametrize("shape", ["gaussian", "rational"])
def test_kernels(shape, rows):
    X, *_ = map(torch.as_tensor, rows)
    squares = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist") ** 2 * 0.7
    expected = torch.exp(-squares) if shape == "gaussian" else 1 / (1 + squares)
    assert_allclose(Kernel(shape, 0.7)(X, X), expected, atol=1e-12)
    doubled = Kernel(shape, 0.7 / 4, 2 * np.ones(4))
    assert_allclose(doubled(X, X), expected, atol=1e-12)


def test_kernel_regression_is_that_of_scikit_learn(rows):
    X, Y, _ = rows
    fit = fit_one(X, Y, np.ones(len(X)), 0.1)
    peer = KernelRidge(alpha=0.1, kernel="rbf", gamma=1.0).fit(X, Y - Y.mean(0))
    assert_allclose(fit(X[:5] + 0.1, CPU), peer.predict(X[:5] + 0.1) + Y.mean(0), atol=1e-9)


def test_rows_left_out_of_a_kernel_regression(rows):
    """By refits, around the mean of all rows, which is not left out."""
    X, Y, weights = rows
    fit, mean = fit_one(X, Y, weights, 0.1), np.average(Y, axis=0, weights=weights)
    for i in (0, 7, 29):
        rest = np.delete(np.arange(len(X)), i)
        peer = KernelRidge(alpha=0.1, kernel="rbf", gamma=1.0).fit(X[rest], Y[rest] - mean, sample_weight=weights[rest])
        assert_allclose(fit.left_out[i], peer.predict(X[i : i + 1])[0] + mean, atol=1e-9)


def test_weights_of_a_kernel_regression_are_repeated_rows(rows):
    X, Y, weights = rows
    again = np.repeat(np.arange(len(X)), weights.astype(int))
    weighted, repeated = fit_one(X, Y, weights, 0.1), fit_one(X[again], Y[again], np.ones(len(again)), 0.1)
    assert_allclose(weighted(X + 0.1, CPU), repeated(X + 0.1, CPU), atol=1e-9)


def test_nystrom_is_exact_with_all_rows_as_centres(rows):
    """Each row twice with half the weight has the same solution, but is more rows than centres."""
    X, Y, weights = rows
    twice = np.concatenate([X, X]), np.concatenate([Y, Y]), np.concatenate([weights, weights]) / 2
    exact, nystrom = fit_one(X, Y, weights, 0.1), fit_one(*twice, 0.1, centres=np.arange(len(X)))
    assert_allclose(nystrom(X + 0.1, CPU), exact(X + 0.1, CPU), atol=1e-6)


def brute_force_left_out(X, Y, alpha):
    out = np.empty_like(Y)
    for i in range(len(X)):
        rest = np.delete(np.arange(len(X)), i)
        out[i] = Ridge(alpha=alpha).fit(X[rest], Y[rest]).predict(X[i : i + 1])
    return out


def test_of_many_rows_a_draw_is_fitted_and_the_others_are_left_out(monkeypatch):
    """What is said of rows that were not drawn is the prediction for them, right up to the noise of one row."""
    monkeypatch.setattr(_kernel, "MOST_FITTED", 600)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(900, 2))
    Y = np.sin(X) + 0.1 * rng.normal(size=X.shape)

    def loss(rows, left_out):
        return np.square(Y[rows] - left_out).mean()

    kernels = [Kernel("gaussian", 1.0), Kernel("gaussian", 100.0)]
    fit = best_fit(Problem(X, Y, np.ones(900)), kernels, [0.01, 0.1], loss, rng, 100, CPU)
    as_predicted = np.isclose(fit.left_out, fit(X, CPU), rtol=1e-12, atol=1e-12).all(axis=1)
    assert as_predicted.sum() == 300
    assert fit.centres.shape == (100, 2)
    assert loss(as_predicted, fit.left_out[as_predicted]) < 0.015  # the noise has 0.01


def test_class_maps_are_ridge_regressions_with_the_best_strength(rows):
    X, _, _ = rows
    rng = np.random.default_rng(1)
    Y = X @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(30, 3))
    maps = fit_class_maps(X, Y, np.zeros(30, int), np.ones(30), None, False, CPU)
    total = np.square(X - X.mean(0)).sum()
    left_out = [brute_force_left_out(X, Y, strength * total) for strength in STRENGTHS]
    best = min(range(len(STRENGTHS)), key=lambda i: np.square(left_out[i] - Y).sum())
    peer = Ridge(alpha=STRENGTHS[best] * total).fit(X, Y)
    gate = np.ones((5, 1))
    assert len(maps.owners) == 3
    assert_allclose(maps(X[:5] + 1, gate), peer.predict(X[:5] + 1), atol=1e-9)
    for f in range(5):
        rest = np.arange(30) % 5 != f
        refit = Ridge(alpha=STRENGTHS[best] * total).fit(X[rest], Y[rest])
        assert_allclose(maps.left_out[~rest], refit.predict(X[~rest]), atol=1e-9)


def test_class_maps_take_weights_for_repeated_rows(rows):
    X, _, weights = rows
    labels = np.arange(30) % 2
    rng = np.random.default_rng(1)
    Y = X @ rng.normal(size=(4, 3)) + 1e4 * labels[:, None]  # so far that no shift is drawn to the mean
    again = np.repeat(np.arange(30), weights.astype(int))
    gate = np.full((30, 2), 0.5)
    weighted = fit_class_maps(X, Y, labels, weights, 0, False, CPU)
    repeated = fit_class_maps(X[again], Y[again], labels[again], np.ones(len(again)), 0, False, CPU)
    assert_allclose(weighted(X, gate), repeated(X, gate), rtol=1e-8)


def test_shifts_of_few_rows_are_drawn_to_the_mean():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 2)
    Y = 0.1 + rng.normal(size=(80, 6))
    maps = fit_class_maps(rng.normal(size=(80, 3)), Y, labels, np.ones(80), 0, False, CPU)
    raw = np.square(class_means(Y, labels) - 0.1).sum()
    assert np.square(maps.shifts - 0.1).sum() < 0.3 * raw


def test_sharpness_minimises_the_log_loss():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=400)
    scores = 0.3 * (np.eye(3)[labels] + 0.7 * rng.normal(size=(400, 3)))
    weights = rng.uniform(size=400)
    factor, loss = best_sharpness(scores, labels, weights)
    assert loss == pytest.approx(log_loss(factor * scores, labels, weights))
    assert loss <= min(log_loss(f * scores, labels, weights) for f in np.geomspace(0.1, 100, 50)) + 1e-3


def test_repeated_rows_that_end_apart_by_rounding_are_one_row(rows):
    X, Z, weights = rows
    again = np.repeat(np.arange(30), weights.astype(int))
    rounded = Z[again] * (1 + 1e-15 * np.arange(len(again))[:, None])
    weighted = TabularPushForward(random_state=0).fit(X, Z, sample_weight=weights)
    repeated = TabularPushForward(random_state=0).fit(X[again], rounded)
    assert_allclose(repeated.predict(X), weighted.predict(X), rtol=1e-8, atol=1e-8)
