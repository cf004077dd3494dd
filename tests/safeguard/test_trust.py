"""Trust in answers: where it is low, they are wrong."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skflow import ConstrainedFlow, OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow.functionals import NormPotential

X, Y = load_digits(return_X_y=True)
ORDER = np.random.RandomState(6).permutation(len(X))
T, S, U = ORDER[:600], ORDER[600:1000], ORDER[1000:]
NOISY = 0.4 * X + 4 + 1.6 * np.random.RandomState(0).randn(*X.shape)
TARGET = Reference(X[T], Y[T])
FROZEN = LogisticRegression(max_iter=300).fit(X[T], Y[T])
QUICK = {"max_iter": 15, "tol": 0.0, "alignment": "diagonal", "random_state": 0}


@pytest.fixture(scope="module")
def flow():
    return OTDDFlowTransformer(TARGET, **QUICK).fit(NOISY[S], Y[S])


def test_trust_is_the_probability_of_a_right_answer(flow):
    trust, right = flow.trust(NOISY[U]), FROZEN.predict(flow.transform(NOISY[U])) == Y[U]
    assert trust.shape == (len(U),)
    assert ((trust >= 0) & (trust <= 1)).all()
    assert roc_auc_score(right, trust) > 0.8
    assert abs(trust.mean() - right.mean()) < 0.08


def test_asked_for_a_model_it_ranks_better_than_the_model_does(flow):
    """Mistakes of the model are those of its own answers, which it is often sure of."""
    moved = flow.transform(NOISY[U])
    right, own = FROZEN.predict(moved) == Y[U], FROZEN.predict_proba(moved).max(axis=1)
    trust = flow.trust(NOISY[U], FROZEN)
    assert roc_auc_score(right, trust) > roc_auc_score(right, own) + 0.02
    assert roc_auc_score(right, trust) > roc_auc_score(right, flow.trust(NOISY[U])) - 0.01


def test_rows_from_elsewhere_deserve_less(flow):
    elsewhere = np.random.RandomState(1).uniform(-30, 30, size=(100, 64))
    assert np.median(flow.trust(elsewhere)) < np.quantile(flow.trust(NOISY[U]), 0.2)


def test_a_row_is_judged_by_itself(flow):
    np.testing.assert_allclose(flow.trust(NOISY[U])[:7], flow.trust(NOISY[U[:7]]), rtol=1e-6)


@pytest.mark.parametrize("model", ["SVC", 0])
def test_what_is_no_model_is_named(flow, model):
    with pytest.raises(ValueError, match=f"model must be a fitted classifier, with predict, got {model!r}"):
        flow.trust(NOISY[U], model)


def test_without_labels_it_ranks():
    flow = PseudoLabelFlow(TARGET, flow=OTDDFlowTransformer(**QUICK), random_state=0).fit(NOISY[S])
    right = FROZEN.predict(flow.transform(NOISY[U])) == Y[U]
    assert roc_auc_score(right, flow.trust(NOISY[U])) > 0.75


def test_a_model_of_one_class_is_always_sure():
    one = np.zeros(60, dtype=int)
    flow = OTDDFlowTransformer(Reference(X[:60], one), pushforward=None, **QUICK).fit(X[60:120], one)
    model = DummyClassifier(strategy="most_frequent").fit(X[:60], one)
    assert ((trust := flow.trust(X[60:120], model)) >= 0).all()
    assert (trust <= 1).all()


def test_a_refit_forgets(flow):
    before = flow.trust(NOISY[U])
    other = OTDDFlowTransformer(TARGET, **QUICK).fit(NOISY[S[:200]], Y[S[:200]])
    other.trust(NOISY[U])
    np.testing.assert_array_equal(other.fit(NOISY[S], Y[S]).trust(NOISY[U]), before)


def test_without_a_target_distance_tells():
    flow = ConstrainedFlow([("norm", NormPotential(weight=0.1))], max_iter=3, tol=0.0, random_state=0)
    flow.fit(X[S], Y[S])
    assert flow.trust(X[U]).mean() > flow.trust(X[U] + 20).mean()
