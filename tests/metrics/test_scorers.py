"""Scorers that need no truth."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.metrics import (
    agreement_scorer,
    circular_scorer,
    confidence_scorer,
    divergence,
    neg_divergence_scorer,
    neg_misfit_scorer,
    neg_otdd_scorer,
)
from tests._data import PLAIN

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CENTRES = np.array([[0.0, 0], [4, 0], [0, 6]])
X, y = make_blobs(60, centers=CENTRES + 8, cluster_std=0.5, random_state=0)
TARGET = make_blobs(60, centers=CENTRES, cluster_std=0.5, random_state=1)
MODEL = FrozenEstimator(LogisticRegression().fit(*TARGET))
NAMES = np.array(["a", "b", "c"])


def flow(**parameters):
    return OTDDFlowTransformer(TARGET, **{**PLAIN, "pushforward": LinearRegression(), "random_state": 0, **parameters})


def hardly_moved():
    return flow(max_iter=1, step_size=1e-4)


def test_distance_prefers_the_flow_that_arrives():
    better, worse = (neg_otdd_scorer(f.fit(X, y), X, y) for f in (flow(), hardly_moved()))
    assert better > worse + 1


def test_confidence_is_a_mean_probability():
    pipe = make_pipeline(flow(), MODEL).fit(X, y)
    assert confidence_scorer(pipe, X) == pytest.approx(pipe.predict_proba(X).max(axis=1).mean())


def test_agreement_sees_torn_classes():
    class Answers:
        def __init__(self, answers):
            self.answers = answers

        def predict(self, X):
            return self.answers

    torn = np.where(np.arange(len(y)) % 2, y, (y + 1) % 3)
    assert agreement_scorer(Answers(NAMES[y]), X) == 1
    assert abs(agreement_scorer(Answers(torn), X)) < 0.5
    assert agreement_scorer(Answers(np.zeros(len(X))), X) == 0


@pytest.mark.parametrize(
    "estimator",
    [
        flow(),
        make_pipeline(flow(), MODEL),
        RepurposedClassifier(MODEL, flow()),
        PseudoLabelFlow(TARGET, flow=OTDDFlowTransformer(**PLAIN, pushforward=LinearRegression())),
    ],
)
def test_distance_scorer_finds_the_flow(estimator):
    fitted = estimator.fit(X, y)
    assert -3 < neg_otdd_scorer(fitted, X, y) < 0
    partly = np.where(np.arange(len(y)) % 2, y, -1)
    assert -3 < neg_otdd_scorer(fitted, X, partly) < 0
    assert -3 < neg_otdd_scorer(fitted, X) <= 0


def test_distance_scorer_knows_the_correspondence():
    fitted = flow().fit(X, NAMES[y])
    assert neg_otdd_scorer(fitted, X, NAMES[y]) == pytest.approx(neg_otdd_scorer(flow().fit(X, y), X, y), rel=1e-3)


@pytest.fixture(scope="module")
def iris():
    """The model's data A, a and the source's B, b, two apart in every column."""
    X, y = load_iris(return_X_y=True)
    return X[::2], y[::2], X[1::2] + 2, y[1::2]


EVERY_DISTANCE = pytest.mark.parametrize("scorer", [neg_otdd_scorer, neg_divergence_scorer, neg_misfit_scorer])


@EVERY_DISTANCE
@pytest.mark.parametrize("nested", [False, True])
def test_steps_before_the_flow_are_applied(iris, scorer, nested):
    A, a, B, b = iris
    model = FrozenEstimator(LogisticRegression(max_iter=999).fit(A, a))
    steps = [StandardScaler(), OTDDFlowTransformer(Reference(A, a), **PLAIN, pushforward=LinearRegression())]
    pipe = make_pipeline(make_pipeline("passthrough", *steps), None, model) if nested else make_pipeline(*steps, model)
    scaled = StandardScaler().fit_transform(B)
    expected = scorer(clone(steps[1]).fit(scaled, b), scaled, b)
    assert scorer(pipe.fit(B, b), B, b) == pytest.approx(expected, rel=1e-9)
    assert scorer(FrozenEstimator(pipe), B, b) == pytest.approx(expected, rel=1e-9)
    if scorer is neg_otdd_scorer:
        assert expected > -1  # -9.48 where the scaler is skipped


@EVERY_DISTANCE
@pytest.mark.parametrize(
    "container",
    [np.asarray, lambda t: pd.DataFrame(t, columns=list("abcd")), lambda t: pl.DataFrame(t, schema=list("abcd"))],
    ids=["numpy", "pandas", "polars"],
)
def test_any_container_and_no_labels(iris, scorer, container):
    A, a, B, b = iris
    fitted = OTDDFlowTransformer((container(A), a), **PLAIN, pushforward=LinearRegression()).fit(container(B), b)
    plain = OTDDFlowTransformer((A, a), **PLAIN, pushforward=LinearRegression()).fit(B, b)
    for labels in (None, b):
        assert scorer(fitted, container(B), labels) == pytest.approx(scorer(plain, B, labels), rel=1e-6)
    assert scorer(plain, B) == scorer(plain, B, np.full(len(B), -1))


def blobs_target(X, y):
    return TARGET


def test_a_target_that_is_called_or_was_given_to_fit():
    expected = neg_otdd_scorer(flow().fit(X, y), X, y)
    called = flow().set_params(target=blobs_target).fit(X, y)
    assert neg_otdd_scorer(called, X, y) == pytest.approx(expected)
    given = flow().set_params(target=None).fit(X, y, X_target=TARGET[0], y_target=TARGET[1])
    assert neg_otdd_scorer(given, X, y) == pytest.approx(expected)


@pytest.mark.parametrize(
    "mark",
    [
        lambda y: np.where(np.arange(60) % 2, y, -1),
        lambda y: [int(v) if i % 2 else None for i, v in enumerate(y)],
        lambda y: np.where(np.arange(60) % 2, y, np.nan),
        lambda y: pd.Series([int(v) if i % 2 else pd.NA for i, v in enumerate(y)], dtype="Int64"),
        lambda y: pl.Series([int(v) if i % 2 else None for i, v in enumerate(y)]),
        lambda y: np.where(np.arange(60) % 2, y, -1).astype(object),
    ],
    ids=["-1", "None", "nan", "pandas", "polars", "object"],
)
def test_unlabelled_rows_are_left_out(mark):
    fitted = flow().fit(X, y)
    expected = neg_otdd_scorer(fitted, X[1::2], y[1::2])
    assert neg_otdd_scorer(fitted, X, mark(y)) == pytest.approx(expected)


def test_labels_that_the_flow_has_not_seen_are_named():
    fitted = flow().fit(X, NAMES[y])
    with pytest.raises(ValueError, match=r"y has the labels 'd', 'e', which the flow has not seen; it knows \['a', 'b"):
        neg_otdd_scorer(fitted, X, [*"de", *NAMES[y][2:]])
    with pytest.raises(ValueError, match="y has 3 labels, but X has 60 rows"):
        neg_otdd_scorer(fitted, X, ["a", "b", "c"])


def test_divergence_scorer_does_not_mind_frequencies():
    rare = (y > 0) | (np.arange(len(y)) % 5 == 0)
    fitted = flow().fit(X[rare], y[rare])
    moved, size = fitted.transform(X[rare]), TARGET[0].var(axis=0).sum()
    assert -neg_divergence_scorer(fitted, X[rare]) < 0.05 * size < divergence(moved, TARGET[0])
    assert neg_divergence_scorer(fitted, X) > neg_divergence_scorer(hardly_moved().fit(X, y), X)


class DrawnTogether:
    """Carries rows of the target's own domain a share of the way to the mean of their class."""

    target_ = Reference(*make_blobs(600, centers=CENTRES, cluster_std=0.5, random_state=3))

    def __init__(self, share):
        self.share = share

    def transform(self, X):
        means = CENTRES[np.square(X[:, None] - CENTRES).sum(axis=2).argmin(axis=1)]
        return X + self.share * (means - X)


