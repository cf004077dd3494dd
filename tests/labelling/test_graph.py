"""The neighbour graph: spreading against scikit-learn's own, unseen rows, cuts."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve
from sklearn.datasets import load_digits, make_blobs
from sklearn.semi_supervised import LabelSpreading

from skflow.labelling import (
    NeighbourGraph,
    combine,
    rows_to_one,
    temper,
)


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


def test_several_pieces_spread_at_once_as_alone(digits):
    X = digits[0]
    graph, rng = NeighbourGraph(X), np.random.default_rng(0)
    pieces = (rng.random((3, len(X), 10)) < 0.01).astype(float)
    exact = sparse.eye_array(len(X)) - 0.99 * graph.normalised
    for spread, piece in zip(graph.spread(pieces), pieces, strict=True):
        np.testing.assert_allclose(spread, graph.spread(piece), atol=1e-4)
        np.testing.assert_allclose(spread, rows_to_one(np.maximum(spsolve(exact.tocsc(), piece), 1e-10)), atol=1e-3)


@pytest.mark.parametrize("unit", [1e-150, 1e-30, 1e30, 1e140])
def test_units_do_not_matter(digits, unit):
    X = digits[0]
    np.testing.assert_allclose(
        NeighbourGraph(X * unit).weights.toarray(), NeighbourGraph(X).weights.toarray(), atol=1e-9
    )


def test_offsets_do_not_matter(digits):
    X = digits[0]
    graph, moved = NeighbourGraph(X), NeighbourGraph(X + 1e9)
    np.testing.assert_allclose(moved.weights.toarray(), graph.weights.toarray(), atol=1e-5)


@pytest.mark.parametrize("state", ["raise", "warn", "ignore"])
def test_any_error_state_of_numpy(digits, state):
    X, y = digits
    before = np.seterr(all=state)
    try:
        graph = NeighbourGraph(np.r_[X, X[:1] + 1e4])
        beliefs = combine(graph.spread(np.eye(10)[[*y, 0]]), temper(np.eye(10)[[*y, 0]], 40))
        assert np.isfinite(beliefs).all()
        assert np.geterr()["over"] == state
    finally:
        np.seterr(**before)
