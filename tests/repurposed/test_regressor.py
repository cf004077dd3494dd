"""RepurposedRegressor: a frozen regressor with no label, a few, or all of them, and honest intervals."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import DomainAligner, OTDDFlowTransformer, Reference, RepurposedRegressor
from skflow.metrics import neg_divergence_scorer, neg_otdd_scorer
from skflow.repurposed._regression_answers import _is_real
from tests._data import PLAIN, Named

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.gamma(2.0, size=(n, 3))
    return X, X @ [2.0, -1.0, 0.5] + 0.3 * rng.normal(size=n)


def shifted(X):
    return X * [0.5, 2.0, 1.2] + [3, -2, 1]


X_REF, Y_REF = data(200, 0)
X_SRC, Y_SRC = data(150, 1)
X_NEW, Y_NEW = data(300, 2)
SRC, NEW = shifted(X_SRC), shifted(X_NEW)
REFERENCE = Reference(X_REF, Y_REF)
MODEL = LinearRegression().fit(X_REF, Y_REF)
OWN = MODEL.score(X_NEW, Y_NEW)
ALIGNER = DomainAligner(REFERENCE, invariance="diagonal", random_state=0)


@Named
def sums(X, y):
    """Rows of any width and the sums of their columns, whatever the data."""
    X_target = np.random.RandomState(0).normal(size=(40, X.shape[1]))
    return X_target, X_target.sum(axis=1) + 0.5


@Named
def sum_of_columns(X):
    return X.sum(axis=1) + 0.5


def known(n):
    return np.where(np.arange(len(Y_SRC)) < n, Y_SRC, np.nan) if n else None


@parametrize_with_checks([RepurposedRegressor(sum_of_columns, DomainAligner(sums, invariance="diagonal"))])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_known", [0, 1, 5, 12, 150])
def test_few_labels_or_none(n_known):
    assert MODEL.score(NEW, Y_NEW) < 0.5
    reg = RepurposedRegressor(MODEL, ALIGNER).fit(SRC, known(n_known))
    assert reg.n_known_ == n_known
    assert reg.decision_ == "carried"
    assert reg.score(NEW, Y_NEW) > OWN - 0.05


def test_labels_correct_what_the_alignment_cannot_know():
    """Another laboratory reports labels on another scale."""
    reg = RepurposedRegressor(MODEL, ALIGNER).fit(SRC, 3 * known(12) - 5)
    assert reg.correction_ == "slope"
    assert reg.score(NEW, 3 * Y_NEW - 5) > 0.9
    assert RepurposedRegressor(MODEL, ALIGNER).fit(SRC, known(12)).correction_ == "none"


def test_with_all_labels_it_learns_what_the_model_does_not_know():
    bump = 2 * np.sin(2 * X_SRC[:, 0])
    reg = RepurposedRegressor(MODEL, ALIGNER).fit(SRC, Y_SRC + bump)
    plain = RepurposedRegressor(MODEL, ALIGNER).fit(SRC)
    assert reg.corrects_rows_
    truth = Y_NEW + 2 * np.sin(2 * X_NEW[:, 0])
    assert reg.score(NEW, truth) > plain.score(NEW, truth) + 0.05


def test_rows_are_left_where_labels_say_so():
    """A target in other units than the regressor's."""
    model = RandomForestRegressor(30, random_state=0).fit(X_REF, Y_REF)
    wrong = clone(ALIGNER).set_params(target=Reference(50 + 10 * X_REF, Y_REF))
    assert RepurposedRegressor(model, wrong).fit(X_SRC).score(X_NEW, Y_NEW) < 0
    reg = RepurposedRegressor(model, wrong).fit(X_SRC, known(9))
    assert reg.decision_ == "leave"
    assert reg.score(X_NEW, Y_NEW) > model.score(X_NEW, Y_NEW) - 0.02


@pytest.mark.parametrize("n_known", [0, 10, 150])
def test_a_flow_carries_too(n_known):
    flow = OTDDFlowTransformer(REFERENCE, alignment="diagonal", random_state=0, max_iter=30)
    reg = RepurposedRegressor(FrozenEstimator(MODEL), flow).fit(SRC, known(n_known))
    assert isinstance(reg.flow_, DomainAligner if n_known == 0 else OTDDFlowTransformer)
    assert reg.score(NEW, Y_NEW) > OWN - 0.05


def test_a_flow_without_alignment_starts_from_answers():
    flow = OTDDFlowTransformer(REFERENCE, **PLAIN, max_iter=30, random_state=0)
    reg = RepurposedRegressor(MODEL, flow).fit(X_SRC + 0.1)
    assert reg.score(X_NEW + 0.1, Y_NEW) > 0.8


