"""How sure answers may be, which deserve belief, and which are not given."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier
from skflow.repurposed._calibration import Calibration, calibrate, least_trust, read_reject

X, Y = load_digits(return_X_y=True)
X = X / 16
ORDER = np.random.RandomState(3).permutation(len(X))
T, S, U = ORDER[:500], ORDER[500:900], ORDER[900:]
NOISY = 0.4 * X + 0.3 + 0.12 * np.random.RandomState(0).randn(*X.shape)
SURE = LogisticRegression(C=1e4, max_iter=300).fit(X[T], Y[T])
FLOW = OTDDFlowTransformer(Reference(X[T], Y[T]), alignment="diagonal", max_iter=10, tol=0.0, random_state=0)


def calibration_error(probabilities, right, bins=15):
    sure = probabilities.max(axis=1)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return np.abs(np.bincount(place, sure, bins) - np.bincount(place, right, bins)).sum() / len(right)


@pytest.fixture(scope="module")
def fitted():
    return RepurposedClassifier(FrozenEstimator(SURE), FLOW).fit(NOISY[S], Y[S])


def test_probabilities_are_calibrated(fitted):
    right = fitted.predict(NOISY[U]) == Y[U]
    raw = RepurposedClassifier(FrozenEstimator(SURE), FLOW, calibrate=False).fit(NOISY[S], Y[S])
    assert raw.temperature_ == 1
    assert fitted.temperature_ > 1
    before, after = (calibration_error(of.predict_proba(NOISY[U]), right) for of in (raw, fitted))
    assert after < 0.05 < before
    np.testing.assert_array_equal(raw.predict(NOISY[U]), fitted.predict(NOISY[U]))


def test_trust_is_the_probability_of_a_right_answer(fitted):
    trust, right = fitted.trust(NOISY[U]), fitted.predict(NOISY[U]) == Y[U]
    assert roc_auc_score(right, trust) > 0.8
    assert abs(trust.mean() - right.mean()) < 0.05


@pytest.mark.parametrize("reject", [("coverage", 0.7), ("error", 0.04)])
def test_rows_without_an_answer(fitted, reject):
    clf = clone(fitted).set_params(reject=reject).fit(NOISY[S], Y[S])
    answers, always = clf.predict(NOISY[U]), fitted.predict(NOISY[U])
    given = answers != -1
    np.testing.assert_array_equal(answers[given], always[given])
    assert answers.dtype == always.dtype
    if reject[0] == "coverage":
        assert abs(given.mean() - 0.7) < 0.1
    else:
        assert (answers != Y[U])[given].mean() < 0.06 < (always != Y[U]).mean()
    assert clf.score(NOISY[U], Y[U]) == fitted.score(NOISY[U], Y[U])


def test_text_labels_are_marked_by_none():
    names = np.array([f"digit {k}" for k in range(10)])
    clf = RepurposedClassifier(FrozenEstimator(SURE), FLOW, reject=("coverage", 0.5)).fit(NOISY[S], names[Y[S]])
    answers = clf.predict(NOISY[U])
    assert answers.dtype == object
    open_ = np.array([answer is None for answer in answers])
    assert 0.3 < open_.mean() < 0.7
    assert set(answers[~open_]) <= set(names)


@pytest.mark.parametrize("reject", [("errors", 0.1), ("error", 0), ("coverage", 1.5), ("error",), ("error", "much")])
def test_reject_is_checked(reject):
    with pytest.raises(ValueError, match="reject must be None"):
        RepurposedClassifier(FrozenEstimator(SURE), FLOW, reject=reject).fit(NOISY[S], Y[S])
    assert read_reject(["error", 0.1]) == ("error", 0.1)


def test_rejection_needs_the_calibration():
    with pytest.raises(ValueError, match="needs calibrate=True"):
        RepurposedClassifier(FrozenEstimator(SURE), FLOW, reject=("error", 0.1), calibrate=False).fit(NOISY[S], Y[S])


def test_least_trust_keeps_what_is_stated():
    rng = np.random.default_rng(0)
    trust = rng.beta(4, 1, size=4000)
    wrong = rng.uniform(size=4000) > trust
    for error in (0.02, 0.05, 0.1):
        given = trust >= least_trust(trust, ("error", error))
        assert abs(wrong[given].mean() - error) < 0.02
    assert np.mean(trust >= least_trust(trust, ("coverage", 0.25))) == 0.25
    assert least_trust(np.full(50, 0.2), ("error", 0.01)) == np.inf


def test_the_temperature_undoes_a_known_one():
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(3000, 4))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(4, p=row) for row in honest])
    sharp = honest**3 / (honest**3).sum(axis=1, keepdims=True)
    found = calibrate([sharp], [sharp], truth)
    assert found.sureness == pytest.approx(1 / 3, rel=0.1)
    np.testing.assert_allclose(found.probabilities([sharp]), honest, atol=0.06)
    assert Calibration(1.0, 1.0).probabilities([honest]) == pytest.approx(honest)
