"""Interaction energies: values against their double sums, blocks of any size, what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import Euler, FeatureDriven, Particles, integrate
from skflow.functionals import ClassRepulsion, InteractionEnergy
from skflow.functionals import _interaction as interaction


def particles(n, d=2, n_classes=3, seed=0, class_weight="balanced"):
    rng = np.random.default_rng(seed)
    y = np.sort(np.arange(n) % n_classes)
    return Particles.from_arrays(rng.normal(size=(n, d)), y, class_weight=class_weight, dtype=torch.float64)


def repulsion(X, y, X_other, y_other):
    """Section 5's W as a user would write it; twice, since InteractionEnergy has the one half of eq. 11."""
    return 2 * torch.exp(-torch.cdist(X, X_other)) * (y[:, None] != y_other)


def quadratic_repulsion(X, y, X_other, y_other):
    return -2 * torch.cdist(X, X_other).square() * (y[:, None] != y_other)


@given(n=st.integers(2, 30), n_classes=st.integers(1, 4), block=st.integers(1, 200), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_repulsion_is_the_double_sum_in_blocks_of_any_size(n, n_classes, block, seed):
    at = particles(n, n_classes=min(n, n_classes), seed=seed, class_weight=None)
    pairs = [
        at.a[i] * at.a[j] * np.exp(-np.linalg.norm(at.x[i] - at.x[j]))
        for i in range(n)
        for j in range(n)
        if at.y[i] != at.y[j]
    ]
    whole = interaction.PAIRS_AT_A_TIME
    try:
        interaction.PAIRS_AT_A_TIME = block
        derivative = ClassRepulsion().bind(at).evaluate(at)
        by_autograd = InteractionEnergy(repulsion).bind(at).evaluate(at)
    finally:
        interaction.PAIRS_AT_A_TIME = whole
    torch.testing.assert_close(derivative.value, torch.tensor(float(sum(pairs)), dtype=torch.float64))
    torch.testing.assert_close(derivative.value, by_autograd.value)
    torch.testing.assert_close(derivative.features, by_autograd.features)


def test_quadratic_repulsion_is_the_double_sum():
    at = particles(20, d=4)
    at = at.moved(at.x + 100)
    derivative = ClassRepulsion("quadratic", weight=0.3).bind(at).evaluate(at)
    expected = InteractionEnergy(quadratic_repulsion, weight=0.3).bind(at).evaluate(at)
    torch.testing.assert_close(derivative.value, expected.value)
    torch.testing.assert_close(derivative.features, expected.features)


def test_interaction_has_the_half_of_eq_11():
    """Two particles of mass one half, ``W = ||x - x'||^2``: 1/2 (two ordered pairs) 1/4 r^2."""
    at = Particles.from_arrays(np.array([[0.0], [3.0]]), np.zeros(2, int), dtype=torch.float64)
    energy = InteractionEnergy(lambda X, y, Z, u: torch.cdist(X, Z).square())
    assert energy.bind(at).evaluate(at).value.item() == pytest.approx(9 / 4)


@pytest.mark.parametrize("kernel", ["exponential", "quadratic"])
def test_classes_part_and_the_centre_stays(kernel):
    start = particles(30, n_classes=2)
    dynamics = FeatureDriven().bind(start.moved(start.x.clone()), optimizer=Euler(), step_size=0.1)
    end = integrate(ClassRepulsion(kernel).bind(start), dynamics, max_iter=20, tol=0).particles

    def gap(p):
        return (p.x[p.y == 0].mean(0) - p.x[p.y == 1].mean(0)).norm()

    assert gap(end) > 1.15 * gap(start)
    # Forces come in pairs.
    torch.testing.assert_close(end.a @ end.x, start.a @ start.x)


def test_one_class_is_not_repelled():
    at = particles(5, n_classes=1)
    for kernel in ("exponential", "quadratic"):
        derivative = ClassRepulsion(kernel).bind(at).evaluate(at)
        assert derivative.value == 0
        assert (derivative.features == 0).all()


@pytest.mark.parametrize(
    ("functional", "message"),
    [
        (ClassRepulsion("cubic"), "'kernel' parameter of ClassRepulsion must be .* Got 'cubic'"),
        (ClassRepulsion(length_scale=0), "'length_scale' parameter of ClassRepulsion must be .* Got 0"),
        (ClassRepulsion(weight=None), "'weight' parameter of ClassRepulsion must be .* Got None"),
        (InteractionEnergy(1), "'W' parameter of InteractionEnergy must be a callable. Got 1"),
        (InteractionEnergy(repulsion, chunk_size=0), "'chunk_size' parameter of InteractionEnergy must be .* Got 0"),
        (InteractionEnergy(lambda X, y, Z, u: X), r"must return a tensor of shape \(6, 6\), got \(6, 2\)"),
    ],
)
def test_errors_name_parameter_and_value(functional, message):
    at = particles(6)
    with pytest.raises(ValueError, match=message):
        functional.bind(at).evaluate(at)
