"""Rotations told apart by their likelihood: what it knows of a table that was turned."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from skflow.alignment._affine_map import AffineMap
from skflow.alignment._column_summary import N_LEVELS
from skflow.alignment._invariances import Orthogonal
from skflow.alignment._likelihood import RotationLikelihood
from skflow.alignment._likely_rotations import Likely, likeliest
from skflow.alignment._marginals import BLUR, Marginals
from skflow.alignment._matrices import nearest_orthogonal
from skflow.alignment._pair import Pair

N, D = 120, 4


@pytest.fixture(scope="module")
def turned():
    """Three classes with columns of their own kinds; the source is turned, and its true map known."""
    random = np.random.RandomState(0)
    centres = 2 * random.randn(3, D)

    def rows(codes):
        noise = np.where(np.arange(D) < 2, random.exponential(size=(N, D)), random.randn(N, D))
        return centres[codes] + noise @ np.diag([1.0, 0.7, 0.5, 0.3])

    y, t = random.randint(3, size=(2, N))
    X, Y = rows(y), rows(t)
    scale = np.sqrt(Y.var(0).sum())
    Q = np.linalg.qr(random.randn(D, D))[0]
    pair = Pair((X - X.mean(0)) @ Q / scale, (Y - Y.mean(0)) / scale, np.full(N, 1 / N), np.full(N, 1 / N), None, t)
    return pair, AffineMap(np.zeros(D), np.zeros(D), (Q.T,))


def _apart(pair, h, other):
    """Mean squared distance between images about their means, which proportions of the classes in a sample move."""
    return float(pair.a @ ((pair.X @ (h.matrix - other.matrix)) ** 2).sum(1))


def test_the_likeliest_rotation_is_the_true_one(turned):
    pair, truth = turned
    random = np.random.RandomState(1)
    ends = [
        Likely(AffineMap(np.zeros(D), np.zeros(D), (nearest_orthogonal(random.randn(D, D)),)), "random", 0.0)
        for _ in range(3)
    ]
    maps, _ = likeliest(pair, ends)
    assert _apart(pair, maps[0].map, truth) < 0.02
    assert [h.cost for h in maps] == sorted(h.cost for h in maps)


def test_an_axis_that_was_turned_over_is_turned_back(turned):
    pair, truth = turned
    likelihood = RotationLikelihood(pair)
    axis = likelihood.axes[:, 0]
    mirrored = AffineMap(truth.center, truth.image, (*truth.factors, np.eye(D) - 2 * np.outer(axis, axis)))
    assert _apart(pair, likelihood.flipped(mirrored)[0], truth) < 0.02 < _apart(pair, mirrored, truth)


def test_axes_that_were_exchanged_are_put_back():
    """The last two have like variances; no reflection of single axes undoes a quarter turn in their plane."""
    random = np.random.RandomState(0)
    X, Y = (
        np.column_stack([random.exponential(size=(N, 2)), random.randn(N)]) @ np.diag([2.0, 1.0, 0.9]) for _ in range(2)
    )
    scale, even, zero = np.sqrt(Y.var(0).sum()), np.full(N, 1 / N), np.zeros(3)
    likelihood = RotationLikelihood(Pair((X - X.mean(0)) / scale, (Y - Y.mean(0)) / scale, even, even, None, None))
    plane = likelihood.axes[:, 1:]
    quarter = np.eye(3) + plane @ (np.array([[0.0, 1.0], [-1.0, 0.0]]) - np.eye(2)) @ plane.T
    mixed = AffineMap(zero, zero, (quarter,))
    matrix = likelihood.turned(mixed)[0].matrix
    np.testing.assert_allclose(np.abs(matrix), np.eye(3), atol=0.1)  # the last column is symmetric
    assert (np.diag(matrix)[:2] > 0).all()
    assert likelihood.turned(mixed)[1] < likelihood.flipped(mixed)[1] - 5


def test_many_columns_of_very_different_variances():
    """As those of tables are: the small ones tell as much of the rotation as the large ones."""
    random, d = np.random.RandomState(0), 18
    centres, (y, t) = 1.5 * random.randn(3, d), random.randint(3, size=(2, N))
    spreads = np.sqrt(np.geomspace(1, 1e-3, d))
    X, Y = ((centres[codes] + random.exponential(size=(N, d))) * spreads for codes in (y, t))
    scale, even, zero = np.sqrt(Y.var(0).sum()), np.full(N, 1 / N), np.zeros(d)
    Q, other = (np.linalg.qr(random.randn(d, d))[0] for _ in range(2))
    pair = Pair((X - X.mean(0)) @ Q / scale, (Y - Y.mean(0)) / scale, even, even, None, t)
    maps, near_first = likeliest(pair, [Likely(AffineMap(zero, zero, (other,)), "random", 0.0)])
    truth = AffineMap(zero, zero, (Q.T,))
    assert _apart(pair, maps[0].map, truth) < 0.1 < 1 < _apart(pair, near_first.map, truth)
    assert maps[0].cost < RotationLikelihood(pair).refine(truth, 5)[1] + 5 < near_first.cost - 1000


def test_ranks_are_those_of_blurred_values():
    """Between the knots, and with the slope that a search by slopes asks for."""
    random = np.random.RandomState(0)
    Y = random.lognormal(size=(200, 3))
    marginals = Marginals(Y, np.eye(3))
    x = torch.from_numpy(random.lognormal(size=(3, 100)) - 0.5).requires_grad_()
    levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    values = np.quantile(Y, levels, axis=0, method="inverted_cdf").T
    at = torch.from_numpy(values)[:, None], torch.from_numpy(BLUR * values.std(1))[:, None, None]
    exact = torch.erf((x[:, :, None] - at[0]) / at[1]).mean(2)
    found = marginals._ranks_at(x)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5)
    slopes = [torch.autograd.grad(ranks.sum(), x)[0] for ranks in (found, exact)]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-3)


def test_refining_comes_nearer_and_keeps_lengths(turned):
    pair, truth = turned
    likelihood = RotationLikelihood(pair)
    off = AffineMap(truth.center, truth.image, (nearest_orthogonal(truth.matrix + 0.15 * np.eye(D)[::-1]),))
    with torch.inference_mode():  # as in a user's own block
        refined, cost = likelihood.refine(off, 5)
    assert _apart(pair, refined, truth) < 0.5 * _apart(pair, off, truth)
    assert cost < likelihood.refine(off, 1)[1]
    np.testing.assert_allclose(refined.matrix @ refined.matrix.T, np.eye(D), atol=1e-12)
    assert Orthogonal().closest(refined) is not None


def test_the_last_digits_of_the_rows_do_not_matter(turned):
    """They are lost far from the origin; the search by slopes must not depend on them."""
    pair, truth = turned
    off = AffineMap(truth.center, truth.image, (nearest_orthogonal(truth.matrix + 0.15 * np.eye(D)[::-1]),))
    rounded = replace(pair, X=np.round(pair.X, 7), Y=np.round(pair.Y, 7))
    one, other = (RotationLikelihood(p).refine(off, 5)[0].matrix for p in (pair, rounded))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_weights_count_as_repetitions(turned):
    """A row of weight two is two rows, for all but the effective number of rows."""
    pair, truth = turned
    twice = Pair(pair.X[:60], pair.Y, np.full(60, 1 / 60), pair.b, None, pair.t)
    i = np.repeat(np.arange(60), 2)
    repeated = Pair(pair.X[i], pair.Y, np.full(120, 1 / 120), pair.b, None, pair.t)
    one, other = (RotationLikelihood(p).flipped(truth)[0].matrix for p in (twice, repeated))
    np.testing.assert_allclose(one, other, atol=1e-12)
