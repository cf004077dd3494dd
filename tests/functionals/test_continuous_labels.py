"""The OTDD with continuous labels: POT's exact plan, finite differences, every solver, what means nothing."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

from skflow.flow import Euler, JointFixedLabels, Particles
from skflow.functionals import OTDDFunctional
from tests._data import array
from tests._tolerances import EXACT_OTDD, GRADIENT, ORACLE


def side(n, d=3, q=1, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + shift
    return X, X @ rng.normal(size=(d, q)) * 7 + rng.normal(size=(n, q)) + 100


def weights(n, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1.5, n)


def variances(Z, w):
    return w @ np.square(Z - w @ Z)


def augmented_cost(X, y, X_target, y_target, a, b, label_weight):
    of_labels = (variances(y, a) + variances(y_target, b)) / 2
    of_features = (variances(X, a).sum() + variances(X_target, b).sum()) / 2
    labels = sum(np.subtract.outer(p, r) ** 2 / v for p, r, v in zip(y.T, y_target.T, of_labels)) / y.shape[1]
    return cdist(X, X_target, "sqeuclidean") + label_weight * of_features * labels


@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("label_weight", [0.0, 0.7, 3.0])
def test_exact_plan_is_pots_on_the_augmented_cost(q, label_weight):
    (X, y), target = side(40, q=q), side(50, q=q, seed=1, shift=2.0)
    w, uniform = weights(40), np.full(50, 1 / 50)
    at = Particles.from_arrays(X, y, sample_weight=w, dtype=torch.float64)
    value = OTDDFunctional(target, reg=0, label_weight=label_weight).bind(at).evaluate(at).value.item()
    cost = augmented_cost(X, y, *target, w / w.sum(), uniform, label_weight)
    assert value == pytest.approx(ot.emd2(w / w.sum(), uniform, cost), rel=EXACT_OTDD)


@pytest.mark.parametrize("debias", [False, True])
def test_gradient_is_that_of_finite_differences(debias):
    (X, y), target = side(12), side(15, seed=1, shift=1.0)
    at = Particles.from_arrays(X, y, dtype=torch.float64)
    bound = OTDDFunctional(target, reg=0.5, debias=debias, marginal_tol=1e-11).bind(at)
    gradient = array(bound.evaluate(at).features).copy()
    h, differences = 1e-4, np.empty_like(X)
    for i, k in np.ndindex(*X.shape):
        moved = [at.x.clone() for _ in range(2)]
        moved[0][i, k] += h
        moved[1][i, k] -= h
        up, down = (bound.evaluate(at.moved(x)).value.item() for x in moved)
        differences[i, k] = (up - down) / (2 * h)
    np.testing.assert_allclose(gradient, differences, atol=GRADIENT * np.abs(differences).max())


@pytest.mark.parametrize("solver", ["dense", "tiled", "exact"])
def test_every_solver_serves(solver):
    (X, y), target = side(40), side(50, seed=1)
    at = Particles.from_arrays(X, y, dtype=torch.float64)
    one, other = (
        OTDDFunctional(target, reg=0.1, solver=s, marginal_tol=1e-12).bind(at).evaluate(at) for s in (solver, "dense")
    )
    assert one.value.item() == pytest.approx(other.value.item(), rel=ORACLE)
    np.testing.assert_allclose(array(one.features), array(other.features), rtol=1e-6, atol=1e-9)


def test_units_and_offsets_of_labels_do_not_matter():
    (X, y), (X_target, y_target) = side(30, q=2), side(30, q=2, seed=1)

    def value(scale, offset):
        at = Particles.from_arrays(X, scale * y + offset, dtype=torch.float64)
        return OTDDFunctional((X_target, scale * y_target + offset), reg=0).bind(at).evaluate(at).value.item()

    assert value(1e-7 * np.array([1, 1e5]), 0) == pytest.approx(value(1, 0), rel=EXACT_OTDD)
    assert value(1, 1e7) == pytest.approx(value(1, 0), rel=EXACT_OTDD)


def test_a_label_that_does_not_vary_says_nothing():
    (X, y), (X_target, y_target) = side(30), side(30, seed=1)
    at = Particles.from_arrays(X, np.full_like(y, 3), dtype=torch.float64)
    value = OTDDFunctional((X_target, np.full_like(y_target, 3)), reg=0).bind(at).evaluate(at).value.item()
    uniform = np.full(30, 1 / 30)
    assert value == pytest.approx(ot.emd2(uniform, uniform, cdist(X, X_target, "sqeuclidean")), rel=EXACT_OTDD)


@pytest.mark.parametrize(
    ("parameters", "y_target", "message"),
    [
        ({"correspondence": "assignment"}, None, "correspondence='assignment' matches classes"),
        ({"correspondence": {1: 2}}, None, "correspondence={1: 2} matches classes"),
        ({}, np.zeros((20, 2)), "to hold 1 numbers a row"),
        ({}, np.array(["a"] * 20), "to hold 1 numbers a row"),
    ],
)
def test_what_has_no_meaning_is_refused(parameters, y_target, message):
    (X, y), (X_target, own) = side(20), side(20, seed=1)
    target = (X_target, own if y_target is None else y_target)
    with pytest.raises(ValueError, match=message):
        OTDDFunctional(target, **parameters).bind(Particles.from_arrays(X, y))


def test_labels_of_two_kinds_are_refused():
    target = side(20, q=2)
    with pytest.raises(ValueError, match="continuous labels in columns"):
        OTDDFunctional(target).bind(Particles.from_arrays(target[0], np.arange(20) % 2))


def test_labels_have_no_distribution_that_could_move():
    (X, y), target = side(20), side(20, seed=1)
    particles = Particles.from_arrays(X, y)
    moving = JointFixedLabels().bind(particles, optimizer=Euler(), step_size=0.1).particles
    with pytest.raises(ValueError, match="dynamics='fd'"):
        OTDDFunctional(target).bind(moving)
