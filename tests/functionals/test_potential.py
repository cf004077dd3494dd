"""Potential energies: the presets' values, flows with exact solutions, and what is refused."""

import numpy as np
import ot
import pytest
import torch

from skflow.flow import Euler, FeatureDriven, Particles, integrate
from skflow.functionals import (
    AffinePotential,
    BoxPotential,
    CollapsePotential,
    MarginPotential,
    NormPotential,
    PotentialEnergy,
    TubePotential,
)

Q = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
"""A positive definite form: eigenvalues 0.79 and 2.21."""


def quadratic(X, y):
    return ((X @ Q) * X).sum(dim=1) / 2


def parabola(X, y):
    return 0.7 * X.square().sum(dim=1) / 2


def particles(X, y=None):
    y = np.zeros(len(X), dtype=int) if y is None else y
    return Particles.from_arrays(np.asarray(X, dtype=float), y, dtype=torch.float64)


def flow_for(time, n_steps, functional, start):
    bound, moving = functional.bind(start), start.moved(start.x.clone())
    dynamics = FeatureDriven().bind(moving, optimizer=Euler(), step_size=time / n_steps)
    return integrate(bound, dynamics, max_iter=n_steps, tol=0)


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        (NormPotential(), [5, 13]),
        (AffinePotential([[1, 0]], [1]), [2, 4]),
        (AffinePotential(b=[3, 0]), [4, np.hypot(2, 12)]),
        (AffinePotential(by_class={"b": ([[2, 0]], None)}), [0, 10]),
        (MarginPotential([1, 0], 4), [1, 1]),
        (MarginPotential([0, 1], 0), [0, 12]),
        (MarginPotential([0, 1], 0, margin=5), [1, 17]),
        (MarginPotential([0, 1], -(10**30)), [0, 1e30]),  # no 64-bit integer
        (TubePotential(4), [0, 0]),
        (TubePotential(4, center=[0, 0]), [1, 9]),
        (TubePotential(0, center="mean"), [np.hypot(1, 4)] * 2),
        (CollapsePotential(1), [16, 144]),
        (CollapsePotential([0, -1], at=[3, 4]), [0, 68]),
        (BoxPotential(0, [4, 10]), [0, 5]),
    ],
    ids=repr,
)
def test_values(potential, expected):
    at = particles([[3, 4], [5, 12]], np.array(["a", "b"]))
    assert potential.bind(at).evaluate(at).value.item() == pytest.approx(np.mean(expected))


def test_tube_follows_a_particle_through_a_new_order():
    """Dynamics that change labels sort the particles anew: x_0 goes along."""
    start = particles([[0.0, 0], [10, 0], [20, 0]])
    bound = TubePotential(1).bind(start)
    turned = Particles(start.x.flip(0), start.y, start.a, start.classes, start.order.flip(0))
    assert bound.evaluate(turned).value == 0


def test_flow_of_a_quadratic_is_of_first_order():
    """Against ``x(t) = exp(-Q t) x_0``: the error is that of explicit Euler, and halves with the step size."""
    start = particles(np.random.default_rng(0).normal(size=(20, 2)))
    exact = start.x @ torch.linalg.matrix_exp(-Q)
    errors = [
        (flow_for(1.0, n, PotentialEnergy(quadratic), start).particles.x - exact).norm().item() for n in (20, 40, 80)
    ]
    assert errors[0] < 0.05 * exact.norm().item()
    ratios = np.divide(errors[:-1], errors[1:])
    assert ((ratios > 1.9) & (ratios < 2.2)).all()


def test_distance_of_two_flows_decays_at_the_rate_of_convexity():
    """Proposition A.2: ``W2^2`` between two flows of a lambda-convex functional decays like ``exp(-2 lambda t)``."""
    rng = np.random.default_rng(1)
    starts = [particles(rng.normal(size=(30, 2))), particles(3 + 2 * rng.normal(size=(30, 2)))]
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.0])

    def squared_distances(potential):
        ends = [[s if t == 0 else flow_for(t, int(100 * t), potential, s).particles for s in starts] for t in times]
        return [ot.emd2(p.a.numpy(), q.a.numpy(), ot.dist(p.x.numpy(), q.x.numpy())) for p, q in ends]

    rate = -np.polyfit(times, np.log(squared_distances(PotentialEnergy(parabola))), 1)[0]
    assert rate == pytest.approx(2 * 0.7, rel=0.05)
    # Where the potential is more convex in some directions, lambda is the least, and the proposition a bound.
    slowest = torch.linalg.eigvalsh(Q).min().item()
    distances = np.array(squared_distances(PotentialEnergy(quadratic)))
    assert (distances <= distances[0] * np.exp(-2 * slowest * times) * (1 + 1e-9)).all()


