"""The default clusterer, and which class each cluster is."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.manifold import spectral_embedding
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow.labelling import (
    NeighbourGraph,
    SpectralMixture,
    name_clusters,
)


@parametrize_with_checks([SpectralMixture(3)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500], y[:500]


def test_alignment():
    X, y = make_blobs(90, centers=[[0, 0], [5, 0], [0, 5]], cluster_std=0.3, random_state=0)
    names = np.array(["c", "a", "b"])[y]
    assert name_clusters(X, y, X + 0.5, names) == {0: "c", 1: "a", 2: "b"}
    more = np.where(X[:, 1] > X[:, 1].max() / 2, 3, y)  # one class too many
    assert set(name_clusters(X, more, X, names).values()) == {"a", "b", "c"}


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


def test_embedding_is_scikit_learns(digits):
    """The same plane of eigenvectors as :func:`sklearn.manifold.spectral_embedding`, for few rows and for many."""
    from skflow.labelling._clusters import embed_graph

    for n in (200, 500):
        graph = NeighbourGraph(digits[0][:n], 10)
        ours = embed_graph(graph, 4, np.random.RandomState(0))
        theirs = spectral_embedding(graph.weights, n_components=4, random_state=0)
        cosines = np.linalg.svd(np.linalg.qr(ours)[0].T @ np.linalg.qr(theirs)[0])[1]
        np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_parts_that_do_not_hang_together_are_clusters(recwarn):
    X, y = make_blobs(400, centers=[[0, 0], [100, 0], [0, 100]], random_state=0)
    assert adjusted_rand_score(y, SpectralMixture(3, random_state=0).fit_predict(X)) == 1
    assert not recwarn.list


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_rows(n):
    labels = SpectralMixture(2, random_state=0).fit_predict(np.arange(n, dtype=float)[:, None] ** 2)
    assert len(labels) == n


def test_probabilities_that_vanish_are_no_errors():
    """Under the user's own error state, too: far clusters have none."""
    X = np.concatenate([np.random.RandomState(0).normal(size=(40, 2)) + 1e3 * k for k in range(4)])
    plain = SpectralMixture(4, random_state=0).fit_predict(X)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(SpectralMixture(4, random_state=0).fit_predict(X), plain)
