"""Class proportions: of a graph, and of a model's probabilities."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skflow.labelling import (
    NeighbourGraph,
    class_prior,
    proportions_with_errors,
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
    """By a model that is right but for the proportions: Gaussian classes of one covariance."""
    rng, centres = np.random.default_rng(0), np.eye(4) * 2
    y = np.repeat(np.arange(4), 5000)
    model = LinearDiscriminantAnalysis().fit(centres[y] + rng.normal(size=(len(y), 4)), y)
    off = []
    for _ in range(20):
        truth = rng.choice(4, p=shares, size=300)
        found = proportions_with_errors(
            model.predict_proba(centres[truth] + rng.normal(size=(300, 4))), np.full(4, 0.25)
        )
        off.append((found.values - shares) / found.standard_errors)
        assert np.abs(found.values - shares).sum() / 2 < 0.12
    if min(shares) > 0:  # at the border the likelihood is no parabola
        assert 0.7 < np.std(off) < 1.4
        assert np.abs(np.mean(off, axis=0)).max() < 0.8


def test_uncertainty_is_that_of_counts_where_the_model_is_sure():
    """Multinomial standard errors."""
    counts = np.array([60, 30, 10])
    found = proportions_with_errors(np.eye(3)[np.repeat(np.arange(3), counts)], np.full(3, 1 / 3))
    p = counts / 100
    np.testing.assert_allclose(found.values, p, atol=1e-8)
    np.testing.assert_allclose(found.covariance, (np.diag(p) - np.outer(p, p)) / 100, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(p * (1 - p) / 100), atol=1e-8)


def test_a_single_class_has_no_choice():
    found = proportions_with_errors(np.ones((5, 1)), np.ones(1))
    assert found.values == [1]
    assert found.standard_errors == [0]
