"""Codewords: all different, as far apart as there is room for, and cheap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.repurposed._codewords import codewords, n_flows_needed


@given(st.integers(2, 30), st.integers(2, 10), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_words_differ_and_use_all_targets_alike(K, n_target, seed):
    length = n_flows_needed(K, n_target)
    words = codewords(np.random.default_rng(seed).random((K, n_target)), length)
    assert words.shape == (K, length)
    assert len(np.unique(words, axis=0)) == K
    for used in words.T:
        assert np.bincount(used).max() <= -(-K // n_target)


def test_one_flow_is_the_optimal_assignment():
    distances = np.random.default_rng(0).random((5, 7))
    from scipy.optimize import linear_sum_assignment

    np.testing.assert_array_equal(codewords(distances, 1)[:, 0], linear_sum_assignment(distances)[1])


def test_words_are_cheaper_and_further_apart_than_random_ones():
    rng = np.random.default_rng(0)
    distances = rng.random((26, 10))

    def cost(words):
        return distances[np.arange(26)[:, None], words].mean()

    def close_pairs(words):
        shared = (words[:, None] == words[None]).sum(-1)
        return (shared[np.triu_indices(26, 1)] >= 2).sum()

    ours, others = codewords(distances, 3), [rng.integers(10, size=(26, 3)) for _ in range(20)]
    assert cost(ours) < min(map(cost, others))
    assert close_pairs(ours) <= min(map(close_pairs, others))


@pytest.mark.parametrize(("K", "n_target", "expected"), [(10, 10, 1), (3, 10, 1), (26, 10, 3), (100, 10, 3), (4, 2, 3)])
def test_number_of_flows(K, n_target, expected):
    assert n_flows_needed(K, n_target) == expected


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="1 flows to 10 target classes make 10 codewords, too few for 26"):
        codewords(np.ones((26, 10)), 1)
    with pytest.raises(ValueError, match="3 source classes cannot be told apart by a target with 1 class"):
        n_flows_needed(3, 1)
