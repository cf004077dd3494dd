"""Functions and functionals of a user's own: what goes wrong is named as theirs, and where torch is set otherwise."""

import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from skflow.flow import BoundFunctional, Derivative, Euler, FeatureDriven, JointFixedLabels, Particles, integrate
from skflow.functionals import (
    ClassRepulsion,
    Entropy,
    Functional,
    FunctionalSum,
    InteractionEnergy,
    InternalEnergy,
    NormPotential,
    OTDDFunctional,
    PotentialEnergy,
    TubePotential,
)
from tests._data import labelled

X, Y = np.array([[1.0, 2.0], [-1.0, 3.0], [4.0, 4.0], [-2.0, -2.0], [5.0, 1.0]]), np.array([0, 1, 1, 0, 1])


def particles(dtype=torch.float32, data=X):
    return Particles.from_arrays(data, Y, dtype=dtype)


def flow(functional, *, max_iter=3, step_size=0.1, dtype=torch.float32, data=X, tol=0):
    moves = FeatureDriven().bind(particles(dtype, data), optimizer=Euler(), step_size=step_size)
    return integrate(functional.bind(moves.particles), moves, max_iter=max_iter, tol=tol)


def log_potential(X, y):
    return X.log().sum(1)


def root_of_zero(X, y):
    return (X - X.detach()).square().sum(1).sqrt()


def touching(X, y, Z, u):
    return (X[:, None] - Z).square().sum(-1).sqrt()


def blind(X, y, Z, u):
    return torch.cdist(X, Z).log()


@pytest.mark.parametrize(
    ("functional", "message"),
    [
        (PotentialEnergy(log_potential), r"V=<function log_potential.* not finite at 2 of 5 samples, rows \[1, 3\]"),
        (
            PotentialEnergy(root_of_zero),
            r"V=<function root_of_zero.* gradient that is not finite at 5 of 5.*torch.linalg.norm",
        ),
        (InteractionEnergy(touching), r"W=<function touching.* gradient that is not finite at 5 of 5"),
        (InteractionEnergy(blind), r"W=<function blind.* not finite at 5 of 5 samples, rows \[0, 1, 2, 3, 4\]"),
    ],
)
@pytest.mark.parametrize("within", ["alone", "a sum"])
def test_what_is_not_finite_at_the_start_is_named(functional, message, within):
    name = ""
    if within == "a sum":
        functional, name = FunctionalSum([("calm", NormPotential()), ("wild", functional)]), "wild: "
    with pytest.raises(ValueError, match=rf"(flow starts|cannot start)\. {name}{message}"):
        flow(functional)


def test_internal_energies_of_a_users_own_are_named():
    with pytest.raises(ValueError, match=r"f=<function .* not finite at 5 of 5 samples"):
        InternalEnergy(lambda t: (t - 10).log(), bandwidth=1.0).bind(particles())


def test_what_is_not_finite_later_ends_the_flow_with_its_reason():
    """Two particles cross zero, where the logarithm of the others goes on."""
    positive = np.abs(X)
    ended = flow(PotentialEnergy(log_potential), data=positive, step_size=0.5, max_iter=50)
    assert ended.status == "diverged"
    assert "log_potential" in ended.reason
    assert "not finite at" in ended.reason
    assert ended.particles.x.isfinite().all()


def test_a_flow_that_goes_well_has_no_reason():
    assert flow(NormPotential()).reason is None


def test_potentials_may_answer_in_double_precision():
    def double(X, y):
        return X.double().square().sum(1) / 2

    def single(X, y):
        return X.square().sum(1) / 2

    one, other = flow(PotentialEnergy(double)), flow(PotentialEnergy(single))
    assert one.particles.x.dtype == torch.float32
    torch.testing.assert_close(one.particles.x, other.particles.x)
    pairs = flow(InteractionEnergy(lambda X, y, Z, u: torch.cdist(X.double(), Z.double())))
    assert pairs.particles.x.dtype == torch.float32


def test_what_a_potential_writes_into_is_its_own():
    """In place, with labels too: as the same function that writes nowhere."""

    def writes(X, y):
        X -= 1
        y += 1
        return X.square().sum(1) * y

    def reads(X, y):
        return (X - 1).square().sum(1) * (y + 1)

    def writes_pairs(X, y, Z, u):
        X *= 2
        Z *= 2
        return torch.cdist(X, Z)

    one, other = flow(PotentialEnergy(writes)), flow(PotentialEnergy(reads))
    assert torch.equal(one.particles.x, other.particles.x)
    assert torch.equal(one.particles.y, particles().y)
    one = flow(InteractionEnergy(writes_pairs))
    other = flow(InteractionEnergy(lambda X, y, Z, u: torch.cdist(2 * X, 2 * Z)))
    torch.testing.assert_close(one.particles.x, other.particles.x)


