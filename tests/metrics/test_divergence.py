"""Divergence between tables: POT's values, closed forms, invariances, and class proportions left open."""

import warnings

import numpy as np
import ot
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skflow.metrics import class_proportions, divergence

RNG = np.random.default_rng(0)
CENTRES = 4 * RNG.normal(size=(3, 4))
Y, Y_TARGET = RNG.integers(0, 3, 60), RNG.integers(0, 3, 80)
X, X_TARGET = (CENTRES[y] + RNG.normal(size=(len(y), 4)) for y in (Y, Y_TARGET))

SOLVED = 2e-3
"""Of a divergence whose plans are off by 1e-3 of the mass, relative to the target's variance."""


def relative(value):
    return value / X_TARGET.var(axis=0).sum()


def pots_divergence(X, Z, a, b, reg):
    eps = reg * 2 * Z.var(axis=0).sum()

    def cost(P, Q, p, q):
        options = {"reg": eps, "reg_type": "KL", "max_iter": 10_000, "tol": 1e-6}
        return ot.solve(ot.dist(P, Q), p, q, **options).value

    return cost(X, Z, a, b) - cost(X, X, a, a) / 2 - cost(Z, Z, b, b) / 2


@pytest.mark.parametrize("reg", [0.03, 0.3])
@pytest.mark.parametrize("stretch", [1.0, 3.0, 0.1])
def test_pots_value(reg, stretch):
    rows, target = stretch * X[:30] + 1, X_TARGET[:40]
    a, b = RNG.uniform(0.5, 1.5, 30), RNG.uniform(0.5, 1.5, 40)
    a, b = a / a.sum(), b / b.sum()
    found = divergence(rows, target, sample_weight=a, target_weight=b, reg=reg)
    expected = pots_divergence(rows, target, a, b, reg)
    assert relative(found) == pytest.approx(relative(expected), rel=SOLVED, abs=SOLVED)


