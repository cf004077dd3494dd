"""Situations in which users of such tools have gone wrong: columns, markers, few labels, refits, searches."""

import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from tests._data import PLAIN

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
A, a, B, b = X[::2], y[::2], X[1::2] - 1.7, y[1::2]
NAMES = ["sl", "sw", "pl", "pw"]
MODEL = FrozenEstimator(LogisticRegression(max_iter=999).fit(A, a))


def repurposed(model=MODEL, reference=None, **parameters):
    flow = OTDDFlowTransformer(
        reference or Reference(A, a), **PLAIN, pushforward=LinearRegression(), max_iter=20, random_state=0
    )
    return RepurposedClassifier(model, flow, **{"second_query": False, **parameters})


def few(k, marker=-1):
    known = np.full(len(b), marker, dtype=object if marker is None else None)
    for label in range(3):
        known[np.flatnonzero(b == label)[:k]] = label
    return known


def frame(rows, order=(0, 1, 2, 3)):
    return pd.DataFrame(rows[:, list(order)], columns=[NAMES[k] for k in order])


def test_columns_in_another_order_are_refused():
    reference = Reference(frame(A, (3, 2, 1, 0)), a)
    with pytest.raises(ValueError, match=r"target has the columns \['pw', 'pl', 'sw', 'sl'\].* another order"):
        repurposed(reference=reference).fit(frame(B), b)


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("y", [b, few(3)])
def test_models_of_frames_under_any_output(output, y):
    pipeline = make_pipeline(
        make_column_transformer((StandardScaler(), ["pl", "pw"]), remainder="passthrough"),
        LogisticRegression(max_iter=999),
    ).fit(frame(A), a)
    plain = repurposed(FrozenEstimator(make_pipeline(StandardScaler(), LogisticRegression(max_iter=999)).fit(A, a)))
    with config_context(transform_output=output):
        fitted = repurposed(FrozenEstimator(pipeline), Reference(frame(A), a)).fit(frame(B), y)
        accuracy = fitted.score(frame(B), b)
    assert accuracy > plain.fit(B, y).score(B, b) - 0.1
    assert fitted.feature_names_in_.tolist() == NAMES


def test_models_whose_columns_are_in_another_order_get_theirs():
    order = (2, 0, 3, 1)
    model = FrozenEstimator(LogisticRegression(max_iter=999).fit(frame(A, order), a))
    fitted = repurposed(model, Reference(frame(A), a)).fit(frame(B), b)
    assert fitted.score(frame(B), b) > 0.9


@pytest.mark.parametrize("target", [(A,), "iris", 3, lambda X, y: A])
def test_a_target_that_is_no_pair_is_named(target):
    flow = OTDDFlowTransformer(**PLAIN, pushforward=LinearRegression())
    flow.target = target
    with pytest.raises((ValueError, TypeError), match="is not a pair|target"):
        RepurposedClassifier(MODEL, flow).fit(B, b)


@pytest.mark.parametrize(
    "y",
    [
        few(3),
        few(3, None),
        few(3, np.nan),
        few(3).tolist(),
        pd.Series(few(3, None), dtype="Int64"),
        pd.Series(few(3, None), dtype="Float64"),
        pd.Series(few(3, None)).astype("category"),
    ],
)
def test_markers_of_any_kind(y):
    expected = repurposed().fit(B, few(3))
    fitted = repurposed().fit(B, y)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.classes_.dtype == expected.classes_.dtype
    np.testing.assert_array_equal(fitted.transduction_, expected.transduction_)


@pytest.mark.parametrize("marker", [-1, None, "?", np.nan])
def test_text_labels_with_markers(marker):
    names, known = np.array(["ash", "birch", "cedar"]), few(3) >= 0
    model = FrozenEstimator(LogisticRegression(max_iter=999).fit(A, names[a]))
    labels = [names[label] if at else marker for label, at in zip(b, known, strict=True)]
    unlabelled = "?" if marker == "?" else -1
    fitted = repurposed(model, Reference(A, names[a]), unlabelled=unlabelled).fit(B, labels)
    np.testing.assert_array_equal(fitted.transduction_, names[repurposed().fit(B, few(3)).transduction_])


@pytest.mark.parametrize("second_query", [False, True])
def test_a_label_is_never_worse_than_none(second_query):
    none = repurposed(second_query=second_query).fit(B).score(B, b)
    for rows in ([0], [60, 61]) if second_query else ([0], [0, 1], [30], [0, 30]):
        y = np.full(len(b), -1)
        y[rows] = b[rows]
        with pytest.warns(UserWarning, match="No row is labelled as"):
            fitted = repurposed(second_query=second_query).fit(B, y)
        assert fitted.classes_.tolist() == [0, 1, 2]
        assert (fitted.transduction_[rows] == b[rows]).all()
        assert fitted.score(B, b) >= none - 1e-9


def test_unlabelled_rows_do_not_count():
    fitted = repurposed().fit(B, few(8))
    known = few(8) >= 0
    assert fitted.score(B, few(8)) == fitted.score(B[known], b[known])
    weights = np.arange(len(b))
    assert fitted.score(B, few(8), weights) == pytest.approx(fitted.score(B[known], b[known], weights[known]))
    assert fitted.score(B, few(8, None)) == fitted.score(B, few(8))
    search = GridSearchCV(repurposed(), {"flow__reg": [0.05, 0.1]}, cv=2, error_score="raise").fit(B, few(8))
    assert search.best_score_ > 0.8
    with pytest.raises(ValueError, match="y holds no label"):
        fitted.score(B, np.full(len(b), -1))


