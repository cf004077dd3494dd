"""Labels for the unlabelled: spreading against scikit-learn's, balancing, trust, alignment, the default clusterer."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow.labelling import (
    NeighbourGraph,
    SpectralMixture,
    align,
    balance,
    class_prior,
    combine,
    confidence_of,
    is_unlabelled,
    rows_to_one,
    temper,
    weigh,
)


@parametrize_with_checks([SpectralMixture(3)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500], y[:500]


def test_spreading_is_label_spreading(digits):
    """On the same graph, with scikit-learn's own closed form of it as a dense system."""
    X, y = digits
    graph = NeighbourGraph(X, n_components=64)
    known = np.where(np.arange(len(y)) < 60, y, -1)
    weights = graph.weights.toarray()
    other = LabelSpreading(kernel=lambda a, b: weights, alpha=0.9, max_iter=2000, tol=1e-9).fit(X, known)
    evidence = (known[:, None] == np.arange(10)).astype(float)
    # scikit-learn takes the diagonal of its Laplacian to be zero; so is that of the graph
    np.testing.assert_allclose(graph.spread(evidence, alpha=0.9), other.label_distributions_, atol=1e-4)


def test_graph_is_symmetric_and_knows_unseen_rows(digits):
    X, y = digits
    graph = NeighbourGraph(X[:400])
    assert abs(graph.weights - graph.weights.T).max() == 0
    assert graph.weights.diagonal().max() == 0
    beliefs = graph.extend(X[400:], np.eye(10)[y[:400]])
    np.testing.assert_allclose(beliefs.sum(axis=1), 1)
    assert (beliefs.argmax(axis=1) == y[400:]).mean() > 0.9


def test_cut_counts_edges_between_classes():
    X, y = make_blobs(60, centers=[[0, 0], [100, 0]], random_state=0)
    graph = NeighbourGraph(X)
    assert graph.cut(y) == 0
    assert graph.cut(np.zeros(60, int)) == 0
    assert graph.cut(np.arange(60) % 2) > 0.3


@pytest.mark.parametrize("X", [np.zeros((5, 2)), np.array([[0.0], [1.0]]), np.r_[np.zeros((9, 1)), [[1e9]]]])
def test_graphs_of_odd_data_are_finite(X):
    graph = NeighbourGraph(X)
    assert np.isfinite(graph.spread(np.eye(len(X)))).all()


def test_balancing_meets_the_prior():
    beliefs = rows_to_one(np.random.default_rng(0).random((50, 3)) ** 3)
    prior = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(balance(beliefs, prior).mean(axis=0), prior, atol=1e-3)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1, 0.9]])
def test_class_prior_is_where_data_are_sparse(shares):
    n = (np.array(shares) * 200).astype(int)
    X, y = make_blobs(n, centers=[[0, 0], [4, 0]], random_state=0)
    graph = NeighbourGraph(X)
    beliefs = graph.spread(temper(np.eye(2)[y] * 0.8 + 0.1, 0.5))
    np.testing.assert_allclose(class_prior(graph, beliefs, np.array(shares)), shares)


def test_weighing_of_witnesses():
    codes = np.arange(40) % 4
    good = np.full((40, 4), 0.15)
    good[np.arange(40), codes] = 0.55
    wrong = np.roll(good, 1, axis=1)
    blind = np.full((40, 4), 0.25)
    (trusted, misleading, silent), _ = weigh([good, wrong, blind], codes, [1, 1, 1], [1, 1, 1])
    assert trusted > 1  # right more often than it claims
    assert misleading < 0.2
    assert silent == pytest.approx(1, abs=1e-3)  # nothing speaks for or against it
    cocky = temper(good, 20)
    cocky[:10] = np.roll(cocky[:10], 1, axis=1)
    assert weigh([cocky], codes, [1], [1])[0] < 0.3
    assert weigh([good[:1]], codes[:1], [1], [1])[0] < weigh([good], codes, [1], [1])[0]


def test_weighing_follows_its_gradient():
    rng = np.random.default_rng(0)
    witnesses, codes = [rows_to_one(rng.random((30, 3))) for _ in range(2)], rng.integers(0, 3, 30)

    def loss(powers):
        product = combine(*(temper(w, p) for w, p in zip(witnesses, powers, strict=True)))
        return -np.log(product[np.arange(30), codes]).sum() + ((powers - [2, 1]) ** 2).sum() / 2

    best, surprise = weigh(witnesses, codes, [2, 1], [1, 1])
    assert surprise == pytest.approx(loss(best))
    for step in np.eye(2) * 1e-2:
        assert loss(best) <= min(loss(best + step), loss(np.maximum(best - step, 0))) + 1e-6


def test_combining_multiplies():
    a, b = np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(combine(a, b), [[0.2, 0.8], [0.9, 0.1]])
    np.testing.assert_allclose(temper(b, 0), 0.5)


def test_confidence():
    np.testing.assert_allclose(confidence_of(np.array([[0.5, 0.5], [1, 0], [0.2, 0.8]])), [0, 1, 0.75])
    np.testing.assert_allclose(confidence_of(np.ones((2, 1))), 1)


@pytest.mark.parametrize(
    ("y", "marker", "expected"),
    [
        ([1, -1, 0], -1, [False, True, False]),
        ([1.0, -1.0, 0.0], -1, [False, True, False]),
        (["a", "-1", "b"], -1, [False, False, False]),
        (["a", "?", "b"], "?", [False, True, False]),
        (np.array(["a", -1, "b"], dtype=object), -1, [False, True, False]),
        ([1, -1, 0], None, [False, False, False]),
        ([1, -1, 0], "?", [False, False, False]),
        ([1, -1, 1], -1, [False, False, False]),
        ([-1, -1, -1], -1, [True, True, True]),
        ([2, -1, 2], -1, [False, True, False]),
    ],
)
def test_unlabelled_rows(y, marker, expected):
    assert is_unlabelled(np.asarray(y), marker).tolist() == expected


def test_alignment():
    X, y = make_blobs(90, centers=[[0, 0], [5, 0], [0, 5]], cluster_std=0.3, random_state=0)
    names = np.array(["c", "a", "b"])[y]
    assert align(X, y, X + 0.5, names) == {0: "c", 1: "a", 2: "b"}
    more = np.where(X[:, 1] > X[:, 1].max() / 2, 3, y)  # one class too many
    assert set(align(X, more, X, names).values()) == {"a", "b", "c"}


def test_default_clusterer_beats_k_means_on_digits(digits):
    from sklearn.cluster import KMeans

    X, y = digits
    ours = adjusted_rand_score(y, SpectralMixture(10, random_state=0).fit_predict(X))
    assert ours > adjusted_rand_score(y, KMeans(10, n_init=5, random_state=0).fit_predict(X))


def test_clusterer_errors_name_parameter_and_value():
    with pytest.raises(ValueError, match="n_clusters=5 is more than n_samples=3"):
        SpectralMixture(5).fit(np.eye(3))
    with pytest.raises(ValueError, match="n_samples=1"):
        NeighbourGraph(np.zeros((1, 2)))