@pytest.mark.parametrize("n_known", [0, 8, 100])
@pytest.mark.parametrize("model", [MODEL, RandomForestRegressor(30, random_state=0).fit(X_REF, Y_REF)], ids=type)
def test_intervals_hold_as_many_labels_as_they_say(n_known, model):
    reg = RepurposedRegressor(model, ALIGNER).fit(SRC, known(n_known))
    low, high = reg.predict_interval(NEW, coverage=0.8).T
    assert 0.7 < ((low <= Y_NEW) & (high >= Y_NEW)).mean() < 0.97
    wide = np.ptp(reg.predict_interval(NEW, coverage=0.95), axis=1)
    assert (wide >= high - low).all()
    np.testing.assert_allclose((low + high) / 2, reg.predict(NEW))
    with pytest.raises(ValueError, match="'coverage'"):
        reg.predict_interval(NEW, coverage=1.5)


def test_several_labels_a_row():
    Y_ref, Y_src, Y_new = (np.c_[y, 1e3 * X[:, 0]] for X, y in ((X_REF, Y_REF), (X_SRC, Y_SRC), (X_NEW, Y_NEW)))
    model = LinearRegression().fit(X_REF, Y_ref)
    aligner = clone(ALIGNER).set_params(target=Reference(X_REF, Y_ref))
    for y in (None, np.where(np.arange(150)[:, None] < 12, Y_src, np.nan)):
        reg = RepurposedRegressor(model, aligner).fit(SRC, y)
        assert reg.score(NEW, Y_new) > 0.9
        assert reg.predict_interval(NEW).shape == (300, 2, 2)
    with pytest.raises(ValueError, match="y has 1 labels a row, but the target has 2"):
        reg.fit(SRC, Y_SRC)


def test_a_model_of_named_columns_is_given_them():
    frame = pd.DataFrame(X_REF, columns=["a", "b", "c"])
    model = LinearRegression().fit(frame[["c", "a", "b"]], Y_REF)
    aligner = clone(ALIGNER).set_params(target=Reference(frame, Y_REF))
    reg = RepurposedRegressor(model, aligner).fit(pd.DataFrame(SRC, columns=["a", "b", "c"]))
    assert reg.score(pd.DataFrame(NEW, columns=["a", "b", "c"]), Y_NEW) > OWN - 0.05


def test_the_regressor_is_never_refitted_and_all_pickles():
    model = FrozenEstimator(clone(MODEL).fit(X_REF, Y_REF))
    before = pickle.dumps(model)
    reg = RepurposedRegressor(model, ALIGNER).fit(SRC, known(12))
    assert pickle.dumps(model) == before
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reg)).predict(NEW), reg.predict(NEW))
    assert cross_val_score(reg, SRC, Y_SRC, cv=3).min() > 0.8


@pytest.mark.parametrize(
    ("regressor", "flow", "error", "message"),
    [
        (LinearRegression(), ALIGNER, NotFittedError, "wrap it, regressor=FrozenEstimator"),
        (MODEL, DomainAligner(), ValueError, "has no target"),
        (MODEL, DomainAligner(Reference(X_REF, None)), ValueError, "has no labels"),
        (lambda X: X, ALIGNER, ValueError, "returned an array of shape"),
        (lambda X: X[:, 0] * np.nan, ALIGNER, ValueError, "not finite"),
    ],
)
def test_what_cannot_be_asked_is_refused(regressor, flow, error, message):
    with pytest.raises(error, match=message):
        RepurposedRegressor(regressor, flow).fit(SRC)


def test_nothing_to_score_by():
    reg = RepurposedRegressor(MODEL, ALIGNER).fit(SRC)
    assert reg.score(NEW, np.where(np.arange(300) % 2, Y_NEW, np.nan)) > 0.9
    with pytest.raises(ValueError, match="leave y=None"):
        reg.fit(SRC, np.full(150, np.nan))
    with pytest.raises(ValueError, match="holds no label"):
        reg.score(NEW, np.full(300, np.nan))


def test_an_offset_without_noise_is_no_chance():
    with np.errstate(all="raise"):
        assert _is_real(np.array([40.0]), np.zeros(1), 9)
        assert not _is_real(np.zeros(1), np.zeros(1), 9)


def test_scorers_judge_what_carries():
    right = RepurposedRegressor(MODEL, ALIGNER).fit(SRC)
    none = RepurposedRegressor(MODEL, clone(ALIGNER).set_params(invariance="identity")).fit(SRC)
    for scorer in (neg_otdd_scorer, neg_divergence_scorer):
        assert scorer(right, NEW, Y_NEW) > scorer(none, NEW, Y_NEW)