STARTS = [(B[:60], None), (B, few(3)), (B, b)]


@pytest.mark.parametrize("first", STARTS)
@pytest.mark.parametrize("second", STARTS[1:])
def test_refits_start_from_nothing(first, second):
    again, fresh = repurposed().fit(*first).fit(*second), repurposed().fit(*second)
    assert vars(again).keys() == vars(fresh).keys()
    for name, value in vars(fresh).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again, name), value)
        elif isinstance(value, (dict, int, float)):
            assert getattr(again, name) == value
    np.testing.assert_array_equal(again.predict_proba(B), fresh.predict_proba(B))


def test_a_failed_refit_leaves_the_old_fit():
    fitted = repurposed().fit(B, few(3))
    before, expected = dict(vars(fitted)), fitted.predict_proba(B)
    with pytest.raises(ValueError, match="features"):
        fitted.fit(np.c_[B, B], b)
    with pytest.raises(ValueError, match="of one kind"):
        fitted.fit(B, ["a", *b[1:].tolist()])
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(B), expected)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(B)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("labelled", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:No row is labelled", "ignore:The classifier finds only")
def test_a_handful_of_rows(n, labelled):
    y = np.where(np.arange(n) < labelled, b[:n], -1)
    fitted = repurposed(second_query=True).fit(B[:n], y)
    assert fitted.predict(B).shape == b.shape
    with pytest.raises(ValueError, match="at least 2 rows, got n_samples=1"):
        repurposed().fit(B[:1], [-1])


def test_threads_leave_the_warning_filters():
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: repurposed(second_query=True).fit(B[::2], few(3)[::2])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_answers_that_were_read_wrong():
    svc = SVC(decision_function_shape="ovo").fit(A, a)
    expected = repurposed(MODEL).fit(B, b).score(B, b)
    for model in (FrozenEstimator(svc), MODEL.predict_log_proba):
        assert repurposed(model).fit(B, b).score(B, b) > expected - 0.05


def test_one_class_unknown_to_the_model_does_not_silence_it():
    """The names that both know stay; the model says nothing of the other."""
    two = a < 2
    model = FrozenEstimator(LogisticRegression().fit(A[two], a[two]))
    y = few(2)
    fitted = repurposed(model, Reference(A[two], a[two]), n_flows=2).fit(B + 1.7, y)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.evidence_weights_["predictions"] + fitted.evidence_weights_["spread"] > 0
    assert fitted.score(B + 1.7, b) > 0.8


def test_callable_targets_are_called_once_with_the_rows_and_labels():
    seen = []

    def target(rows, labels):
        seen.append((rows, labels))
        return A, a

    inner = OTDDFlowTransformer(**PLAIN, pushforward=LinearRegression(), max_iter=20)
    flow = PseudoLabelFlow(target, flow=inner, random_state=0)
    RepurposedClassifier(MODEL, flow).fit(B, few(3))
    (rows, labels), *others = seen
    assert not others
    np.testing.assert_array_equal(rows, B)
    np.testing.assert_array_equal(labels, few(3))


def test_without_labels_the_models_own_predictions_stay_a_candidate():
    """A wide table on which nothing moved: the graph alone would lose many points."""
    rng = np.random.default_rng(0)
    centres = 0.12 * rng.normal(size=(2, 800))
    labels = rng.integers(2, size=400)
    rows = centres[labels] + rng.normal(size=(400, 800))
    model = LogisticRegression(C=1e-3, max_iter=999).fit(rows[:250], labels[:250])
    frozen = model.score(rows[250:], labels[250:])
    fitted = repurposed(FrozenEstimator(model), Reference(rows[:250], labels[:250]), second_query=True)
    fitted.fit(rows[250:])
    assert fitted.score(rows[250:], labels[250:]) > frozen - 0.015
    assert fitted.decision_ == "predictions"


@pytest.mark.parametrize("n_labelled", [50, 5])
def test_rows_of_weight_zero_are_as_if_absent(n_labelled):
    clf, labels = repurposed(), few(n_labelled)
    weight = np.arange(len(B)) % 5 > 0
    weighted = clone(clf).fit(B, labels, sample_weight=1.0 * weight)
    absent = clone(clf).fit(B[weight], labels[weight])
    np.testing.assert_allclose(weighted.predict_proba(B), absent.predict_proba(B), atol=1e-6)
    assert len(weighted.transduction_) == weight.sum()


def test_integer_weights_are_repetitions():
    weight = 1 + np.arange(len(B)) % 3
    flow = repurposed().flow.set_params(max_iter=2, step_size=0.5, optimizer="sgd")
    # A row that is left out for the calibration has its copies left in.
    weighted, repeated = (RepurposedClassifier(MODEL, clone(flow), calibrate=False) for _ in range(2))
    weighted.fit(B, b, sample_weight=weight)
    repeated.fit(B.repeat(weight, axis=0), b.repeat(weight))
    np.testing.assert_allclose(weighted.predict_proba(B), repeated.predict_proba(B), atol=1e-4)


def test_weights_are_checked():
    with pytest.raises(ValueError, match="(?i)sample.weight"):
        repurposed().fit(B, b, sample_weight=np.zeros(len(B)))
    with pytest.raises(ValueError, match="sample_weight"):
        repurposed().fit(B, b).score(B, b, sample_weight=np.ones(3))
