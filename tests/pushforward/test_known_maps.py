"""Maps with a known answer, on rows that the push-forward did not see."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skflow.pushforward import ImagePushForward, TabularPushForward
from skflow.pushforward._affine import base_map, within_class_variance


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
    push = TabularPushForward(random_state=0, max_epochs=8)
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
    push = TabularPushForward(random_state=0, max_epochs=10).fit(X[train], Z[train], labels[train])
    errors = np.linalg.norm(push.predict(X[test]) - Z[test], axis=1)
    assert np.median(errors) < 0.7  # the spread of a class is 1.0
    assert unexplained(push.predict(X[test]), Z[test]) < 0.02


def test_base_map_is_chosen_where_the_domains_are_close():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    Z = rng.normal(size=(300, 4)) + 3 * np.eye(4)[labels]
    noisy = 0.5 * Z + 1 + 0.1 * rng.normal(size=Z.shape)
    assert base_map(noisy, Z, labels) is not None
    # Within the classes nothing but the label connects these two.
    unrelated = rng.normal(size=Z.shape) - 3 * np.eye(4)[(labels + 1) % 3]
    assert base_map(unrelated, Z, labels) is None


def test_within_class_variance_is_unbiased():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2000), 2)
    R = rng.normal(size=(4000, 3)) + rng.normal(size=(2000, 3))[labels]
    assert within_class_variance(R, labels) == pytest.approx(3.0, rel=0.05)


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
        (TabularPushForward(random_state=0, n_members=2, max_epochs=20), 0.95),
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
    push = TabularPushForward(random_state=0, n_members=2, max_epochs=20)
    with_labels = frozen.score(push.fit(X, Z, y).predict(X_test), y_test)
    without = frozen.score(push.fit(X, Z).predict(X_test), y_test)
    assert with_labels > without + 0.02
    assert with_labels > 0.94
