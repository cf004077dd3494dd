"""RepurposedClassifier: a frozen model in the source's labels, with all of them, a few, or none."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, make_blobs
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from tests._data import PLAIN, Named

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CENTRES = np.array([[0.0, 0], [6, 0], [0, 9]])
X, y = make_blobs(120, centers=CENTRES[[1, 2, 0]] + 2, cluster_std=0.5, random_state=0)
X_ref, y_ref = make_blobs(90, centers=CENTRES, cluster_std=0.5, random_state=1)
NAMES = np.array(["a", "b", "c"])
REFERENCE = Reference(X_ref, y_ref)
MODEL = LogisticRegression().fit(X_ref, y_ref)


@Named
def on_a_line(X, y):
    """Classes 0 to 3 at 0, 5, 10 and 15 on the first axis, whatever the data."""
    X_target, y_target = np.zeros((40, X.shape[1])), np.arange(40) % 4
    X_target[:, 0] = 5 * y_target
    return X_target + 0.1 * np.random.RandomState(0).randn(*X_target.shape), y_target


@Named
def probabilities_on_the_line(X):
    likelihood = np.exp(-np.abs(X[:, :1] - 5 * np.arange(4)))
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def flow(cls=OTDDFlowTransformer, target=REFERENCE, **parameters):
    parameters = {**PLAIN, "pushforward": LinearRegression(), **parameters}
    if issubclass(cls, PseudoLabelFlow):
        return cls(target, flow=OTDDFlowTransformer(**parameters), random_state=0)
    return cls(target, random_state=0, **parameters)


def few(k, labels=y):
    known = np.full(len(labels), -1)
    for label in np.unique(labels):
        known[np.flatnonzero(labels == label)[:k]] = label
    return known


@parametrize_with_checks(
    [
        RepurposedClassifier(
            probabilities_on_the_line,
            OTDDFlowTransformer(on_a_line, **PLAIN, max_iter=50, pushforward=KNeighborsRegressor(1)),
        )
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("known", [y, few(3), few(1), np.full(len(y), -1)])
@pytest.mark.parametrize("cls", [OTDDFlowTransformer, PseudoLabelFlow])
def test_the_classifier_is_never_refitted(known, cls):
    model = FrozenEstimator(SVC().fit(X_ref, y_ref))
    before = pickle.dumps(model)
    clf = RepurposedClassifier(model, flow(cls)).fit(X, known)
    clf.predict(X)
    assert pickle.dumps(model) == before
    assert clf.classifier is model


def test_outputs_are_decoded_to_the_sources_labels():
    assert MODEL.score(X, y) < 0.5
    clf = RepurposedClassifier(MODEL, flow()).fit(X, NAMES[y])
    assert clf.score(X, NAMES[y]) == 1
    assert clf.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
    assert clf.codewords_.tolist() == [[1], [2], [0]]
    assert clf.prediction_weight_ is None
    assert clf.n_queries_ == len(X)  # for the calibration
    assert clf.n_queries_per_row_ == 1


@pytest.mark.parametrize(
    ("classifier", "classes"),
    [
        (MODEL, None),
        (SVC().fit(X_ref, y_ref), None),
        (FrozenEstimator(MODEL), None),
        (MODEL.predict_proba, None),
        (MODEL.predict, None),
        (lambda X: MODEL.predict_proba(X)[:, ::-1], [2, 1, 0]),
    ],
)
def test_any_black_box(classifier, classes):
    clf = RepurposedClassifier(classifier, flow(), model_classes=classes).fit(X, y)
    assert clf.score(X, y) == 1


def test_soft_coupling_is_the_linear_layer():
    """Section 6.4: where the plan decides, outputs go through the coupling."""
    clf = RepurposedClassifier(MODEL, flow(correspondence="coupling")).fit(X, y)
    np.testing.assert_allclose(clf.decoders_[0].sum(axis=1), 1)
    coupling = clf.flows_[0].coupling_
    np.testing.assert_allclose(clf.decoders_[0], (coupling / coupling.sum(0)).T)
    assert clf.score(X, y) == 1


def test_more_classes_than_the_model_has():
    centres = np.random.RandomState(0).uniform(-20, 20, size=(8, 2))
    X, y = make_blobs(240, centers=centres, cluster_std=0.4, random_state=0)
    base = OTDDFlowTransformer(REFERENCE, **PLAIN, pushforward=KNeighborsRegressor(3), random_state=0)
    clf = RepurposedClassifier(MODEL, base).fit(X, y)
    assert len(clf.flows_) == 3
    assert len(np.unique(clf.codewords_, axis=0)) == 8
    assert clf.score(X, y) > 0.97
    particles = clf.classes_[clf.decode([f.particles_ for f in clf.flows_]).argmax(1)]
    assert (particles == y).mean() > 0.97


@pytest.fixture(scope="module")
def digits():
    """Rows of a slightly different domain, and of one that the model misreads."""
    X, y = load_digits(return_X_y=True)
    model = FrozenEstimator(LogisticRegression(C=0.01, max_iter=1000).fit(X[:800], y[:800]))
    near = X[800:1300].reshape(-1, 8, 8)
    near = (np.roll(near, 1, axis=2) * 0.5 + near * 0.5).reshape(-1, 64)
    return model, Reference(X[:800], y[:800]), near, 16 - X[800:1300], y[800:1300]


@pytest.mark.parametrize("k", [0, 1, 5])
def test_few_labels_help_a_model_that_is_nearly_right(digits, k):
    model, reference, near, _, y = digits
    known = few(k, y)
    clf = RepurposedClassifier(model, flow(PseudoLabelFlow, reference)).fit(near, known)
    open_ = known < 0
    assert (clf.transduction_ == y)[open_].mean() > (model.predict(near) == y)[open_].mean() + 0.02
    assert (clf.transduction_ == y)[~open_].all()
    assert 0 < clf.prediction_weight_ <= 0.25
    assert (clf.confusion_ is None) == (k < 2)
    assert clf.n_queries_ == 3 * len(near)
    assert clf.n_queries_per_row_ == 2


def test_second_query_is_out_of_sample(digits, monkeypatch):
    """The flows that carry a row have been told neither of it nor of its label."""
    model, reference, _, inverted, y = digits
    known, fitted, carried = few(4, y), [], []

    class Spy(PseudoLabelFlow):
        def fit(self, X, y, **kwargs):
            fitted.append(X)
            return super().fit(X, y, **kwargs)

        def transform(self, X):
            carried.append(X)
            return super().transform(X)

    clf = RepurposedClassifier(model, flow(Spy, reference)).fit(inverted, known)
    assert [len(rows) for rows in fitted] == [250, 250, 500]
    assert len(carried) == 3  # the last for the calibration, by a map that left each row out
    for told, asked in zip(fitted[:2], carried[:2], strict=True):
        assert not {row.tobytes() for row in told} & {row.tobytes() for row in asked}
    assert clf.n_queries_ == 1500
    assert clf.evidence_weights_["carried"] > 0.1


def test_second_query_is_silenced_where_it_misleads(digits):
    model, reference, near, _, y = digits
    misled = flow(PseudoLabelFlow, reference, max_iter=1)
    misled.set_params(flow__pushforward=DummyRegressor())  # carries every row to one place
    clf = RepurposedClassifier(model, misled).fit(near, few(5, y))
    once = RepurposedClassifier(model, misled, second_query=False).fit(near, few(5, y))
    assert "carried" not in once.evidence_weights_
    assert once.n_queries_ == 2 * len(near)
    assert (clf.transduction_ == y).mean() > (once.transduction_ == y).mean() - 0.01


@pytest.mark.parametrize("k", [1, 5])
def test_worthless_answers_are_noticed(digits, k):
    model, reference, _, inverted, y = digits
    known = few(k, y)
    assert (model.predict(inverted) == y).mean() < 0.2
    clf = RepurposedClassifier(model, flow(PseudoLabelFlow, reference)).fit(inverted, known)
    if k == 1:
        assert clf.prediction_weight_ < 0.1
    else:  # they are read as what they have been found to say
        assert np.diag(clf.confusion_).mean() < 0.3
    assert (clf.transduction_ == y)[known < 0].mean() > 0.75


def test_blind_model_without_labels_is_warned_of():
    blind = Reference(X_ref, y_ref)
    with pytest.warns(UserWarning, match="finds only 1 of its 3 classes"):
        RepurposedClassifier(lambda X: np.zeros(len(X), int), flow(PseudoLabelFlow, blind)).fit(X)


@pytest.mark.parametrize("correspondence", ["auto", "assignment", {0: 1, 1: 2, 2: 0}])
def test_without_labels_the_classes_are_the_models(correspondence):
    clf = RepurposedClassifier(MODEL, flow(PseudoLabelFlow, correspondence=correspondence)).fit(X_ref + 0.3)
    assert clf.classes_.tolist() == [0, 1, 2]
    assert (clf.transduction_ == y_ref).mean() > 0.95


@pytest.mark.parametrize("correspondence", ["auto", {"a": 1, "b": 2, "c": 0}])
def test_answers_count_only_where_it_is_known_which_class_is_which(correspondence):
    known = np.where(few(2) < 0, "", NAMES[y])
    base = flow(PseudoLabelFlow, correspondence=correspondence)
    clf = RepurposedClassifier(MODEL, base, unlabelled="").fit(X, known)
    assert clf.score(X, NAMES[y]) == 1
    assert ("predictions" in clf.evidence_weights_) == (correspondence != "auto")


def test_use_in_searches_and_calibration():
    clf = RepurposedClassifier(FrozenEstimator(MODEL), flow(max_iter=20))
    assert cross_val_score(clf, X, y, cv=3).min() == 1
    search = GridSearchCV(clf, {"flow__reg": [0.05, 0.2], "flow__step_size": [0.2]}, cv=2).fit(X, y)
    assert search.best_score_ == 1
    calibrated = CalibratedClassifierCV(clf, cv=2).fit(X, y)
    assert calibrated.score(X, y) == 1


def test_cloned_classifier_asks_for_a_frozen_one():
    with pytest.raises(NotFittedError, match=r"wrap it, classifier=FrozenEstimator\(classifier\)"):
        clone(RepurposedClassifier(MODEL, flow())).fit(X, y)
    with pytest.raises(ValueError, match="FrozenEstimator"):
        cross_val_score(RepurposedClassifier(MODEL, flow()), X, y, error_score="raise")


def test_pickles_and_subsets():
    clf = RepurposedClassifier(MODEL, flow(PseudoLabelFlow)).fit(X, few(2))
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X[:7]), clf.predict_proba(X)[:7])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"flow": OTDDFlowTransformer()}, r"flow=OTDDFlowTransformer\(\) has no target"),
        ({"flow": "otdd"}, "'flow' parameter of RepurposedClassifier must be .* Got 'otdd'"),
        ({"classifier": 3}, "'classifier' parameter of RepurposedClassifier must be .* Got 3"),
        ({"n_flows": 0}, "'n_flows' parameter of RepurposedClassifier must be .* Got 0"),
        ({"model_classes": [0, 1, 7]}, r"The target has the classes \[2\], which are not among the classifier's"),
        ({"classifier": lambda X: np.ones((len(X), 5))}, r"returned an array of shape \(120, 5\) for 120 rows and 3"),
    ],
)
def test_errors_name_parameter_and_value(parameters, message):
    clf = RepurposedClassifier(**{"classifier": MODEL, "flow": flow(), **parameters})
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y).predict(X)
