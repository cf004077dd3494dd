"""Answers are corrected where classes are rarer or more frequent than a model has learnt, and only there."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier
from skflow.repurposed import _training_rows
from skflow.repurposed._evidence import weigh_evidence
from skflow.repurposed._frequencies import (
    MOST_AT_HOME,
    SHARE_OF_CHANGE,
    SHARE_OF_HOME,
    changed_odds,
    corrected,
    some_at_home,
)
from tests._data import PLAIN


def gaussians(n, share, seed):
    """Rows of two classes at -1 and 1, of which the second has the `share`."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    return np.c_[rng.normal(2 * y - 1), rng.normal(size=n)], y


def posterior(X, share):
    first, second = (1 - share) * norm.pdf(X[:, 0], -1), share * norm.pdf(X[:, 0], 1)
    return np.c_[first, second] / (first + second)[:, None]


def test_odds_of_answers_that_are_certain_are_counted():
    at_home, answers = np.eye(2)[[0, 1] * 50], np.eye(2)[[0] * 20 + [1] * 80]
    found = SHARE_OF_HOME * 0.5 + (1 - SHARE_OF_HOME) * np.array([0.2, 0.8])
    np.testing.assert_allclose(changed_odds(answers, at_home), (found / 0.5) ** SHARE_OF_CHANGE, rtol=1e-6)


@pytest.mark.parametrize(("share", "learnt"), [(0.1, 0.5), (0.9, 0.5), (0.9, 0.3), (0.2, 0.8)])
def test_odds_lean_to_the_classes_that_have_become_frequent(share, learnt):
    (X, y), (home, _) = gaussians(600, share, seed=0), gaussians(600, learnt, seed=1)
    said, at_home = posterior(X, learnt), posterior(home, learnt)
    odds = changed_odds(said, at_home)
    assert (odds[1] > odds[0]) == (share > learnt)
    before, after = ((answers.argmax(axis=1) == y).mean() for answers in (said, corrected(said, odds)))
    assert after > before + 0.02


def test_odds_stay_where_frequencies_do():
    (X, _), (home, _) = gaussians(600, 0.35, seed=0), gaussians(600, 0.3, seed=1)
    assert changed_odds(posterior(X, 0.3), posterior(home, 0.3)) is None


def test_few_rows_have_to_differ_by_more():
    at_home, answers = np.eye(2)[[0, 1] * 50], np.eye(2)[[0] * 3 + [1] * 7]
    assert changed_odds(answers, at_home) is None
    assert changed_odds(np.repeat(answers, 20, axis=0), at_home) is not None


def test_a_model_that_is_always_partial_is_not_corrected_for_that():
    """Its probabilities are those of other frequencies than it has at home, there as here."""
    (X, _), (home, _) = gaussians(600, 0.5, seed=0), gaussians(600, 0.5, seed=1)
    assert changed_odds(posterior(X, 0.9), posterior(home, 0.9)) is None
    assert changed_odds(posterior(X, 0.9), np.full((600, 2), 0.5)) is not None  # what calibrated answers would have had


def test_a_class_that_is_never_answered_stays_finite():
    odds = changed_odds(np.eye(3)[[0] * 50], np.eye(3)[[0, 1] * 25])
    assert np.isfinite(odds).all()
    assert np.isfinite(corrected(np.eye(3)[[0, 1, 2]], odds)).all()


def test_rows_at_home_are_some_of_them():
    rows = np.arange(2.0 * MOST_AT_HOME)[:, None]
    found = some_at_home(rows)
    assert len(np.unique(found)) == MOST_AT_HOME
    assert abs(found.mean() - rows.mean()) < 0.05 * len(rows)
    assert len(some_at_home(rows[:7])) == 7


@pytest.mark.parametrize("k", [0, 5])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_classifier_heeds_it(share, k):
    (home, a), (X, y), (unseen, truth) = (gaussians(400, *of) for of in ((0.5, 1), (share, 2), (share, 3)))
    model = LogisticRegression().fit(home, a)
    flow = OTDDFlowTransformer(Reference(home, a), **PLAIN, pushforward=LinearRegression(), max_iter=20, random_state=0)
    known = np.full(len(y), -1)
    for label in (0, 1):
        known[np.flatnonzero(y == label)[:k]] = label
    clf = RepurposedClassifier(FrozenEstimator(model), flow, second_query=False).fit(X, known if k else None)
    if share == 0.5:
        assert clf.odds_ is None
        return
    assert clf.decision_ == "predictions"
    assert clf.n_queries_ == len(X) + len(home)
    assert clf.odds_[1] > clf.odds_[0]
    assert clf.score(unseen, truth) > model.score(unseen, truth) + 0.02
    expected = corrected(model.predict_proba(unseen), clf.odds_).argmax(axis=1)
    np.testing.assert_array_equal(clf.predict(unseen), expected)


