"""Scorers that need no truth, and the particles of a flow as training data."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skflow import OTDDFlowTransformer, PseudoLabelFlow, RepurposedClassifier
from skflow.metrics import agreement_scorer, confidence_scorer, neg_otdd_scorer
from skflow.trajectories import as_training_data

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CENTRES = np.array([[0.0, 0], [4, 0], [0, 6]])
X, y = make_blobs(60, centers=CENTRES + 8, cluster_std=0.5, random_state=0)
TARGET = make_blobs(60, centers=CENTRES, cluster_std=0.5, random_state=1)
MODEL = FrozenEstimator(LogisticRegression().fit(*TARGET))
NAMES = np.array(["a", "b", "c"])


def flow(**parameters):
    return OTDDFlowTransformer(TARGET, **{"pushforward": LinearRegression(), "random_state": 0, **parameters})


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
        PseudoLabelFlow(TARGET, pushforward=LinearRegression()),
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


@pytest.mark.parametrize("scorer", [neg_otdd_scorer, confidence_scorer, agreement_scorer])
def test_scorers_serve_a_grid_search(scorer):
    clf = RepurposedClassifier(MODEL, flow(max_iter=30))
    search = GridSearchCV(clf, {"flow__step_size": [1e-4, 0.2]}, scoring=scorer, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert scorer is not neg_otdd_scorer or search.best_params_ == {"flow__step_size": 0.2}


def test_scorer_errors():
    with pytest.raises(ValueError, match="holds no fitted flow"):
        neg_otdd_scorer(LogisticRegression().fit(X, y), X, y)


@pytest.mark.parametrize("samples", ["initial", "final", "trajectory", "mapped"])
def test_any_classifier_takes_the_samples(samples):
    target = TARGET[0], NAMES[TARGET[1]]
    fitted = OTDDFlowTransformer(
        target, correspondence={0: "a", 1: "b", 2: "c"}, keep_trajectory=4, pushforward=LinearRegression()
    ).fit(X, y)
    rows = (X, y) if samples == "mapped" else ()
    X_more, y_more, weight = as_training_data(fitted, samples, *rows)
    n_frames = 4 if samples == "trajectory" else 1
    assert X_more.shape == (60 * n_frames, 2)
    np.testing.assert_array_equal(y_more[:60], NAMES[y])
    assert weight.sum() == pytest.approx(60)
    clf = LogisticRegression().fit(X_more, y_more, sample_weight=weight)
    assert clf.score(*target) == 1 or samples == "initial"
    expected = {"initial": X, "final": fitted.particles_, "trajectory": X, "mapped": fitted.transform(X)}[samples]
    np.testing.assert_allclose(X_more[:60], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("last",), "samples='last' is not one of"),
        (("trajectory",), "needs a flow with keep_trajectory of at least 2"),
        (("mapped",), "samples='mapped' needs X and y"),
        (("final", X, y), "samples='final' takes no X and y"),
        (("mapped", X, y + 5), r"y has the labels \[5, 6, 7\], which the flow has not seen"),
    ],
)
def test_training_data_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        as_training_data(flow(max_iter=2).fit(X, y), *arguments)
