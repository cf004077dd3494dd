"""Maps with a known answer, on rows that the push-forward did not see."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from skflow.pushforward import ImagePushForward, SmoothPushForward, TabularPushForward, left_out_predictions
from skflow.pushforward._class_maps import within_class_variance


def unexplained(predicted, Z):
    """Share of the variance of `Z` that the prediction leaves."""
    return np.square(predicted - Z).sum() / np.square(Z - Z.mean(0)).sum()


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("kind", ["translation", "spd", "rotation"])
def test_affine_map(kind, with_labels):
    rng = np.random.default_rng(0)
    A = {
        "translation": np.eye(5),
        "spd": np.diag([0.2, 0.5, 1, 2, 3]),
        "rotation": np.linalg.qr(rng.normal(size=(5, 5)))[0],
    }
    X = rng.normal(size=(400, 5)) * [1, 2, 3, 4, 5] + 7
    Z = X @ A[kind] - 3
    labels = rng.integers(0, 3, size=400) if with_labels else None
    train, test = slice(300), slice(300, None)
    push = TabularPushForward(random_state=0)
    push.fit(X[train], Z[train], None if labels is None else labels[train])
    assert unexplained(push.predict(X[test]), Z[test]) < 1e-3


def test_class_wise_translations_of_separated_blobs():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=600)
    centres = np.array([[0, 0, 0, 0], [8, 0, 0, 0], [0, 8, 0, 0]])
    moves = np.array([[5, 5, 0, 0], [-9, 3, 0, 9], [0, 0, -9, 4]])
    X = centres[labels] + 0.5 * rng.normal(size=(600, 4))
    Z = X + moves[labels]
    train, test = slice(400), slice(400, None)
    push = TabularPushForward(random_state=0).fit(X[train], Z[train], labels[train])
    errors = np.linalg.norm(push.predict(X[test]) - Z[test], axis=1)
    assert np.median(errors) < 0.7  # the spread of a class is 1.0
    assert unexplained(push.predict(X[test]), Z[test]) < 0.02


@pytest.mark.parametrize("push", [TabularPushForward(random_state=0), SmoothPushForward(random_state=0)])
@pytest.mark.parametrize("n_rows", [2, 12, 200])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_flow_that_does_not_move_is_the_identity(push, n_rows, offset):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(n_rows, 5)) + offset, 10 * rng.normal(size=(50, 5)) + offset
    push.fit(X, X, np.arange(n_rows) % 3)
    np.testing.assert_allclose(push.predict(new), new, atol=1e-13 * max(offset, 10))
    np.testing.assert_allclose(push.oof_, X, atol=1e-13 * max(offset, 10))


def test_few_rows_with_a_movement_that_is_noise_stay_about_where_they_are():
    rng = np.random.default_rng(0)
    for n_rows in (4, 10, 30):
        X, new = rng.normal(size=(n_rows, 30)), rng.normal(size=(200, 30))
        push = TabularPushForward(random_state=0).fit(X, X + 0.1 * rng.normal(size=X.shape), np.arange(n_rows) % 3)
        assert push.keeps_rows_
        assert np.square(push.predict(new) - new).sum() < 0.04 * np.square(new).sum()


def test_what_rows_are_survives_where_they_move_and_not_where_they_are_replaced():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    X = rng.normal(size=(300, 4)) + 3 * np.eye(4)[labels]
    near = X + np.eye(4)[labels] + 0.3 * rng.normal(size=X.shape)
    assert TabularPushForward(random_state=0).fit(X, near, labels).keeps_rows_
    unrelated = rng.normal(size=X.shape) - 3 * np.eye(4)[(labels + 1) % 3]
    assert not TabularPushForward(random_state=0).fit(X, unrelated, labels).keeps_rows_


def test_a_smooth_map_joins_where_the_classes_maps_are_not_enough():
    rng = np.random.default_rng(0)
    X, labels = rng.uniform(-2, 2, size=(500, 2)), rng.integers(0, 2, size=500)
    Z = X + np.sin(2 * X[:, ::-1])
    errors = {}
    for smooth in ("auto", False):
        push = TabularPushForward(smooth=smooth, random_state=0).fit(X[:400], Z[:400], labels[:400])
        errors[smooth] = np.square(push.predict(X[400:]) - Z[400:]).sum()
        assert push.has_smooth_ == (smooth == "auto")
    assert errors["auto"] < 0.02 * errors[False]
    alone = SmoothPushForward(random_state=0).fit(X[:400], Z[:400])
    assert unexplained(alone.predict(X[400:]), Z[400:]) < 1e-3


@pytest.mark.parametrize("gate", [LogisticRegression(max_iter=1000), SVC(), LinearSVC(), KNeighborsClassifier()])
def test_any_classifier_as_gate(negatives, gate):
    X, Z, y, X_test, y_test, frozen = negatives
    push = TabularPushForward(gate=gate, random_state=0).fit(X[:400], Z[:400], y[:400])
    moved = push.predict(X_test)
    assert push.class_probabilities(X_test).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert frozen.score(moved, y_test) > clone(gate).fit(X[:400], y[:400]).score(X_test, y_test) - 0.02


def test_left_out_predictions_are_as_good_as_those_of_unseen_rows(negatives):
    X, Z, y, *_ = negatives
    push = TabularPushForward(random_state=0).fit(X[:500], Z[:500], y[:500])
    unseen = np.square(push.predict(X[500:]) - Z[500:]).sum(axis=1).mean()
    left_out = np.square(push.oof_ - Z[:500]).sum(axis=1).mean()
    trained = np.square(push.predict(X[:500]) - Z[:500]).sum(axis=1).mean()
    assert 0.8 * unseen < left_out < 1.25 * unseen
    assert trained < 0.8 * left_out
    assert left_out_predictions(push, X[:500], Z[:500], y[:500]) is push.oof_


def test_left_out_predictions_that_are_not_finite_are_refused():
    class Lost(DummyRegressor):
        def predict(self, X):
            return np.full((len(X), 2), np.nan)

    with pytest.raises(ValueError, match=r"regressor=Lost\(\) predicts NaN or infinity"):
        left_out_predictions(Lost(), np.eye(4)[:, :2], np.eye(4)[:, 2:])


def test_left_out_predictions_of_any_regressor():
    X, Z = load_digits().data[:50, 10:14], load_digits().data[:50, 20:22]
    folds = KFold(5, shuffle=True, random_state=0)
    expected = cross_val_predict(LinearRegression(), X, Z, cv=folds)
    np.testing.assert_allclose(left_out_predictions(LinearRegression(), X, Z, random_state=0), expected)
    labelled = left_out_predictions(TabularPushForward(random_state=0), X, Z, np.arange(50) % 2, random_state=0)
    assert labelled.shape == Z.shape


def test_within_class_variance_is_unbiased():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2000), 2)
    R = rng.normal(size=(4000, 3)) + rng.normal(size=(2000, 3))[labels]
    assert within_class_variance(R, labels, np.ones(4000)) == pytest.approx(3.0, rel=0.05)


@pytest.fixture(scope="module")
def negatives():
    """Digits as negatives; each goes to the mean of its class in the positives, and halfway to its own positive."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32) / 16
    train, test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
    means = np.stack([train[y_train == k].mean(0) for k in range(10)])
    frozen = SVC(C=5).fit(train, y_train)
    return 1 - train, (train + means[y_train]) / 2, y_train, 1 - test, y_test, frozen


@pytest.mark.parametrize(
    ("push", "least"),
    [
        (TabularPushForward(random_state=0), 0.95),
        (ImagePushForward((8, 8), random_state=0), 0.93),
    ],
    ids=["tabular", "image"],
)
def test_frozen_classifier_reads_unseen_rows(negatives, push, least):
    X, Z, y, X_test, y_test, frozen = negatives
    assert frozen.score(X_test, y_test) < 0.2
    push.fit(X, Z, y)
    assert frozen.score(push.predict(X_test), y_test) > least


def test_label_head_is_what_generalises(negatives):
    """Where the final positions say little of the start, the map can only be as good as its knowledge of the class."""
    X, _, y, X_test, y_test, frozen = negatives
    rng = np.random.default_rng(0)
    own, _, _, _, _, _ = negatives
    Z = np.empty_like(X)
    for k in range(10):
        rows = np.flatnonzero(y == k)
        Z[rows] = 1 - own[rng.permutation(rows)]
    push = TabularPushForward(random_state=0)
    with_labels = frozen.score(push.fit(X, Z, y).predict(X_test), y_test)
    without = frozen.score(push.fit(X, Z).predict(X_test), y_test)
    assert with_labels > without + 0.02
    assert with_labels > 0.94