@settings(deadline=None, max_examples=15)
@given(shift=st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_a_shift_costs_its_square(shift):
    found = divergence(X_TARGET + shift, X_TARGET)
    assert relative(found) == pytest.approx(relative(np.square(shift).sum()), rel=1e-9, abs=SOLVED)


@settings(deadline=None, max_examples=20)
@given(st.integers(-30, 30), st.integers(0, 9), st.booleans())
def test_units_and_offsets_change_nothing(unit, offset, estimated):
    options = {"class_weight": "estimated"} if estimated else {}
    factor, shift = 10.0**unit, 10.0**offset * X_TARGET.std(axis=0)
    found = divergence(factor * (X + shift), factor * (X_TARGET + shift), Y_TARGET, **options) / factor**2
    expected = divergence(X, X_TARGET, Y_TARGET, **options)
    assert found == pytest.approx(expected, rel=max(1e-6, 1e-13 * 10.0**offset))


def test_order_of_rows_and_axes_change_nothing():
    rotation = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    rows = RNG.permutation(len(X))
    assert divergence(X[rows] @ rotation, X_TARGET @ rotation) == pytest.approx(divergence(X, X_TARGET), rel=1e-6)


def test_weights_are_repetitions_and_zero_is_absence():
    counts = RNG.integers(0, 4, len(X))
    repeated = divergence(np.repeat(X, counts, axis=0), X_TARGET)
    assert divergence(X, X_TARGET, sample_weight=counts) == pytest.approx(repeated, rel=1e-6)
    counts = RNG.integers(1, 4, len(X_TARGET))
    eps = X_TARGET.var(axis=0).sum() / np.repeat(X_TARGET, counts, axis=0).var(axis=0).sum()
    repeated = divergence(X, np.repeat(X_TARGET, counts, axis=0), reg=0.05 * eps)
    assert relative(divergence(X, X_TARGET, target_weight=counts)) == pytest.approx(relative(repeated), abs=SOLVED)


def test_groups_far_apart_with_other_shares_converge():
    y, u = np.repeat([0, 1], [100, 60]), np.repeat([0, 1], [60, 100])
    far = 12 * np.eye(2, 5)
    rows, target = far[y] + RNG.normal(size=(160, 5)), far[u] + RNG.normal(size=(160, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        found = divergence(rows, target)
        same = divergence(rows, target, u, class_weight="estimated")
    uniform = np.full(160, 1 / 160)
    assert found == pytest.approx(pots_divergence(rows, target, uniform, uniform, 0.05), rel=SOLVED)
    assert same < 0.1 * found  # little is left once the target has the shares of the rows


def test_a_change_of_frequencies_is_no_movement():
    rare = (Y > 0) | (np.arange(len(Y)) % 5 == 0)
    rows = np.concatenate([X[rare], X_TARGET[Y_TARGET > 0]])
    plain, estimated = (divergence(rows, X_TARGET, Y_TARGET, class_weight=w) for w in (None, "estimated"))
    assert estimated < plain / 2
    moved = divergence(rows + 2, X_TARGET, Y_TARGET, class_weight="estimated")
    assert moved > 5 * estimated


def test_a_posterior_is_used_as_it_is():
    certain = np.eye(3)[np.repeat([0, 1, 2], 20)]
    found = divergence(X, X_TARGET, Y_TARGET, class_weight="estimated", posterior=certain)
    prior = np.bincount(Y_TARGET) / len(Y_TARGET)
    weights = (class_proportions(certain, prior) / prior)[Y_TARGET]
    assert found == pytest.approx(divergence(X, X_TARGET, target_weight=weights), rel=1e-9)


def test_what_is_off_the_principal_axes_counts():
    """A column that the target never varies in is not in its axes, and yet rows may be far off in it."""
    rows = np.column_stack([X, np.zeros((len(X), 40))])
    target = np.column_stack([X_TARGET, np.zeros((len(X_TARGET), 40))])
    expected = divergence(X, X_TARGET)
    assert divergence(rows, target) == pytest.approx(expected, rel=1e-6)
    rows[:, 30] += 10
    assert divergence(rows, target) == pytest.approx(expected + 100, rel=1e-4)
    assert divergence(rows, target, n_components=None) == pytest.approx(expected + 100, rel=1e-4)


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_axes_make_nothing_farther(n_components):
    assert divergence(X, X_TARGET, n_components=n_components) <= divergence(X, X_TARGET) * (1 + SOLVED)


def test_rows_that_are_all_the_same():
    ones = np.full((10, 3), 1e9)
    assert divergence(ones, ones) == 0
    assert divergence(ones + 2, ones) == pytest.approx(12)
    assert np.isfinite(divergence(X[:, :3], ones))
    assert divergence(X[:1], X[:1]) == 0


def test_proportions_are_found():
    """Two Gaussians whose posterior under equal frequencies is known."""
    y = (RNG.uniform(size=4000) < 0.15).astype(int)
    x = 2.0 * y + RNG.normal(size=4000)
    second = 1 / (1 + np.exp(2 - 2 * x))
    found = class_proportions(np.column_stack([1 - second, second]), [1, 1])
    assert found[1] == pytest.approx(y.mean(), abs=0.04)
    assert np.mean(second > 0.5) > y.mean() + 0.05  # what counting the answers would give
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X_target": X_TARGET[:, :2]}, "X_target has 2 features, but X has 4"),
        ({"X": np.where(X > 5, np.nan, X)}, "Input X contains NaN"),
        ({"class_weight": "estimated", "y_target": None}, "class_weight='estimated' needs y_target"),
        ({"class_weight": "balanced"}, "'class_weight' parameter of divergence must be"),
        ({"class_weight": "estimated", "posterior": np.ones((60, 2)) / 2}, r"posterior must have the shape \(60, 3\)"),
        ({"class_weight": "estimated", "posterior": np.ones((60, 3))}, "posterior must hold probabilities"),
        ({"posterior": np.ones((60, 3)) / 3}, "posterior is for class_weight='estimated' alone"),
        ({"class_weight": "estimated", "y_target": Y}, "y_target has 60 labels, but X_target has 80 rows"),
        ({"sample_weight": np.ones(5)}, r"sample_weight must have the shape \(60,\)"),
        ({"target_weight": -np.ones(80)}, "target_weight must hold weights of zero or more"),
        ({"sample_weight": np.zeros(60)}, "sample_weight must hold weights of zero or more, not all zero"),
        ({"target_weight": Y_TARGET > 0, "class_weight": "estimated"}, "target_weight leaves nothing of the class"),
        ({"reg": 0}, "'reg' parameter of divergence must be"),
        ({"n_components": 0}, "'n_components' parameter of divergence must be"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        divergence(**({"X": X, "X_target": X_TARGET, "y_target": Y_TARGET} | change))


def test_columns_are_compared_by_name():
    left, right = pd.DataFrame(X, columns=list("abcd")), pd.DataFrame(X_TARGET, columns=list("abcd"))
    assert divergence(left, right) == divergence(X, X_TARGET)
    with pytest.raises(ValueError, match="in another order"):
        divergence(left, right[list("bacd")])


def test_surroundings_change_nothing():
    expected = divergence(X, X_TARGET, Y_TARGET, class_weight="estimated")
    torch.set_default_dtype(torch.float32)
    with np.errstate(all="raise"), torch.inference_mode():
        assert divergence(X * 1e-20, X_TARGET * 1e-20) == pytest.approx(1e-40 * divergence(X, X_TARGET))
        assert divergence(X, X_TARGET, Y_TARGET, class_weight="estimated") == expected
