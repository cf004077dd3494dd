"""Lengths among the parameters are in the units of the data: in other units all is the same, scaled."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import Particles
from skflow.functionals import (
    AffinePotential,
    BoxPotential,
    ClassRepulsion,
    CollapsePotential,
    InternalEnergy,
    MarginPotential,
    NormPotential,
    TubePotential,
)
from tests._data import labelled

X, Y = labelled(20, 2, k=2)

# Each with lengths c times as large, and the power of c by which its value grows.
IN_UNITS = {
    "norm": (lambda c: NormPotential(), 1),
    "affine": (lambda c: AffinePotential([[1, 2]], [3 * c]), 1),
    "margin": (lambda c: MarginPotential([1, 2], 0.5 * c, margin=0.1 * c), 1),
    "tube": (lambda c: TubePotential(0.5 * c, center=[0.1 * c, 0.2 * c]), 1),
    "collapse": (lambda c: CollapsePotential([0], at=0.3 * c), 2),
    "box": (lambda c: BoxPotential(-0.5 * c, 0.5 * c), 2),
    "exponential repulsion": (lambda c: ClassRepulsion(length_scale=2 * c), 0),
    "quadratic repulsion": (lambda c: ClassRepulsion("quadratic"), 2),
    "internal energy": (lambda c: InternalEnergy(1.5, bandwidth=0.7 * c), -1),
    "internal energy, bandwidth of the data's": (lambda c: InternalEnergy(1.5), -1),
}


def evaluate(functional, X, dtype):
    particles = Particles.from_arrays(X, Y, dtype=dtype)
    derivative = functional.bind(particles).evaluate(particles)
    return derivative.value.item(), derivative.features.double().numpy()


@pytest.mark.parametrize("name", IN_UNITS)
@given(exponent=st.integers(-30, 30))
@settings(max_examples=15, deadline=None)
def test_lengths_are_in_the_units_of_the_data(name, exponent):
    make, power = IN_UNITS[name]
    c = 10.0**exponent
    value, gradient = evaluate(make(1.0), X, torch.float64)
    other, in_units = evaluate(make(c), c * X, torch.float64)
    assert other / c**power == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(in_units / c ** (power - 1), gradient, rtol=1e-7, atol=1e-9 * np.abs(gradient).max())


@pytest.mark.parametrize("name", ["norm", "affine", "margin", "tube"])
@pytest.mark.parametrize("c", [1e-30, 1e-15, 1e15, 1e30])
def test_norms_are_right_at_the_ends_of_single_precision(name, c):
    make, _ = IN_UNITS[name]
    value, gradient = evaluate(make(1.0), X, torch.float32)
    other, in_units = evaluate(make(c), c * X, torch.float32)
    assert other / c == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(in_units, gradient, rtol=1e-4, atol=1e-6)
