"""A model that can only be asked: whatever it answers is read right, or refused by name."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skflow.repurposed._black_box import BlackBox

X, y = load_iris(return_X_y=True)
NAMES = ["sl", "sw", "pl", "pw"]
MODEL = LogisticRegression(max_iter=1000).fit(X, y)
TWO = y < 2
BINARY = LogisticRegression().fit(X[TWO], y[TWO])
OVO = {"decision_function_shape": "ovo"}


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        SVC().fit(X, y),
        SVC(**OVO).fit(X, y),
        FrozenEstimator(SVC(**OVO).fit(X, y)),
        FrozenEstimator(make_pipeline(StandardScaler(), SVC(**OVO)).fit(X, y)),
        GridSearchCV(SVC(**OVO), {"C": [1.0, 2.0]}, cv=2).fit(X, y),
        OneVsOneClassifier(LinearSVC()).fit(X, y),
        MODEL.predict_proba,
        MODEL.predict_log_proba,
        MODEL.predict,
        lambda X: MODEL.predict(X)[:, None],
        lambda X: 3 * MODEL.predict_proba(X) / 4,  # of one class against the rest each
        lambda X: np.log(np.eye(3)[MODEL.predict(X)] + 1e-300),
        lambda X: pd.DataFrame(MODEL.predict_proba(X)),
        lambda X: MODEL.predict_proba(X).astype(np.float32),
    ],
)
def test_whatever_it_answers(model):
    found = BlackBox(model, None, np.arange(3))(X)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.dtype == np.float64
    assert (found.argmax(axis=1) == y).mean() > 0.9


def test_decision_values_of_four_classes_one_against_one():
    labels = np.where(X[:, 0] > 5.8, y + 2, y)
    model = SVC(**OVO).fit(X, labels)
    found = BlackBox(model, None, model.classes_)(X)
    assert (model.classes_[found.argmax(axis=1)] == model.predict(X)).mean() > 0.97


@pytest.mark.parametrize(
    "model",
    [
        BINARY,
        LinearSVC().fit(X[TWO], y[TWO]),
        lambda X: BINARY.predict_proba(X)[:, 1],
        lambda X: BINARY.predict_proba(X)[:, 1:],
        lambda X: BINARY.predict(X) == 1,
    ],
)
def test_two_classes_in_one_column(model):
    found = BlackBox(model, None, np.arange(2))(X[TWO])
    assert (found.argmax(axis=1) == y[TWO]).all()


def test_classes_that_the_target_lacks_are_left_out():
    found = BlackBox(MODEL, None, np.array([0, 2]))(X)
    np.testing.assert_allclose(found, MODEL.predict_proba(X)[:, [0, 2]], atol=1e-9)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: MODEL.decision_function(X), "values from .* neither probabilities nor their logarithms.*softmax"),
        (lambda X: MODEL.predict_proba(X) * np.nan, "values that are not finite"),
        (lambda X: -MODEL.predict_proba(X), "neither probabilities nor their logarithms"),
        (lambda X: np.full((len(X), 3), "a"), "returned dtype <U1, and no probabilities"),
        (lambda X: MODEL.predict(X) + 0.5, r"returned \[0.5, 1.5, 2.5\], which are not among its classes \[0, 1, 2\]"),
        (lambda X: np.array(["a", "b", "c"])[MODEL.predict(X)], r"returned \['a', 'b', 'c'\], which are not among"),
        (lambda X: MODEL.predict_proba(X)[:, :2], r"array of shape \(150, 2\) for 150 rows and 3 classes"),
        (lambda X: MODEL.predict(X[1:]), r"array of shape \(149,\) for 150 rows"),
        (lambda X: [MODEL.predict_proba(X)] * 2, r"array of shape \(2, 150, 3\)"),
        (LinearRegression().fit(X, y), "are not among its classes"),
    ],
)
def test_what_cannot_be_read_is_refused(answer, message):
    with pytest.raises(ValueError, match=message):
        BlackBox(answer, None, np.arange(3))(X)


def test_logits_are_read_as_the_message_says():
    found = BlackBox(lambda X: softmax(MODEL.decision_function(X), axis=1), None, np.arange(3))(X)
    np.testing.assert_allclose(found, MODEL.predict_proba(X), atol=1e-6)


def test_models_that_know_columns_get_a_frame():
    frame = pd.DataFrame(X, columns=NAMES)
    chosen = make_column_transformer((StandardScaler(), ["pl", "pw"]), ("passthrough", ["sl"]))
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, y)
    expected = model.predict_proba(frame)
    np.testing.assert_allclose(BlackBox(model, None, np.arange(3))(X), expected, atol=1e-9)
    other_order = [3, 1, 0, 2]
    box = BlackBox(FrozenEstimator(model), None, np.arange(3), columns=[NAMES[k] for k in other_order])
    np.testing.assert_allclose(box(X[:, other_order]), expected, atol=1e-9)
    with pytest.raises(ValueError, match=r"fitted on the columns \['sl', .*but X has \['a', 'sw'"):
        BlackBox(model, None, np.arange(3), columns=["a", *NAMES[1:]])
    with pytest.raises(ValueError, match="fitted on 4 columns; got 3"):
        BlackBox(model, None, np.arange(3))(X[:, :3])
