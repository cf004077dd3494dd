"""The way back: what learns from the answers about moved rows is right on the target, or is not."""

import numpy as np
import pytest
from sklearn.datasets import load_wine, make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.metrics import way_back
from skflow.repurposed._way_home import WayHome
from skflow.safeguard import compare_ways_back

X, y = make_blobs(150, centers=[[0, 0], [6, 0], [0, 9]], random_state=0)


def moving_pays(*sides, **proof):
    return compare_ways_back(*sides, **proof).pays


def test_answers_about_moved_rows_are_believed_where_the_way_back_bears_them_out():
    away = X + np.array([7, 0])
    right, wrong = y, np.where(np.random.RandomState(0).rand(len(y)) < 0.4, 0, y)
    assert moving_pays(away, wrong, X, right, X, y)
    assert not moving_pays(X, right, away, wrong, X, y)
    assert not moving_pays(X, right, X, right, X, y)
    assert moving_pays(X, right, X, right, X, y, proof="none")
    assert not moving_pays(X, right, away, wrong, X, y, proof="none")
    assert moving_pays(away, np.zeros_like(y), X, right, X, y)  # the model said one class of all rows
    assert moving_pays(away, wrong, X, right, X, y, proof="strong")


def test_strong_proof_is_far_fewer_errors():
    chance = np.random.RandomState(0).rand(len(y))
    many, fewer = (np.where(chance < share, (y + 1) % 3, y) for share in (0.62, 0.59))
    back = compare_ways_back(X, many, X, fewer, X, y, proof="none")
    assert back.before < back.after < back.before + 0.4 * (1 - back.before)
    assert back.pays
    assert not moving_pays(X, many, X, fewer, X, y, proof="strong")


def accuracy_on_the_way_back(*sides):
    right, weights = way_back(*sides)
    return np.average(right.mean(axis=0), weights=weights)


def test_the_way_back_is_a_balanced_accuracy():
    assert accuracy_on_the_way_back(X, y, X, y) > 0.98
    assert accuracy_on_the_way_back(X, np.zeros_like(y), X, y) == pytest.approx(1 / 3)
    frequent = np.r_[np.flatnonzero(y == 0)[:5], np.flatnonzero(y > 0)]
    found = accuracy_on_the_way_back(X, np.where(y == 0, 1, y), X[frequent], y[frequent])
    assert found == pytest.approx(2 / 3, abs=0.03)


def of_wine(seed, shift):
    """The target with its labels, shifted rows of the source, and unseen ones with labels."""
    rows, labels = load_wine(return_X_y=True)
    home, source = train_test_split(np.arange(len(rows)), test_size=0.6, random_state=seed, stratify=labels)
    rows = StandardScaler().fit(rows[home]).transform(rows)
    train, test = train_test_split(source, test_size=0.4, random_state=seed, stratify=labels[source])
    return rows[home], labels[home], shift(rows[train]), shift(rows[test]), labels[test]


@pytest.mark.parametrize("safeguard", [True, "divergence"])
def test_an_alignment_that_the_divergence_does_not_tell_from_another_is_found_by_it(safeguard):
    X_home, y_home, X_train, X_test, y_test = of_wine(105, lambda rows: np.exp(0.8 * rows))
    inner = OTDDFlowTransformer(safeguard=safeguard)
    flow = PseudoLabelFlow(Reference(X_home, y_home), flow=inner, random_state=0).fit(X_train)
    model = LogisticRegression(max_iter=1000).fit(X_home, y_home)
    accuracy = model.score(flow.transform(X_test), y_test)
    assert flow.flow_.aligner_.alignment_.verdict == "not found"
    if safeguard is True:
        assert flow.decision_.judged_by == "divergence and the way back"
        assert "models that learn from answers about aligned rows are right on" in flow.decision_.reason
        assert accuracy > 0.85
        way = WayHome(X_train, flow.flow_.aligner_, Reference(X_home, y_home))
        assert way.is_doubtful
        assert not way.is_known  # nothing speaks for it yet
        assert not way.at_home
        inner = OTDDFlowTransformer(Reference(X_home, y_home), random_state=0)
        answers = RepurposedClassifier(FrozenEstimator(model), inner).fit(X_train).predict(X_test)
        assert (answers == y_test).mean() > 0.85
    else:
        assert flow.decision_.chosen.name == "leave"
        assert accuracy < 0.5
