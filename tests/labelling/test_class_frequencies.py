"""Class proportions that fit a graph."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from skflow.labelling import (
    NeighbourGraph,
    class_prior,
    temper,
)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1, 0.9]])
def test_class_prior_is_where_data_are_sparse(shares):
    n = (np.array(shares) * 200).astype(int)
    X, y = make_blobs(n, centers=[[0, 0], [4, 0]], random_state=0)
    graph = NeighbourGraph(X)
    beliefs = graph.spread(temper(np.eye(2)[y] * 0.8 + 0.1, 0.5))
    np.testing.assert_allclose(class_prior(graph, beliefs, np.array(shares)), shares)