def test_few_labels_of_each_class_are_compared_with_answers_as_they_were_given(monkeypatch):
    """They are as many of each class, however frequent it is."""
    (home, a), (X, y) = gaussians(400, 0.5, 1), gaussians(400, 0.95, 2)
    model, heard = LogisticRegression().fit(home, a), []

    def recorded(graph, predictions, *rest):
        heard.append(predictions)
        return weigh_evidence(graph, predictions, *rest)

    monkeypatch.setattr(_training_rows, "weigh_evidence", recorded)
    known = np.full(len(y), -1)
    for label in (0, 1):
        known[np.flatnonzero(y == label)[:5]] = label
    for labels in (None, known):
        flow = OTDDFlowTransformer(Reference(home, a), **PLAIN, pushforward=LinearRegression(), max_iter=5)
        clf = RepurposedClassifier(FrozenEstimator(model), flow, second_query=False).fit(X, labels)
        assert clf.odds_ is not None
    np.testing.assert_allclose(heard[0], corrected(model.predict_proba(X), clf.odds_), atol=1e-6)
    np.testing.assert_allclose(heard[1], model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("amid", [True, False])
def test_labels_that_lean_count_for_less_where_the_model_is_at_home(monkeypatch, amid):
    """All evidence fits 20 % better: too little for 400 rows, but enough away from home with labels on its side."""

    class Home:
        at_home, is_known, moves, is_limited, is_doubtful = amid, True, False, False, False

        def __init__(self, *_):
            pass

        def __call__(self, X):
            return X

    (home, a), (X, y) = gaussians(400, 0.5, 1), gaussians(400, 0.5, 2)
    model, costs, sides = LogisticRegression().fit(home, a), iter([1.0, 0.8]), iter([False, True])
    monkeypatch.setattr(_training_rows, "WayHome", Home)
    monkeypatch.setattr(_training_rows, "_fit", lambda *_: next(costs))
    monkeypatch.setattr(_training_rows, "more_often_right", lambda *_: next(sides))
    monkeypatch.setattr(_training_rows, "own_answers_stand", lambda *_: True)
    some = np.concatenate([np.flatnonzero(y == label)[:5] for label in (0, 1)])
    known = np.where(np.isin(np.arange(len(y)), some), y, -1)
    flow = OTDDFlowTransformer(Reference(home, a), **PLAIN, pushforward=LinearRegression(), max_iter=5)
    clf = RepurposedClassifier(FrozenEstimator(model), flow, second_query=False, calibrate=False).fit(X, known)
    assert clf.decision_ == ("predictions" if amid else "flow")


@pytest.mark.parametrize("second_query", [False, True])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_queries_are_counted(second_query, shift):
    (home, a), (X, _) = gaussians(200, 0.5, 1), gaussians(200, 0.95, 2)
    model, asked = LogisticRegression().fit(home, a), []

    def counted(rows):
        asked.append(len(rows))
        return model.predict_proba(rows)

    flow = OTDDFlowTransformer(Reference(home, a), **PLAIN, pushforward=LinearRegression(), max_iter=5)
    clf = RepurposedClassifier(counted, flow, second_query=second_query).fit(X + [shift, 0])  # noqa: RUF005
    assert clf.n_queries_ == sum(asked)


def test_a_class_that_the_model_names_does_not_vanish():
    """That all rows are alike fits their neighbourhoods best, whatever they are."""
    rng = np.random.default_rng(1)

    def rows_of(n, share):
        y = (rng.random(n) < share).astype(int)
        return rng.normal(size=(n, 6)) + 0.6 * y[:, None], y

    (home, a), (X, _) = rows_of(120, 0.9), rows_of(150, 0.6)
    model = KNeighborsClassifier().fit(home, a)
    flow = OTDDFlowTransformer(Reference(home, a), **PLAIN, pushforward=LinearRegression(), max_iter=20, random_state=0)
    clf = RepurposedClassifier(FrozenEstimator(model), flow, second_query=False).fit(X)
    assert set(clf.transduction_) == set(model.predict(X)) == {0, 1}
