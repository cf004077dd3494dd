"""Beliefs: combined, weighted by what they are worth, balanced."""

import numpy as np
import pytest

from skflow.labelling import (
    Calibrated,
    balance,
    combine,
    confidence_of,
    fit_temperature,
    fit_weights,
    rows_to_one,
    temper,
)


def test_balancing_meets_the_prior():
    beliefs = rows_to_one(np.random.default_rng(0).random((50, 3)) ** 3)
    prior = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(balance(beliefs, prior).mean(axis=0), prior, atol=1e-3)


def test_weighing_of_witnesses():
    codes = np.arange(40) % 4
    good = np.full((40, 4), 0.15)
    good[np.arange(40), codes] = 0.55
    wrong = np.roll(good, 1, axis=1)
    blind = np.full((40, 4), 0.25)
    (trusted, misleading, silent), _ = fit_weights([good, wrong, blind], codes, [1, 1, 1], [1, 1, 1])
    assert trusted > 1  # right more often than it claims
    assert misleading < 0.2
    assert silent == pytest.approx(1, abs=1e-3)  # nothing speaks for or against it
    cocky = temper(good, 20)
    cocky[:10] = np.roll(cocky[:10], 1, axis=1)
    assert fit_weights([cocky], codes, [1], [1])[0] < 0.3
    assert fit_weights([good[:1]], codes[:1], [1], [1])[0] < fit_weights([good], codes, [1], [1])[0]


def test_weighing_follows_its_gradient():
    rng = np.random.default_rng(0)
    witnesses, codes = [rows_to_one(rng.random((30, 3))) for _ in range(2)], rng.integers(0, 3, 30)

    def loss(powers):
        product = combine(*(temper(w, p) for w, p in zip(witnesses, powers, strict=True)))
        return -np.log(product[np.arange(30), codes]).sum() + ((powers - [2, 1]) ** 2).sum() / 2

    best, surprise = fit_weights(witnesses, codes, [2, 1], [1, 1])
    assert surprise == pytest.approx(loss(best))
    for step in np.eye(2) * 1e-2:
        assert loss(best) <= min(loss(best + step), loss(np.maximum(best - step, 0))) + 1e-6


def test_combining_multiplies():
    a, b = np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(combine(a, b), [[0.2, 0.8], [0.9, 0.1]])
    np.testing.assert_allclose(temper(b, 0), 0.5)


def test_confidence():
    np.testing.assert_allclose(confidence_of(np.array([[0.5, 0.5], [1, 0], [0.2, 0.8]])), [0, 1, 0.75])
    np.testing.assert_allclose(confidence_of(np.ones((2, 1))), 1)


@pytest.mark.parametrize("power", [0.2, 1.0, 4.0])
def test_temperature_undoes_what_was_done_to_calibrated_beliefs(power):
    rng = np.random.default_rng(0)
    beliefs = rows_to_one(rng.dirichlet(np.ones(3), size=4000))
    truth = np.eye(3)[[rng.choice(3, p=row) for row in beliefs]]
    assert fit_temperature(temper(beliefs, 1 / power), truth) == pytest.approx(power, rel=0.1)


def test_calibration_finds_the_temperature_and_the_bias_of_each_class():
    """A classifier that is too sure of itself and favours the first class: what is left is as it was drawn."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(3), 4000)
    codes = np.array([rng.choice(3, p=row) for row in true])
    spoilt = combine(temper(true, 2.0), np.tile([0.6, 0.3, 0.1], (4000, 1)))
    mended = Calibrated.fit(spoilt, codes)(spoilt)
    assert np.abs(mended - true).mean() < 0.03 < 0.1 < np.abs(spoilt - true).mean()