def test_margin_separates_the_classes_as_the_paper_has_it():
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes"] * 20)
    start = particles(rng.normal(size=(40, 2)), y)
    end = flow_for(20.0, 200, MarginPotential([1, 1], margin=0.1), start).particles
    side = end.x.sum(1)
    assert (side[end.y == 0] >= 0).all()
    assert (side[end.y == 1] <= 0).all()


def test_untouched_classes_stay():
    start = particles(np.random.default_rng(0).normal(size=(10, 2)), np.arange(10) % 2)
    end = flow_for(1.0, 10, AffinePotential(by_class={0: (None, [5, 5])}), start).particles
    assert torch.equal(end.x[end.y == 1], start.x[start.y == 1])
    assert (end.x[end.y == 0] != start.x[start.y == 0]).all()


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        (NormPotential(weight="big"), "'weight' parameter of NormPotential must be .* Got 'big'"),
        (NormPotential(weight=np.inf), "'weight' parameter of NormPotential must be .* Got inf"),
        (AffinePotential([[1, 2, 3]]), r"A=\[\[1, 2, 3\]\] has the shape \(1, 3\)"),
        (AffinePotential([["a", "b"]]), r"A=\[\['a', 'b'\]\] is not an array of numbers"),
        (AffinePotential(b=[1, 2, 3]), r"b=\[1, 2, 3\] has the shape \(3,\)"),
        (AffinePotential(b=[1, np.nan]), r"b=\[1, nan\] is not finite"),
        (AffinePotential(by_class={7: (None, 1)}), r"by_class=\{7.* names the labels \[7\]; y has \[0\]"),
        (AffinePotential(by_class={}), "by_class={} names no class"),
        (AffinePotential(by_class={0: 1}), r"by_class\[0\]=1 is not a pair"),
        (AffinePotential(b=1, by_class={0: (None, 1)}), "not both"),
        (MarginPotential([1, 0, 0]), r"w=\[1, 0, 0\] has the shape"),
        (MarginPotential([1, 0]), r"separates two classes; y has \[0\]"),
        (MarginPotential([1, 0], margin=-1), "'margin' parameter of MarginPotential must be .* Got -1"),
        (TubePotential(-1), "'radius' parameter of TubePotential must be .* Got -1"),
        (TubePotential(np.nan), "'radius' parameter of TubePotential must be .* Got nan"),
        (TubePotential(center="middle"), "'center' parameter of TubePotential must be .* Got 'middle'"),
        (TubePotential(center=[1, 2, 3]), r"center=\[1, 2, 3\] has the shape"),
        (CollapsePotential([0, 2]), r"dims=\[0, 2\] are not indices of features; X has 2"),
        (CollapsePotential([0.5]), r"dims=\[0.5\] are not indices"),
        (CollapsePotential([1, -1]), r"dims=\[1, -1\] names a feature twice"),
        (CollapsePotential([1], at=[1, 2]), r"at=\[1, 2\] has the shape"),
        (BoxPotential(2, 1), "low=2 is above high=1"),
        (BoxPotential(None, None), "low=None and high=None"),
        (PotentialEnergy("norm"), "'V' parameter of PotentialEnergy must be a callable. Got 'norm'"),
    ],
    ids=repr,
)
def test_errors_name_parameter_and_value(potential, message):
    with pytest.raises(ValueError, match=message):
        potential.bind(particles([[0.0, 0], [1, 1]]))


def test_numbers_beyond_single_precision_are_refused():
    at = Particles.from_arrays(np.eye(2), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"center=\[1, 1e\+40\] is beyond the range of the features' torch.float32"):
        TubePotential(center=[1, 1e40]).bind(at)


@pytest.mark.parametrize(
    ("V", "message"),
    [
        (lambda X, y: X, r"must return a tensor of shape \(2,\), got \(2, 2\)"),
        (lambda X, y: 1.0, "must return a torch tensor, got a float"),
        (lambda X, y: X.detach().sum(1), "without a gradient"),
        (lambda X, y: None, "must return a torch tensor, got None"),
        (lambda X, y: X.new_zeros(len(X)), "without a gradient"),
        (lambda X, y: torch.ones(len(X), requires_grad=True), "does not depend on what it is given"),
        (lambda X, y: X.sum(1) * 1j, "must return real numbers"),
    ],
)
def test_errors_of_a_users_potential(V, message):
    at = particles([[0.0, 0], [1, 1]])
    with pytest.raises(ValueError, match=message):
        PotentialEnergy(V).bind(at).evaluate(at)
