"""Class proportions: of a graph, and of a model's probabilities."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_classification
from sklearn.linear_model import LogisticRegression

from skflow.labelling import (
    NeighbourGraph,
    class_prior,
    estimate_proportions,
    temper,
)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1, 0.9]])
def test_class_prior_is_where_data_are_sparse(shares):
    n = (np.array(shares) * 200).astype(int)
    X, y = make_blobs(n, centers=[[0, 0], [4, 0]], random_state=0)
    graph = NeighbourGraph(X)
    beliefs = graph.spread(temper(np.eye(2)[y] * 0.8 + 0.1, 0.5))
    np.testing.assert_allclose(class_prior(graph, beliefs, np.array(shares)), shares)


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]])
def test_proportions_are_found_within_their_uncertainty(shares):
    X, y = make_classification(6000, 8, n_informative=6, n_redundant=0, n_classes=4, class_sep=1.5, random_state=0)
    model = LogisticRegression().fit(X[:3000], y[:3000])
    rng, rows = np.random.default_rng(0), 3000 + np.arange(3000)
    chosen = np.concatenate([rng.choice(rows[y[3000:] == k], int(500 * share)) for k, share in enumerate(shares)])
    prior = np.bincount(y[:3000]) / 3000
    found = estimate_proportions(model.predict_proba(X[chosen]), prior)
    assert np.abs(found.values - shares).sum() / 2 < 0.05
    assert (np.abs(found.values - shares) < 4 * found.standard_errors + 0.02).all()
    before = np.abs(model.predict_proba(X[chosen]).mean(axis=0) - shares).sum() / 2
    assert np.abs(found.values - shares).sum() / 2 <= before + 1e-3


def test_uncertainty_is_that_of_counts_where_the_model_is_sure():
    """Multinomial standard errors."""
    counts = np.array([60, 30, 10])
    found = estimate_proportions(np.eye(3)[np.repeat(np.arange(3), counts)], np.full(3, 1 / 3))
    p = counts / 100
    np.testing.assert_allclose(found.values, p, atol=1e-8)
    np.testing.assert_allclose(found.covariance, (np.diag(p) - np.outer(p, p)) / 100, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(p * (1 - p) / 100), atol=1e-8)


def test_a_single_class_has_no_choice():
    found = estimate_proportions(np.ones((5, 1)), np.ones(1))
    assert found.values == [1]
    assert found.standard_errors == [0]
