"""Gradients of all functionals against finite differences, in float64."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skflow.flow import Particles
from skflow.functionals import (
    AffinePotential,
    BoxPotential,
    ClassRepulsion,
    CollapsePotential,
    FunctionalSum,
    InteractionEnergy,
    InternalEnergy,
    MarginPotential,
    NormPotential,
    OTDDFunctional,
    PotentialEnergy,
    TubePotential,
)

N, D = 12, 3


def particles(n_classes=2, seed=0, n=N, d=D):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    return Particles.from_arrays(rng.normal(size=(n, d)), y, dtype=torch.float64)


def finite_differences(bound, at, h=1e-5):
    """Central differences of the value in every feature of every particle."""
    gradient = torch.zeros_like(at.x)
    for index in np.ndindex(*at.x.shape):
        step = torch.zeros_like(at.x)
        step[index] = h
        ahead, behind = bound.evaluate(at.moved(at.x + step)).value, bound.evaluate(at.moved(at.x - step)).value
        gradient[index] = (ahead - behind) / (2 * h)
    return gradient


def quartic(X, y):
    return X.pow(4).sum(dim=1) * (y + 1)


def lopsided(X, y, X_other, y_other):
    """An interaction that is not symmetric."""
    return torch.exp(-torch.cdist(X, X_other + 0.3)) * (1 + y[:, None])


def entropy_and_cube(t):
    return t * t.log() + t**3


FUNCTIONALS = {
    "norm": NormPotential(),
    "affine": AffinePotential([[1, 2, 0], [0, -1, 3]], [1.0, 2.0]),
    "affine by class": AffinePotential(by_class={1: ([[1, 2, 0]], 1.5)}),
    "margin": MarginPotential([1.0, 2.0, -1.0], 0.1, margin=0.3),
    "tube about the start": TubePotential(0.2),
    "tube about a point": TubePotential(0.5, center=[0.1, 0.2, 0.3]),
    "collapse": CollapsePotential([-1, 0], at=[0.2, -0.1]),
    "box": BoxPotential(-0.1, [0.1, 0.5, 1.0]),
    "open box": BoxPotential(None, 0.0),
    "potential": PotentialEnergy(quartic),
    "interaction": InteractionEnergy(lopsided),
    "interaction in chunks": InteractionEnergy(lopsided, chunk_size=5),
    "exponential repulsion": ClassRepulsion(length_scale=0.7),
    "quadratic repulsion": ClassRepulsion("quadratic"),
    "porous medium": InternalEnergy(2),
    "porous medium, wide kernel": InternalEnergy(1.5, bandwidth=1.3),
    "internal": InternalEnergy(entropy_and_cube),
}
TERMS = [(name.replace(" ", "_"), functional) for name, functional in FUNCTIONALS.items() if "chunk" not in name]
FUNCTIONALS["sum"] = FunctionalSum(TERMS)


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("name", FUNCTIONALS)
def test_gradient_is_that_of_the_value(name, weight):
    functional = FUNCTIONALS[name]
    if name != "sum":
        functional = type(functional)(**{**functional.get_params(deep=False), "weight": weight})
    start = particles()
    bound = functional.bind(start)
    # Off the start, where a tube about it is felt.
    at = start.moved(start.x + 0.3 * particles(seed=1).x)
    derivative = bound.evaluate(at)
    expected = finite_differences(bound, at)
    assert expected.norm() > 1e-3
    assert (derivative.features - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("name", [name for name in FUNCTIONALS if name != "sum"])
def test_weight_multiplies_value_and_gradient(name):
    functional, start = FUNCTIONALS[name], particles(seed=3)
    heavy = type(functional)(**{**functional.get_params(deep=False), "weight": 3.0})
    at = start.moved(1.2 * start.x)
    one, three = functional.bind(start).evaluate(at), heavy.bind(start).evaluate(at)
    torch.testing.assert_close(three.value, 3 * one.value)
    torch.testing.assert_close(three.features, 3 * one.features)


@pytest.mark.parametrize("name", [name for name in FUNCTIONALS if name != "sum"])
def test_parameters_are_scikit_learns(name):
    functional = FUNCTIONALS[name]
    heavier = clone(functional).set_params(weight=4.5)
    assert heavier.get_params() == {**functional.get_params(), "weight": 4.5}
    assert repr(heavier).startswith(f"{type(functional).__name__}(")
    assert "weight=4.5" in repr(heavier)
    assert functional.weight == 1.0


@pytest.mark.parametrize("name", [name for name in FUNCTIONALS if "internal" not in name])
def test_coinciding_particles_have_finite_gradients(name):
    start = particles()
    at = start.moved(torch.zeros_like(start.x))
    assert FUNCTIONALS[name].bind(start).evaluate(at).features.isfinite().all()


def test_sum_with_a_distance():
    rng = np.random.default_rng(2)
    distance = OTDDFunctional((rng.normal(size=(9, D)) + 2, np.arange(9) % 2), reg=0.0, refresh_tol=0.0)
    start = particles()
    bound = FunctionalSum([("distance", distance), ("repulsion", ClassRepulsion(weight=0.5))]).bind(start)
    expected = finite_differences(bound, start)
    assert (bound.evaluate(start).features - expected).norm() <= 1e-5 * expected.norm()
