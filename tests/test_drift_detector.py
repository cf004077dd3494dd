"""DriftDetector: no more false alarms than stated, and changes are found."""

import numpy as np
import ot
import pytest
from scipy.stats import energy_distance
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import DriftDetector

X = load_digits().data


@parametrize_with_checks([DriftDetector()])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_false_alarms_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    found = []
    for seed in range(40):
        detector = DriftDetector(alpha=0.1, n_permutations=99, random_state=seed).fit(rng.exponential(size=(80, 2)))
        found += [detector.test(rng.exponential(size=(20, 2))).p_value for _ in range(5)]
    assert np.mean(np.array(found) <= 0.1) < 0.16  # of 200; 0.1 but for three standard errors
    assert 0.4 < np.mean(found) < 0.6


def test_paler_digits_are_found():
    rows = np.random.default_rng(0).permutation(len(X))
    detector = DriftDetector(random_state=0).fit(X[rows[:600]])
    assert not detector.test(X[rows[600:700]]).drifted
    assert detector.test(0.8 * X[rows[700:800]]).drifted


def test_the_statistic_is_the_energy_distance():
    rng = np.random.default_rng(0)
    own, other = rng.normal(size=(60, 1)), rng.normal(0.5, 2.0, size=(40, 1))
    statistic = DriftDetector(random_state=0).fit(own).test(other).statistic
    assert statistic == pytest.approx(energy_distance(own[:, 0], other[:, 0]) ** 2)
    many, batch = rng.normal(size=(60, 3)), rng.normal(size=(40, 3)) + 1
    across, within, of_batch = (
        ot.dist(*pair, metric="euclidean").mean() for pair in ((batch, many), (many,) * 2, (batch,) * 2)
    )
    assert DriftDetector(random_state=0).fit(many).test(batch).statistic == pytest.approx(
        2 * across - within - of_batch
    )


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_it_follows_units(unit):
    rng = np.random.default_rng(0)
    own, other = rng.uniform(size=(60, 3)), rng.uniform(size=(40, 3)) + 0.2
    plain, scaled = (DriftDetector(random_state=0).fit(u * own).test(u * other) for u in (1.0, unit))
    assert scaled.p_value == plain.p_value
    assert scaled.statistic / unit == pytest.approx(plain.statistic)


def test_rows_that_are_all_alike_are_no_drift():
    assert not DriftDetector(random_state=0).fit(np.ones((30, 2))).test(np.ones((10, 2))).drifted


def test_too_few_permutations_are_refused():
    with pytest.raises(ValueError, match="take 50 or more"):
        DriftDetector(n_permutations=20).fit(X)
