"""Coordinates: a flow is the same in them, whatever units and offset the features have."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import Particles
from skflow.functionals import Coordinates, OTDDFunctional
from tests._data import labelled


def wide(n=24, d=90, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return 3 * rng.normal(size=(3, d))[y] + rng.normal(size=(n, d)) + shift, y


def descend(functional, X, y, *, steps=4, rotate=True, dtype=torch.float32):
    """Particles, objective and label distances of explicit Euler in coordinates, in the features' own units."""
    coordinates, functional = functional.in_coordinates(X, rotate=rotate)
    particles = Particles.from_arrays(coordinates.reduce(X), y, dtype=dtype)
    bound, objective = functional.bind(particles), []
    for _ in range(steps):
        derivative = bound.evaluate(particles)
        objective.append(derivative.value.item() * coordinates.scale**2)
        particles = particles.moved(particles.x - 0.1 * derivative.features / particles.a[:, None])
    distances = bound.label_distances(particles).double().numpy() * coordinates.scale**2
    lifted = coordinates.lift(particles.in_data_order(particles.x).double().numpy())
    return lifted, np.array(objective), distances, bound.coupling.numpy()


def test_coordinates_keep_distances_and_lead_back():
    (X, _), (Z, _) = wide(), wide(20, seed=1, shift=100.0)
    span = Coordinates(X, Z, rotate=True)
    reduced = span.reduce(X)
    assert reduced.shape == (24, 44)
    np.testing.assert_allclose(span.lift(reduced), X, atol=1e-10)
    apart = np.linalg.norm(X[:, None] - Z, axis=2)
    np.testing.assert_allclose(np.linalg.norm(reduced[:, None] - span.reduce(Z), axis=2) * span.scale, apart)


def test_coordinates_are_centred_at_the_target_and_of_unit_size():
    (X, _), (Z, _) = labelled(30, 3, 2, shift=7.0), labelled(20, 3, 2, seed=1)
    coordinates = Coordinates(X, Z)
    both = np.concatenate([coordinates.reduce(X), coordinates.reduce(Z)])
    np.testing.assert_allclose(coordinates.reduce(Z).mean(0), 0, atol=1e-12)
    assert np.square(both).sum(1).mean() == pytest.approx(1)
    assert coordinates.basis is None


@pytest.mark.parametrize("value", [0.0, 0.1, 1.7e9, -1e300])
def test_rows_that_are_all_equal_are_at_the_origin(value):
    X = np.full((7, 3), value)
    coordinates = Coordinates(X, X[:5])
    assert coordinates.scale == 1
    assert not coordinates.reduce(X).any()
    np.testing.assert_array_equal(coordinates.lift(coordinates.reduce(X)), X)


