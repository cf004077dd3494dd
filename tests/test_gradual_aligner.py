"""GradualAligner: a rotation in small steps is followed to its end, which no single step could reach."""

import numpy as np
import pytest
from scipy.ndimage import rotate
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import GradualAligner, Reference
from skflow.alignment import Diagonal
from tests._data import any_width

X, y = load_digits(return_X_y=True)
ROWS = np.random.default_rng(3).permutation(len(X))
HOME, AWAY = ROWS[:600], ROWS[600:]
MODEL = SVC(C=5).fit(X[HOME], y[HOME])
REFERENCE = Reference(X[HOME], y[HOME])


def turned(rows, degrees):
    images = rotate(X[rows].reshape(-1, 8, 8), degrees, axes=(1, 2), reshape=False, order=1)
    return images.reshape(-1, 64)


@parametrize_with_checks([GradualAligner(any_width, invariance="diagonal")])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def followed():
    aligner, rng = GradualAligner(REFERENCE, random_state=0), np.random.default_rng(0)
    for step in range(1, 16):
        aligner.partial_fit(turned(rng.choice(AWAY, 100, replace=False), 6 * step))
    return aligner


def test_a_chain_of_small_steps_reaches_the_end(followed):
    assert MODEL.score(turned(AWAY, 90), y[AWAY]) < 0.2
    assert MODEL.score(followed.transform(turned(AWAY, 90)), y[AWAY]) > 0.95
    assert len(followed.maps_) == len(followed.objectives_) == 15
    once = GradualAligner(REFERENCE, random_state=0).fit(turned(AWAY, 90))
    assert MODEL.score(once.transform(turned(AWAY, 90)), y[AWAY]) < 0.7


def test_steps_by_their_names_are_those_of_partial_fits():
    rng = np.random.default_rng(1)
    batches = [turned(rng.choice(AWAY, 60, replace=False), 10 * step) for step in (1, 2, 3)]
    one_by_one = GradualAligner(REFERENCE, random_state=0)
    for batch in batches:
        one_by_one.partial_fit(batch)
    mixed = rng.permutation(180)
    weeks = np.repeat([7, 8, 9], 60)
    whole = clone(one_by_one).fit(np.vstack(batches), sample_domain=weeks)
    np.testing.assert_allclose(whole.transform(batches[-1]), one_by_one.transform(batches[-1]))
    refitted = whole.fit(np.vstack(batches)[mixed], sample_domain=weeks[mixed])
    assert len(refitted.maps_) == 3


def test_what_does_not_drift_stays():
    aligner = GradualAligner(REFERENCE, random_state=0)
    rng = np.random.default_rng(2)
    for _ in range(10):
        aligner.partial_fit(X[rng.choice(AWAY, 100, replace=False)])
    assert MODEL.score(aligner.transform(X[AWAY]), y[AWAY]) > MODEL.score(X[AWAY], y[AWAY]) - 0.02


def test_another_class_of_maps():
    rng = np.random.default_rng(0)
    target = rng.gamma(2.0, size=(200, 3))
    for invariance in ("diagonal", Diagonal()):
        aligner = GradualAligner(Reference(target, None), invariance=invariance)
        for step in range(1, 5):
            aligner.partial_fit(rng.gamma(2.0, size=(200, 3)) * 1.3**step)
        gains = np.diag(aligner.maps_[-1].matrix)
        np.testing.assert_allclose(gains, 1.3**-4, rtol=0.2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"invariance": "rotation"}, "invariance='rotation' is not one of"), ({"target": 3}, "'target' parameter")],
)
def test_nonsense_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GradualAligner(REFERENCE).set_params(**parameters).fit(X[AWAY])


def test_other_columns_are_refused(followed):
    with pytest.raises(ValueError, match="64 features"):
        GradualAligner(REFERENCE).fit(X[AWAY, :5])
    with pytest.raises(ValueError, match="expecting 64 features"):
        clone(followed).partial_fit(X[AWAY]).partial_fit(X[AWAY, :5])


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_it_follows_units(unit):
    rng = np.random.default_rng(0)
    rows, target = rng.normal(size=(40, 3)), rng.normal(size=(30, 3)) + 0.2
    plain, scaled = (GradualAligner((u * target, None), random_state=0).fit(u * rows) for u in (1.0, unit))
    np.testing.assert_allclose(scaled.transform(unit * rows) / unit, plain.transform(rows), atol=1e-9)