class Own(Functional):
    """Binds to what it is told, or evaluates to it."""

    def __init__(self, answer=None, bound=None):
        self.answer = answer
        self.bound = bound

    def bind(self, particles):
        return BoundOwn(self.answer) if self.bound is None else self.bound(particles)


class BoundOwn(BoundFunctional):
    def __init__(self, answer):
        self.answer = answer

    def evaluate(self, particles):
        return self.answer(particles)


def derivative(value=None, features=None):
    return lambda p: Derivative(
        p.x.sum() if value is None else value(p), torch.ones_like(p.x) if features is None else features(p)
    )


def writing(p):
    p.x.mul_(2)
    return Derivative(p.x.sum(), torch.ones_like(p.x))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda p: None, "must return a Derivative, got None"),
        (lambda p: p.x.sum(), r"must return a Derivative, got a tensor of shape \(\)"),
        (derivative(value=lambda p: None), r"value must be a tensor of real numbers of shape \(\), got None"),
        (derivative(value=lambda p: p.a), r"value must be .* got a tensor of shape \(5,\)"),
        (derivative(features=lambda p: None), r"gradient in the features must be .* \(5, 2\), got None"),
        (derivative(features=lambda p: p.a), r"gradient in the features must be .* got a tensor of shape \(5,\)"),
        (derivative(features=lambda p: p.x.numpy()), "got a ndarray"),
        (derivative(features=lambda p: p.x * 1j), "dtype torch.complex64"),
        (writing, "has written into the particles"),
    ],
)
@pytest.mark.parametrize("within", ["alone", "a sum"])
def test_functionals_of_the_wrong_form(answer, message, within):
    functional = Own(answer) if within == "alone" else FunctionalSum([("mine", Own(answer))])
    name = "BoundOwn" if within == "alone" else r"mine \(BoundOwn\)"
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        flow(functional)


def test_functionals_that_bind_to_nothing():
    with pytest.raises(ValueError, match=r"terms=\[\] leave nothing to descend"):
        flow(FunctionalSum([]))
    with pytest.raises(ValueError, match=r"mine=Own\(.*bind must return a BoundFunctional, got None"):
        flow(FunctionalSum([("mine", Own(bound=lambda p: None))]))


def test_functionals_may_answer_in_double_precision_and_plain_numbers():
    other = flow(Own(derivative(value=lambda p: 3.0, features=lambda p: torch.ones_like(p.x).double())))
    assert other.particles.x.dtype == torch.float32
    assert other.objective == [3.0] * 4


def test_functionals_that_are_not_finite_are_named():
    nan = Own(derivative(value=lambda p: p.x.sum() * math.nan))
    with pytest.raises(ValueError, match=r"mine \(BoundOwn\) has the value nan"):
        flow(FunctionalSum([("mine", nan)]))


def test_a_functional_may_keep_its_gradient():
    """A step overwrites what it is given, which must not be the functional's, or the particles."""
    constant = torch.ones(5, 2)
    for features in (lambda p: constant, lambda p: constant[:1].expand(5, 2)):
        flow(FunctionalSum([("mine", Own(derivative(features=features)))]))
        assert torch.equal(constant, torch.ones(5, 2))
    shrunk = flow(FunctionalSum([("mine", Own(derivative(features=lambda p: p.x)))]), step_size=0.01)
    assert shrunk.particles.x.abs().sum() < particles().x.abs().sum()


@contextmanager
def double_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def quartic(X, y):
    return X.pow(4).sum(1) * (y + 1)


def pairwise(X, y, Z, u):
    return torch.exp(-torch.cdist(X, Z)) * (y[:, None] != u)


TERMS = FunctionalSum(
    [
        ("potential", PotentialEnergy(quartic, weight=1e-2)),
        ("interaction", InteractionEnergy(pairwise)),
        ("internal", InternalEnergy(lambda t: t**2)),
        ("repulsion", ClassRepulsion()),
        ("tube", TubePotential(0.1)),
        ("entropy", Entropy(weight=0.1)),
        ("distance", OTDDFunctional(labelled(20, 2, k=2, seed=1))),
    ]
)


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode, double_default])
@pytest.mark.parametrize("dynamics", [FeatureDriven, JointFixedLabels])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_torchs_surroundings_change_no_bit(surroundings, dynamics, dtype):
    def run():
        start = Particles.from_arrays(*labelled(30, 2, k=2), dtype=dtype)
        moves = dynamics().bind(start, optimizer=Euler(), step_size=0.05, seed=0)
        return integrate(TERMS.bind(moves.particles), moves, max_iter=3, tol=0)

    plain = run()
    with surroundings():
        other = run()
    assert other.particles.x.dtype == dtype
    assert plain.objective == other.objective
    assert torch.equal(plain.particles.x, other.particles.x)
