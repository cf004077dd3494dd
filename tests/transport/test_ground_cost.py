"""The ground cost against SciPy, and its mean against the mean of the matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from skflow.transport import mean_ground_cost, squared_distances
from skflow.transport._ground_cost import add_label_cost, distances_from_inner
from tests._data import array, points, tensor
from tests._tolerances import ROUNDING


def dense(source, target, label_cost):
    """``||x_i - x'_j||^2 + D[y_i, y'_j]``, entry by entry."""
    return cdist(array(source.x), array(target.x), "sqeuclidean") + label_cost[array(source.y)][:, array(target.y)]


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_squared_distances_are_scipys_wherever_the_origin_is(dtype, offset, device):
    x, z = (tensor(np.random.default_rng(s).normal(size=(n, 6)) + offset, device, dtype) for s, n in ((0, 20), (1, 30)))
    expected = cdist(array(x).astype(float), array(z).astype(float), "sqeuclidean")
    np.testing.assert_allclose(array(squared_distances(x, z)), expected, rtol=10 * ROUNDING[dtype])


def test_squared_distances_leave_their_arguments_alone(device):
    x, z = (tensor(np.random.default_rng(s).normal(size=(5, 2)), device) for s in (0, 1))
    before = x.clone(), z.clone()
    squared_distances(x, z)
    assert torch.equal(x, before[0])
    assert torch.equal(z, before[1])


@settings(deadline=None)
@given(st.integers(1, 10), st.integers(1, 5), st.floats(-1e6, 1e6))
def test_squared_distances_are_never_negative(n, d, offset):
    x = tensor(np.random.default_rng(n).normal(size=(n, d)) + offset)
    assert (squared_distances(x, x) >= 0).all()
    assert (distances_from_inner(x @ x.T, x.square().sum(1, keepdim=True), x.square().sum(1)) >= 0).all()


def test_ground_cost_is_features_and_labels(device):
    source, target = points(20, k=3, device=device), points(30, k=4, seed=1, device=device)
    label_cost = np.random.default_rng(2).uniform(size=(3, 4))
    cost = add_label_cost(squared_distances(source.x, target.x), tensor(label_cost, device), source, target)
    np.testing.assert_allclose(array(cost), dense(source, target, label_cost), rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_mean_is_that_of_the_matrix(dtype, offset, device):
    source, target = (points(n, k=k, seed=k, shift=offset, device=device, dtype=dtype) for n, k in ((20, 3), (30, 4)))
    label_cost = np.random.default_rng(2).uniform(size=(3, 4))
    actual = mean_ground_cost(source, target, tensor(label_cost, device, dtype))
    expected = array(source.a) @ dense(source, target, label_cost) @ array(target.a)
    assert actual == pytest.approx(expected, rel=10 * ROUNDING[dtype])