@pytest.mark.parametrize("label_distance", ["gaussian", "means", "exact"])
@pytest.mark.parametrize("correspondence", ["same", "coupling"])
def test_the_flow_is_the_same_in_the_span(label_distance, correspondence):
    (X, y), target = wide(), wide(20, seed=1, shift=2.0)
    functional = OTDDFunctional(
        target, label_distance=label_distance, correspondence=correspondence, marginal_tol=1e-10, refresh_tol=0
    )
    turned, whole = (descend(functional, X, y, rotate=rotate, dtype=torch.float64) for rotate in (True, False))
    for one, other in zip(turned, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_columns_of_one_value_are_left_out_and_come_back():
    (X, y), target = labelled(30, 5, 2), labelled(20, 5, 2, seed=1, shift=2.0)
    for Z in (X, target[0]):
        Z[:, [1, 4]] = 0.1, -1e300
    X[0, 3] = target[0][0, 3]  # of one value in a row of each
    coordinates = Coordinates(X, target[0], rotate=True)
    assert coordinates.reduce(X).shape == (30, 3)
    np.testing.assert_array_equal(coordinates.lift(coordinates.reduce(X))[:, [1, 4]], X[:, [1, 4]])
    np.testing.assert_allclose(coordinates.lift(coordinates.reduce(X)), X)
    for Z in (X, target[0]):
        Z[:, 4] = 7.0
    functional = OTDDFunctional(target, marginal_tol=1e-10, refresh_tol=0)
    fewer, whole = (descend(functional, X, y, rotate=rotate, dtype=torch.float64) for rotate in (True, False))
    for one, other in zip(fewer, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_axes_that_mean_something_stay():
    (X, _), target = wide(), wide(20, seed=1)
    for functional, rotate in (
        (OTDDFunctional(target, label_distance="gaussian-diag"), True),
        (OTDDFunctional(wide(70, seed=1)), True),
        (OTDDFunctional(target), False),
    ):
        assert functional.in_coordinates(X, rotate=rotate)[0].basis is None


@pytest.mark.parametrize(
    "parameters",
    [
        {}, {"correspondence": "coupling"}, {"reg": 0}, {"label_distance": "exact"},
        {"label_distance": "gaussian-diag", "correspondence": "coupling"}, {"debias": True, "label_distance": "means"},
        {"solver": "tiled", "correspondence": "coupling"}, {"solver": "exact"}, {"label_weight": 0.0},
    ],
    ids=str,
)  # fmt: skip
@settings(deadline=None, max_examples=6)
@given(exponent=st.integers(-30, 30), spreads=st.sampled_from([0.0, 1e3, 1e6, -1e9]))
def test_units_and_offsets_do_not_matter(parameters, exponent, spreads):
    """Of a flow in single precision, on features in double: particles times c, plus the offset."""
    (X, y), (Z, u), c = labelled(40, 3, 3), labelled(30, 3, 3, seed=1, shift=2.0), 10.0**exponent
    offset = spreads * np.array([1.0, 0.5, 0.0])
    expected = descend(OTDDFunctional((Z, u), **parameters), X, y)
    got = descend(OTDDFunctional((c * (Z + offset), u), **parameters), c * (X + offset), y)
    # An offset of s spreads costs as many of the sixteen digits.
    atol = max(1e-4, 1e-14 * abs(spreads) * 100)
    np.testing.assert_allclose(got[0] / c - offset, expected[0], atol=max(atol, 4e-16 * abs(spreads) * 10))
    np.testing.assert_allclose(got[1] / c**2, expected[1], rtol=1e-4)
    np.testing.assert_allclose(got[2] / c**2, expected[2], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(got[3], expected[3], atol=1e-4)


@pytest.mark.parametrize("c", [1e-13, 1e5])
def test_an_absolute_reg_is_in_squared_units_of_the_features(c):
    (X, y), (Z, u) = labelled(40, 3, 3), labelled(30, 3, 3, seed=1, shift=2.0)
    one, other = (descend(OTDDFunctional((s * Z, u), reg=0.7 * s**2, reg_scale="absolute"), s * X, y) for s in (1.0, c))
    np.testing.assert_allclose(other[0] / c, one[0], atol=1e-4)
    np.testing.assert_allclose(other[1] / c**2, one[1], rtol=1e-4)


@pytest.mark.parametrize("label_weight", [0.0, 1.0])
@pytest.mark.parametrize("correspondence", ["same", "coupling"])
@pytest.mark.parametrize("reg", [0.0, 0.05])
@pytest.mark.parametrize("value", [0.0, 1.0, 1.7e9])
def test_rows_that_are_all_equal_are_at_no_distance_and_stay(value, reg, correspondence, label_weight):
    X, y = np.full((20, 3), value), np.arange(20) % 2
    functional = OTDDFunctional((X, y), reg=reg, correspondence=correspondence, label_weight=label_weight)
    particles, objective, distances, _ = descend(functional, X, y)
    np.testing.assert_array_equal(particles, X)
    np.testing.assert_allclose(objective, 0, atol=1e-13)  # what rounding makes of reg times one
    np.testing.assert_array_equal(distances, 0)


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("correspondence", ["same", "coupling"])
def test_a_common_offset_never_hangs_without_coordinates(correspondence, offset):
    """In single precision nothing is left of the data beside it; an answer comes all the same."""
    (X, y), (Z, u) = labelled(20, 3, 2), labelled(20, 3, 2, seed=1)
    for equal in (False, True):
        one, other = (np.ones_like(s) if equal else s for s in (X, Z))
        at = Particles.from_arrays(one + offset, y)
        bound = OTDDFunctional((other + offset, u), correspondence=correspondence, label_weight=0).bind(at)
        assert bound.reg > 0
        assert bound.evaluate(at).value.isfinite()
