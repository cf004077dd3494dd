"""How far a model's answers and a few known labels are believed."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from skflow._evidence import TEMPER, halves, weigh_evidence, weigh_second
from skflow.labelling import NeighbourGraph

K = 3
X, y = make_blobs(150, centers=[[0, 0], [6, 0], [0, 9]], random_state=0)
GRAPH = NeighbourGraph(X)


def answers_of(codes, sure=0.8):
    return np.where(np.eye(K, dtype=bool)[codes], sure, (1 - sure) / (K - 1))


def known_rows(k):
    return np.sort(np.concatenate([np.flatnonzero(y == label)[:k] for label in range(K)]))


@pytest.mark.parametrize("k", [0, 1, 4])
def test_good_answers_are_believed(k):
    noisy = np.where(np.random.RandomState(0).rand(len(y)) < 0.3, (y + 1) % K, y)
    rows = known_rows(k)
    beliefs, powers, trust = weigh_evidence(GRAPH, answers_of(noisy), rows, y[rows], K)
    assert (beliefs.argmax(axis=1) == y).mean() > (noisy == y).mean() + 0.05
    assert set(powers) == {"answers", "spread", "labels"} - ({"labels"} if k == 0 else set())
    assert trust > TEMPER


def test_answers_that_mislead_are_silenced():
    rows = known_rows(4)
    beliefs, powers, trust = weigh_evidence(GRAPH, answers_of((y + 1) % K), rows, y[rows], K)
    assert (beliefs.argmax(axis=1) == y).mean() > 0.95
    assert trust < 0.1 < powers["labels"]


def test_labels_that_foretell_by_accident_at_best_are_no_witness():
    """Few labels where neighbours have nothing in common."""
    rng = np.random.RandomState(0)
    noise, truth = NeighbourGraph(rng.randn(150, 20)), rng.randint(K, size=150)
    rows = np.sort(np.concatenate([np.flatnonzero(truth == label)[:4] for label in range(K)]))
    _, powers, _ = weigh_evidence(noise, answers_of(truth), rows, truth[rows], K)
    assert powers["labels"] == 0
    assert powers["answers"] > 0


def test_without_answers_there_are_the_labels():
    rows = known_rows(2)
    beliefs, powers, trust = weigh_evidence(GRAPH, None, rows, y[rows], K)
    assert (beliefs.argmax(axis=1) == y).mean() > 0.95
    assert list(powers) == ["labels"]
    assert trust == 0


def test_second_witness_is_heard_as_far_as_it_helps():
    codes, before = y[:30], answers_of(y[:30], 0.5)
    nothing_known = np.empty((0, K)), np.empty((0, K)), codes[:0]
    assert weigh_second(*nothing_known)[1] == pytest.approx(TEMPER)
    assert weigh_second(before, answers_of((codes + 1) % K), codes)[1] < 0.05
    assert weigh_second(before, answers_of(codes), codes)[1] > TEMPER


def test_halves_share_classes_and_known_labels():
    known = np.zeros(len(y), dtype=bool)
    known[known_rows(5)] = True
    first, second = halves(y, known)
    assert (first ^ second).all()
    for label in range(K):
        rows = y == label
        assert abs(rows[first].sum() - rows[second].sum()) <= 1
        assert min(known[first & rows].sum(), known[second & rows].sum()) == 2
