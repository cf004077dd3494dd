"""Several starts at once end where each ends alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ortho_group

from skflow.alignment._affine_map import AffineMap
from skflow.alignment._alternation import alternate, schedule
from skflow.alignment._invariances import Orthogonal
from skflow.alignment._pair import Pair
from skflow.alignment._several_starts import alternate_from_each


def codes(kind, n, rng):
    return {
        "none": None,
        "all": rng.permutation(np.arange(n) % 3),
        "some": rng.permutation(np.arange(n) % 4) - 1,
        "rare": (np.arange(n) < n - 2).astype(int),
    }[kind]


@pytest.mark.parametrize("kind", ["none", "all", "some", "rare"])
@pytest.mark.parametrize("n_starts", [1, 3])
def test_each_ends_where_it_ends_alone(kind, n_starts):
    rng = np.random.default_rng(0)
    X, Y, a = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) ** 3, rng.uniform(0.5, 1.5, 30)
    pair = Pair(X, Y / 4, a / a.sum(), np.full(40, 1 / 40), codes(kind, 30, rng), codes(kind, 40, rng))
    starts = [AffineMap(np.zeros(4), np.zeros(4), (ortho_group.rvs(4, random_state=i),)) for i in range(n_starts)]
    regs = schedule(0.3, 0.05, 6)
    for end, start in zip(alternate_from_each(pair, starts, regs), starts, strict=True):
        alone = alternate(pair, Orthogonal(), start, regs)
        assert end.objective == pytest.approx(alone.objective, rel=1e-4)
        assert_allclose(end.map.matrix, alone.map.matrix, atol=1e-3)
        assert_allclose(end.map(X), alone.map(X), atol=1e-3)
        assert_allclose(end.columns, alone.columns, atol=1e-4)