def test_circular_scorer_tells_what_arrives():
    better, worse = (circular_scorer(make_pipeline(f.fit(X, y), MODEL), X) for f in (flow(), hardly_moved()))
    assert worse < 0.7 < 0.95 < better <= 1


def test_circular_scorer_understands_answers_in_the_sources_own_labels():
    assert circular_scorer(RepurposedClassifier(MODEL, flow()).fit(X, NAMES[y]), X) > 0.95


def test_circular_scorer_needs_classes_of_the_target():
    with pytest.raises(ValueError, match="has no predict"):
        circular_scorer(flow().fit(X, y), X)
    other = FrozenEstimator(LogisticRegression().fit(TARGET[0], NAMES[TARGET[1]]))
    with pytest.raises(ValueError, match=r"predictions: .* are neither classes of the target nor of the flow"):
        circular_scorer(make_pipeline(flow().fit(X, y), other), X)
    with pytest.raises(ValueError, match="holds no fitted flow"):
        circular_scorer(MODEL, X)


def test_misfit_scorer_does_not_reward_what_is_drawn_together():
    rows = make_blobs(600, centers=CENTRES, cluster_std=0.5, random_state=2)[0]
    left, half, collapsed = (neg_misfit_scorer(DrawnTogether(share), rows) for share in (0.0, 0.5, 1.0))
    assert 0 >= left > half > collapsed
    assert left > neg_misfit_scorer(DrawnTogether(0.0), rows + 3)


@pytest.mark.parametrize(
    "scorer", [neg_otdd_scorer, neg_divergence_scorer, confidence_scorer, agreement_scorer, circular_scorer]
)
def test_scorers_serve_a_grid_search(scorer):
    clf = RepurposedClassifier(MODEL, flow(max_iter=30))
    search = GridSearchCV(clf, {"flow__step_size": [1e-4, 0.2]}, scoring=scorer, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert scorer is not neg_otdd_scorer or search.best_params_ == {"flow__step_size": 0.2}


def test_scorer_errors():
    model, fitted = LogisticRegression().fit(X, y), flow(max_iter=1).fit(X, y)
    for scorer in (neg_otdd_scorer, neg_divergence_scorer):
        with pytest.raises(ValueError, match="holds no fitted flow"):
            scorer(model, X, y)
        with pytest.raises(ValueError, match="holds no fitted flow"):
            scorer(flow(), X, y)
    with pytest.raises(ValueError, match="has no predict_proba"):
        confidence_scorer(fitted, X)
    with pytest.raises(ValueError, match="has no predict;"):
        agreement_scorer(fitted, X)
    with pytest.raises(ValueError, match="X has 1 row; agreement_scorer"):
        agreement_scorer(model, X[:1])
