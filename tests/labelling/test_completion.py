"""Labels where there are few or none: what is plain stays, clusters are named, nothing depends on seeds."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_breast_cancer, load_wine, make_blobs
from sklearn.preprocessing import StandardScaler

from skflow.labelling import NeighbourGraph, complete_labels, labelling_loss

CENTRES = np.array([[0.0, 0], [6, 0], [0, 9]])
X, y = make_blobs(120, centers=CENTRES, cluster_std=0.5, random_state=0)
X_ref, y_ref = make_blobs(90, centers=CENTRES, cluster_std=0.5, random_state=1)
TARGET = (X_ref, np.array(["a", "b", "c"])[y_ref])
NONE = np.zeros(len(X), dtype=bool)


def complete(X, labels=y[:0], known=None, target=TARGET, seed=0, **options):
    known = np.zeros(len(X), dtype=bool) if known is None else known
    return complete_labels(X, labels, known, target=target, random_state=seed, **options)


def table(load, seed=0):
    X, y = load(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(X))
    home, away = order[::2], order[1::2]
    X = StandardScaler().fit(X[home]).transform(X)
    return X[away], y[away], (X[home], y[home])


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_rows_take_the_class_that_lies_there(shift):
    found = complete(X + shift)
    assert (found.labels == np.array(["a", "b", "c"])[y]).all()
    assert found.names == {"a": "a", "b": "b", "c": "c"}
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_plain_evidence_is_not_overruled_by_clusters(load):
    """Blind clusters had 42 and 66 % on tables where nothing had to move."""
    rows, truth, target = table(load)
    assert (complete(rows, target=target).labels == truth).mean() > 0.92


def test_units_and_frequencies_may_change():
    rows, truth, target = table(load_wine)
    units = np.exp(np.random.RandomState(1).randn(rows.shape[1]) / 2)
    assert (complete(rows * units + units, target=target).labels == truth).mean() > 0.9
    rare = (truth == 0) | (np.random.RandomState(2).rand(len(truth)) < 0.3)
    assert (complete(rows[rare], target=target).labels == truth[rare]).mean() > 0.9


@pytest.mark.parametrize("load", [load_wine])
def test_seeds_orders_and_halves_tell_the_same(load):
    rows, _, target = table(load)
    labels, order = complete(rows, target=target).labels, np.random.RandomState(0).permutation(len(rows))
    assert (complete(rows, target=target, seed=1).labels == labels).mean() > 0.97
    assert (complete(rows[order], target=target).labels == labels[order]).mean() > 0.97
    assert (complete(rows[::2], target=target).labels == labels[::2]).mean() > 0.9
    assert complete(rows, target=target).stability > 0.9


def test_classes_that_are_not_stable_are_warned_of():
    rows = np.random.RandomState(0).randn(90, 5)
    target = np.random.RandomState(1).randn(90, 5), np.arange(90) % 3
    with pytest.warns(UserWarning, match=r"not stable: \d+% of the rows"):
        assert complete(rows, target=target).stability < 0.9


def test_units_do_not_matter():
    expected = complete(X + 1).labels
    for unit in (1e-20, 1e20):
        scaled = complete((X + 1) * unit, target=(X_ref * unit, TARGET[1]))
        np.testing.assert_array_equal(scaled.labels, expected)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # among three rows
@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_rows(n):
    assert len(complete(X[:n]).labels) == n


def test_one_target_class():
    assert set(complete(X, target=(X_ref, np.zeros(90, int))).labels) == {0}


def test_known_labels_stay_and_spread():
    known = NONE.copy()
    known[[np.flatnonzero(y == k)[0] for k in range(3)]] = True
    found = complete(X, y[known], known)
    np.testing.assert_array_equal(found.labels, y)
    assert (found.confidence[known] == 1).all()
    assert found.names is None
    everything = complete(X, y, ~NONE)
    assert everything.labels is y
    assert (everything.confidence == 1).all()


def test_users_clusterer_is_cloned_and_its_clusters_named():
    clusterer = DBSCAN(0.3, min_samples=4)
    found = complete(X, clusterer=clusterer)
    noise = found.clusterer.labels_ == -1
    assert noise.any()
    assert found.labels.min() >= 0
    assert found.confidence[noise].mean() < found.confidence[~noise].mean()
    named = np.array([found.names[label] for label in found.labels.tolist()])
    assert (named == np.array(["a", "b", "c"])[y]).mean() > 0.95
    assert not hasattr(clusterer, "labels_")
    assert set(complete(X, clusterer=KMeans(5, n_init=1, random_state=0)).names.values()) == {"a", "b", "c"}


class Wrong(KMeans):
    """Returns what its parameter `init` says."""

    def fit_predict(self, X, y=None):
        return self.init


@pytest.mark.parametrize("answer", [np.zeros(3, int), np.zeros((120, 2), int), None, ["a"] * 120, np.full(120, 0.5)])
def test_clusterers_of_wrong_answers_are_named(answer):
    with pytest.raises(ValueError, match=r"(?s)clusterer=Wrong\(.*must return 120 integers"):
        complete(X, clusterer=Wrong(init=answer))
    with pytest.raises(ValueError, match="found no cluster: all 120 rows are noise"):
        complete(X, clusterer=DBSCAN(1e-9))


def test_loss_prefers_the_truth():
    graph, rng = NeighbourGraph(X), np.random.default_rng(0)
    truth = labelling_loss(X + 3, y, X_ref, y_ref, graph)
    assert truth < 0.05  # a common translation costs nothing
    assert truth < labelling_loss(X + 3, (y + 1) % 3, X_ref, y_ref, graph)
    for unit in (1e-30, 1e30):
        assert labelling_loss(unit * (X + 3), y, unit * X_ref, y_ref, graph) == pytest.approx(truth)
    assert truth < labelling_loss(X + 3, np.where(rng.random(120) < 0.1, 0, y), X_ref, y_ref, graph)
    assert truth + 0.3 < labelling_loss(X + 3, np.zeros(120, int), X_ref, y_ref, graph)


@pytest.mark.parametrize("labelled", [[0], [1, 2]])
def test_classes_without_a_label_do_not_vanish(labelled):
    known = np.isin(y, labelled) & (np.arange(len(y)) % 5 == 0)
    names = np.array(["a", "b", "c"])[y]
    with pytest.warns(UserWarning, match="No row is labelled as .* are looked for where the target's lie"):
        found = complete(X + 1.0, names[known], known)
    assert (found.labels == names).all()
    assert (found.confidence[known] == 1).all()


def test_labels_that_fit_better_than_the_target_are_kept():
    gone = y != 2
    known = np.arange(gone.sum()) % 5 == 0
    names = np.array(["a", "b", "c"])[y[gone]]
    swapped = TARGET[0], np.array(["b", "a", "c"])[y_ref]  # the target's names lie elsewhere than the labels'
    with pytest.warns(UserWarning, match=r"No row is labelled as \['c'\], 1 of 3 classes of the target"):
        found = complete(X[gone], names[known], known, target=swapped)
    assert (found.labels[known] == names[known]).all()
