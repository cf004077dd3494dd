"""Options of a flow: what they are as objects, what is refused, and pieces of a user's own."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skflow.flow import (
    DYNAMICS,
    OPTIMIZERS,
    Adam,
    BoundDynamics,
    BoundFunctional,
    Derivative,
    Dynamics,
    Euler,
    FeatureDriven,
    JointFixedLabels,
    JointVariableLabels,
    Momentum,
    Optimizer,
    Particles,
    Stepper,
    integrate,
)
from skflow.functionals import OTDDFunctional
from tests._data import labelled


def start(n=20, d=2, dtype=torch.float64):
    return Particles.from_arrays(*labelled(n, d, k=2), dtype=dtype)


def bind(dynamics, optimizer=None, step_size=0.1, **kwargs):
    return dynamics.bind(start(), optimizer=optimizer or Euler(), step_size=step_size, **kwargs)


@pytest.mark.parametrize("option", [*DYNAMICS.values(), *OPTIMIZERS.values()])
def test_options_are_parameter_objects(option):
    one = option()
    assert clone(one).get_params() == one.get_params()
    assert repr(one) == f"{option.__name__}()"
    one.validate()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: bind(FeatureDriven(), Momentum(beta=1.0)), "'beta' parameter of Momentum must be .* Got 1.0"),
        (lambda: bind(FeatureDriven(), Adam(beta2=-0.1)), "'beta2' parameter of Adam must be .* Got -0.1"),
        (lambda: bind(FeatureDriven(), Euler(n_iter_no_change=0)), "'n_iter_no_change' parameter of Euler .* Got 0"),
        (lambda: bind(JointFixedLabels("ful")), "'covariance' parameter of JointFixedLabels .*Did you mean 'full'"),
        (lambda: bind(JointFixedLabels(0)), "'covariance' parameter of JointFixedLabels must be .* Got 0"),
        (lambda: bind(JointVariableLabels(object())), "'clusterer' parameter of JointVariableLabels must be"),
        (lambda: bind(JointVariableLabels(recluster_every=0)), "'recluster_every' parameter of .* Got 0"),
        (lambda: bind(FeatureDriven(), step_size=0), "step_size=0 must be a positive, finite number"),
        (lambda: bind(FeatureDriven(), step_size=float("nan")), "step_size=nan must be"),
        (lambda: bind(FeatureDriven(), step_size=10**400), "step_size=1000.* must be"),
        (lambda: bind(FeatureDriven(), unit=-1.0), "unit=-1.0 must be"),
    ],
)
def test_errors_name_parameter_and_value(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_huge_step_diverges_with_finite_particles(name):
    moves = bind(FeatureDriven(), OPTIMIZERS[name](), step_size=10**30)
    flow = integrate(OTDDFunctional(labelled(15, 2, k=2, seed=1), reg=0).bind(moves.particles), moves, max_iter=5)
    assert flow.particles.x.isfinite().all()
    assert name == "auto" or flow.status == "diverged"


class Halfway(Dynamics):
    """Features move half as far as the gradient says."""

    def bind(self, particles, *, optimizer, step_size, seed=0, unit=1.0):
        return BoundHalfway(particles, optimizer=optimizer, step_size=step_size / 2, seed=seed, unit=unit)


class BoundHalfway(BoundDynamics):
    def move(self, particles, derivative):
        velocity = -derivative.features / particles.a[:, None]
        return particles.moved(particles.x + self.stepper().displacement(velocity))


class SignDescent(Optimizer):
    """Every coordinate moves at the speed one."""

    def __init__(self, *, n_iter_no_change=5):
        self.n_iter_no_change = n_iter_no_change

    def start(self, step_size):
        return Signs(step_size)


class Signs(Stepper):
    def __init__(self, step_size):
        self.step_size = step_size

    def displacement(self, velocity, value=None, curvature=None):
        return self.step_size * velocity.sign()


class Bowl(BoundFunctional):
    """``1/2 sum_i a_i ||x_i||^2``."""

    def evaluate(self, particles):
        weighted = particles.a[:, None] * particles.x
        return Derivative((weighted * particles.x).sum() / 2, weighted)


def test_pieces_of_a_users_own():
    before = start().x
    moves = bind(Halfway(), Euler(), step_size=0.2)
    flow = integrate(Bowl(), moves, max_iter=10, tol=0)
    torch.testing.assert_close(flow.particles.x, 0.9**10 * before)
    flow = integrate(Bowl(), bind(FeatureDriven(), SignDescent(), step_size=0.01), max_iter=3, tol=0)
    torch.testing.assert_close(flow.particles.x, before - 0.03 * before.sign())


@pytest.mark.parametrize("weighted", [False, True])
def test_integer_weights_are_repeated_rows(weighted):
    """As the same flow with each row as often as its weight says."""
    X, y = labelled(12, 2, k=2)
    counts = np.random.default_rng(0).integers(1, 4, size=12)
    flows = []
    for rows, weights in ((np.arange(12), counts), (np.repeat(np.arange(12), counts), None)):
        particles = Particles.from_arrays(
            X[rows], y[rows], class_weight="balanced" if weighted else None, sample_weight=weights, dtype=torch.float64
        )
        moves = FeatureDriven().bind(particles, optimizer=Euler(), step_size=0.1)
        target = OTDDFunctional(labelled(15, 2, k=2, seed=1), marginal_tol=1e-10, refresh_tol=0)
        flows.append(integrate(target.bind(particles), moves, max_iter=5, tol=0))
    one, other = flows
    np.testing.assert_allclose(one.objective, other.objective, rtol=1e-7)
    x = one.particles.in_data_order(one.particles.x).repeat_interleave(torch.as_tensor(counts), 0)
    torch.testing.assert_close(x, other.particles.in_data_order(other.particles.x), rtol=1e-6, atol=1e-6)
