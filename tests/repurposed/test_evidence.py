"""How far a model's answers and a few known labels are believed."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from skflow.labelling import NeighbourGraph
from skflow.repurposed._evidence import TEMPER, confusion_of, read_as, weigh_evidence, weigh_second
from skflow.repurposed._own_answers import clearly_better, own_answers_stand
from skflow.repurposed._second_query import halves

K = 3
X, y = make_blobs(150, centers=[[0, 0], [6, 0], [0, 9]], random_state=0)
GRAPH = NeighbourGraph(X)


def predictions_of(codes, sure=0.8):
    return np.where(np.eye(K, dtype=bool)[codes], sure, (1 - sure) / (K - 1))


def known_rows(k):
    return np.sort(np.concatenate([np.flatnonzero(y == label)[:k] for label in range(K)]))


@pytest.mark.parametrize("k", [0, 1, 4])
def test_good_answers_are_believed(k):
    noisy = np.where(np.random.RandomState(0).rand(len(y)) < 0.3, (y + 1) % K, y)
    rows = known_rows(k)
    found = weigh_evidence(GRAPH, predictions_of(noisy), rows, y[rows], K)
    assert (found.beliefs.argmax(axis=1) == y).mean() > (noisy == y).mean() + 0.05
    assert set(found.weights) == {"predictions", "spread", "labels"} - ({"labels"} if k == 0 else set())
    assert found.prediction_weight > TEMPER


def test_answers_that_mislead_are_silenced():
    rows, said = known_rows(4), np.random.RandomState(0).randint(K, size=len(y))
    found = weigh_evidence(GRAPH, predictions_of(said, 0.99), rows, y[rows], K)
    assert (found.beliefs.argmax(axis=1) == y).mean() > 0.95
    assert read_as(predictions_of(said, 0.99), found.confusion).max() < 0.6
    assert found.weights["labels"] > 0.1
    assert found.prediction_weight == 0


def test_answers_that_are_wrong_in_the_same_way_throughout_are_understood():
    rows = known_rows(4)
    found = weigh_evidence(GRAPH, predictions_of((y + 1) % K, 0.99), rows, y[rows], K)
    assert (found.confusion.argmax(axis=1) == (np.arange(K) + 1) % K).all()
    assert (found.beliefs.argmax(axis=1) == y).mean() > 0.95
    assert found.prediction_weight > TEMPER


@pytest.mark.parametrize("k", [0, 1])
def test_no_confusion_without_a_label_to_hide(k):
    rows = known_rows(k)
    assert weigh_evidence(GRAPH, predictions_of(y), rows, y[rows], K).confusion is None


def test_confusion_is_counted():
    rng = np.random.RandomState(0)
    truth = np.repeat(np.arange(K), 4000)
    rates = np.array([[0.8, 0.2, 0.0], [0.1, 0.6, 0.3], [0.0, 0.0, 1.0]])
    said = np.array([rng.choice(K, p=rates[k]) for k in truth])
    found = confusion_of(np.eye(K)[said], np.eye(K)[truth], sure=1.0)
    np.testing.assert_allclose(found, rates, atol=0.03)  # four standard deviations
    np.testing.assert_allclose(confusion_of(np.eye(K)[said], np.eye(K)[truth], sure=1e-6), np.eye(K), atol=1e-5)
    posterior = rates / rates.sum(axis=0)  # of equally frequent classes
    np.testing.assert_allclose(read_as(np.eye(K), rates), posterior.T, atol=1e-8)


def test_labels_that_foretell_by_accident_at_best_are_no_witness():
    """Few labels where neighbours have nothing in common."""
    rng = np.random.RandomState(0)
    noise, truth = NeighbourGraph(rng.randn(150, 20)), rng.randint(K, size=150)
    rows = np.sort(np.concatenate([np.flatnonzero(truth == label)[:4] for label in range(K)]))
    weights = weigh_evidence(noise, predictions_of(truth), rows, truth[rows], K).weights
    assert weights["labels"] == 0
    assert weights["predictions"] > 0


def test_without_answers_there_are_the_labels():
    rows = known_rows(2)
    found = weigh_evidence(GRAPH, None, rows, y[rows], K)
    assert (found.beliefs.argmax(axis=1) == y).mean() > 0.95
    assert list(found.weights) == ["labels"]
    assert found.prediction_weight == 0
    assert found.confusion is None


def test_second_witness_is_heard_as_far_as_it_helps():
    codes, before = y[:30], predictions_of(y[:30], 0.5)
    nothing_known = np.empty((0, K)), np.empty((0, K)), codes[:0]
    assert weigh_second(*nothing_known)[1] == pytest.approx(TEMPER)
    assert weigh_second(before, predictions_of((codes + 1) % K), codes)[1] < 0.05
    assert weigh_second(before, predictions_of(codes), codes)[1] > TEMPER


def test_halves_share_classes_and_known_labels():
    known = np.zeros(len(y), dtype=bool)
    known[known_rows(5)] = True
    first, second = halves(y, known)
    assert (first ^ second).all()
    for label in range(K):
        rows = y == label
        assert abs(rows[first].sum() - rows[second].sum()) <= 1
        assert min(known[first & rows].sum(), known[second & rows].sum()) == 2


def answers(right, codes):
    """Answers about rows of these classes, of which `right` are right."""
    return predictions_of(np.where(right, codes, (codes + 1) % K))


FEW = np.repeat(np.arange(K), 5)


@pytest.mark.parametrize(
    ("n_own", "n_others", "stand", "stand_at_home"),
    [
        (15, 15, True, True),
        (12, 12, True, True),
        (11, 12, True, True),  # one row is no evidence
        (11, 13, False, True),  # two that no row contradicts are, unless the rows lie amid the target's
        (8, 12, False, True),
        (3, 14, False, False),
    ],
)
def test_the_models_own_answers_stand_unless_labels_say_otherwise(n_own, n_others, stand, stand_at_home):
    own, others = (answers(np.arange(15) < n, FEW) for n in (n_own, n_others))
    assert own_answers_stand(own, others, FEW, at_home=False) == stand
    assert own_answers_stand(own, others, FEW, at_home=True) == stand_at_home
    assert clearly_better(own, others, FEW) != stand_at_home


def test_rows_that_contradict_each_other_are_no_evidence():
    own, others = answers(np.arange(15) >= 4, FEW), answers(np.arange(15) < 13, FEW)
    assert own_answers_stand(own, others, FEW, at_home=False)  # four for the others, two for the model


def test_of_one_label_a_class_a_model_at_home_need_only_be_better_than_a_guess():
    codes = np.arange(K)
    assert own_answers_stand(answers(codes < 2, codes), None, codes, at_home=True)
    assert not own_answers_stand(answers(codes < 1, codes), None, codes, at_home=True)
    assert not own_answers_stand(answers(codes < 2, codes), None, codes, at_home=False)


@pytest.mark.parametrize("seed", range(3))
def test_few_labels_by_accident_do_not_overrule_a_model_at_home(seed):
    """The labels' neighbours foretell them now and then where classes overlap; the model is right more often."""
    rng = np.random.RandomState(seed)
    codes = rng.randint(2, size=80)
    rows = rng.randn(80, 4) + 0.4 * codes[:, None]
    model = LogisticRegression().fit(rng.randn(400, 4) + 0.4 * (np.arange(400) % 2)[:, None], np.arange(400) % 2)
    few = np.concatenate([np.flatnonzero(codes == k)[:5] for k in range(2)])
    said = model.predict_proba(rows)
    left_out = weigh_evidence(NeighbourGraph(rows), said, few, codes[few], 2).left_out
    assert own_answers_stand(said[few], left_out, codes[few], at_home=True)
