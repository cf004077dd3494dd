"""Class proportions from a model's probabilities."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skflow._proportions import estimate_proportions


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]])
def test_proportions_are_found(shares):
    """By a model that is right but for the proportions: Gaussian classes of one covariance."""
    rng, centres = np.random.default_rng(0), np.eye(4) * 2
    y = np.repeat(np.arange(4), 5000)
    model = LinearDiscriminantAnalysis().fit(centres[y] + rng.normal(size=(len(y), 4)), y)
    for _ in range(20):
        truth = rng.choice(4, p=shares, size=300)
        answers = model.predict_proba(centres[truth] + rng.normal(size=(300, 4)))
        assert np.abs(estimate_proportions(answers, np.full(4, 0.25)) - shares).sum() / 2 < 0.12


def test_they_are_counts_where_the_model_is_sure():
    counts = np.array([60, 30, 10])
    found = estimate_proportions(np.eye(3)[np.repeat(np.arange(3), counts)], np.full(3, 1 / 3))
    np.testing.assert_allclose(found, counts / 100, atol=1e-8)


def test_a_single_class_has_no_choice():
    assert estimate_proportions(np.ones((5, 1)), np.ones(1)) == [1]
