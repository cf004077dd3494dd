"""The loop: closed forms of a quadratic, why it ends, what it keeps, and what it leaves alone."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import (
    OPTIMIZERS,
    Auto,
    BoundFunctional,
    Derivative,
    Euler,
    FeatureDriven,
    JointFixedLabels,
    Momentum,
    Particles,
    integrate,
)
from skflow.functionals import Entropy, FunctionalSum, NormPotential, OTDDFunctional
from tests._data import labelled, tensor

CENTRE = 2.0


class Quadratic(BoundFunctional):
    """``1/2 sum_i a_i ||x_i - centre||^2``: each particle falls towards the centre at the rate one."""

    def evaluate(self, particles):
        apart = particles.x - CENTRE
        weighted = particles.a[:, None] * apart
        return Derivative((weighted * apart).sum() / 2, weighted)


class Scripted(BoundFunctional):
    """Takes the values it is told, one after the other, with every particle moving by one a unit of time."""

    def __init__(self, values, gradients=()):
        self.values, self.gradients, self.seen = list(values), dict(gradients), []

    def evaluate(self, particles):
        step = len(self.seen)
        self.seen.append(particles.x.clone())
        gradient = -particles.a[:, None].expand_as(particles.x) * self.gradients.get(step, 1.0)
        value = self.values[min(step, len(self.values) - 1)]
        return Derivative(torch.tensor(value, dtype=particles.x.dtype), gradient.clone())


def start(n=7, d=2, device="cpu"):
    """Particles of unequal weights."""
    return Particles.from_arrays(*labelled(n, d, k=2), device=device, dtype=torch.float64)


def run(functional, particles, step_size=0.1, optimizer=Euler, *, n_iter_no_change=5, **kwargs):
    """The flow of a copy: it overwrites the features that it starts from."""
    own = particles.moved(particles.x.clone())
    optimizer = optimizer(n_iter_no_change=n_iter_no_change)
    return integrate(functional, FeatureDriven().bind(own, optimizer=optimizer, step_size=step_size), **kwargs)


def test_euler_on_a_quadratic_is_its_closed_form(device):
    """``x_t = c + (1 - step_size)^t (x_0 - c)``, whatever the weights of the particles."""
    particles = start(device=device)
    assert particles.a.unique().numel() > 1
    flow = run(Quadratic(), particles, max_iter=30, tol=0)
    torch.testing.assert_close(flow.particles.x, CENTRE + 0.9**30 * (particles.x - CENTRE))
    first = Quadratic().evaluate(particles).value.item()
    np.testing.assert_allclose(flow.objective, first * 0.9 ** (2 * np.arange(31)), rtol=1e-12)
    assert (flow.status, flow.n_iter) == ("max_iter", 30)


def test_momentum_on_a_quadratic_is_its_recursion(device):
    """A linear recurrence in position and average velocity, by powers of its 2 x 2 matrix, up to the first swing."""
    particles, beta, tau, n = start(device=device), Momentum().beta, 0.1, 9
    flow = run(Quadratic(), particles, tau, Momentum, max_iter=n, tol=0)
    # The average before the first step is the velocity itself; then m' = beta m - (1 - beta) e, e' = e + tau m'.
    matrix = np.array([[1 - tau * (1 - beta), tau * beta], [-(1 - beta), beta]])
    factor = (np.linalg.matrix_power(matrix, n) @ [1.0, -1.0])[0]
    assert factor > 0
    torch.testing.assert_close(flow.particles.x, CENTRE + factor * (particles.x - CENTRE))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_follows_a_constant_velocity_alike(optimizer, device):
    flow = run(Scripted([1.0]), particles := start(device=device), 0.2, OPTIMIZERS[optimizer], max_iter=5)
    torch.testing.assert_close(flow.particles.x, particles.x + 5 * 0.2)


@pytest.mark.parametrize(
    ("values", "status", "n_iter"),
    [
        ([3.0], "converged", 4),  # never falls
        ([3.0, 2.0, 1.0], "converged", 6),  # falls, then stays
        ([3.0, 2.999, 2.998, 2.997, 2.996], "converged", 4),  # falls by less than a hundredth
        ([100.0, 98.9, 97.8, 96.7, 95.6, 94.5], "converged", 9),  # falls by more than a hundredth of the best
        ([3.0, 2.0, 2.5, 2.5, 2.5, 1.0], "converged", 9),  # just in time
        ([3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0], "converged", 5),  # too late
        ([-1.0, -2.0, -3.0], "converged", 6),  # below zero it is no different
        ([0.0], "converged", 4),
        ([2.0 * 0.9**t for t in range(50)], "max_iter", 20),
    ],
)
def test_converges_where_the_best_has_not_fallen_for_a_while(values, status, n_iter):
    flow = run(Scripted(values), start(), max_iter=20, tol=0.01, n_iter_no_change=4)
    assert (flow.status, flow.n_iter) == (status, n_iter)
    assert flow.objective == [values[min(t, len(values) - 1)] for t in range(n_iter + 1)]


def test_convergence_is_judged_once_more_where_work_was_saved():
    """The objective of a functional that has something in hand falls again, and then no more."""
    functional = Scripted([3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0])
    functional.settle = iter([True, False]).__next__
    flow = run(functional, start(), max_iter=20, tol=0.01, n_iter_no_change=4)
    assert (flow.status, flow.n_iter, flow.objective[-1]) == ("converged", 10, 1.0)


@pytest.mark.parametrize("correspondence", ["same", "coupling"])
def test_old_label_distances_do_not_end_a_flow_early(correspondence):
    """It ends no higher, within its tolerance, than one whose label distances are new at every step."""
    particles, target, ends = Particles.from_arrays(*labelled(120, 5, 3)), labelled(120, 5, 3, seed=1, shift=1.0), []
    for how_often in ({}, {"refresh_tol": 0}):
        bound = OTDDFunctional(target, correspondence=correspondence, **how_often).bind(particles)
        flow = run(bound, particles, tol=1e-3, n_iter_no_change=5, max_iter=1000)
        assert flow.status == "converged"
        judge = OTDDFunctional(target, correspondence=correspondence, refresh_tol=0).bind(flow.particles)
        ends.append(judge.evaluate(flow.particles).value.item())
    assert ends[0] <= ends[1] * (1 + 1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 33.5])
def test_diverged_is_the_state_before(bad, device):
    """The particles are those of the last objective, in `frames` too."""
    particles = start(device=device)
    flow = run(Scripted([3.0, 2.0, 1.0, bad]), particles, n_frames=2)
    assert (flow.status, flow.objective) == ("diverged", [3.0, 2.0, 1.0])
    torch.testing.assert_close(flow.particles.x, particles.x + 2 * 0.1)
    assert torch.equal(flow.frames[-1], particles.in_data_order(flow.particles.x))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_velocities_that_are_not_finite_are_not_followed(bad, device):
    particles = start(device=device)
    flow = run(Scripted([1.0], {2: bad}), particles)
    assert (flow.status, flow.n_iter) == ("diverged", 2)
    torch.testing.assert_close(flow.particles.x, particles.x + 2 * 0.1)


def test_a_climb_below_the_limit_is_no_divergence():
    """Eleven times the start is where it ends; a negative start allows for as much."""
    assert run(Scripted([3.0, 32.9]), start(), max_iter=2).status == "max_iter"
    assert run(Scripted([-3.0, 26.9]), start(), max_iter=2).status == "max_iter"
    assert run(Scripted([-3.0, 27.1]), start(), max_iter=2).status == "diverged"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_objective_that_is_not_finite_at_the_start_is_an_error(bad):
    with pytest.raises(ValueError, match=f"objective is {bad} where the flow starts"):
        run(Scripted([bad]), start())


def test_too_large_a_step_diverges_with_finite_particles(device):
    """``|1 - step_size| > 1``: the quadratic's own limit."""
    flow = run(Quadratic(), start(device=device), step_size=2.5, max_iter=500)
    assert flow.status == "diverged"
    assert flow.particles.x.isfinite().all()
    assert flow.objective[-1] == pytest.approx(Quadratic().evaluate(flow.particles).value.item())


def test_monitor_sees_every_state_from_the_start_and_may_stop(device):
    seen, particles = [], start(device=device)

    def monitor(step, value, state):
        seen.append((step, value, state.x.clone()))
        return step == 3

    flow = run(Quadratic(), particles, monitor=monitor)
    assert (flow.status, flow.n_iter) == ("stopped", 3)
    assert [step for step, _, _ in seen] == [0, 1, 2, 3]
    assert [value for _, value, _ in seen] == flow.objective
    for step, _, x in seen:
        torch.testing.assert_close(x, CENTRE + 0.9**step * (particles.x - CENTRE))
    assert torch.equal(flow.particles.x, seen[-1][2])


def test_max_iter_zero_evaluates_and_stays():
    functional, particles = Scripted([1.0]), start()
    flow = run(functional, particles, max_iter=0)
    assert (flow.n_iter, len(functional.seen)) == (0, 1)
    assert torch.equal(flow.particles.x, particles.x)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("functional", ["quadratic", "distance", "debiased distance"])
def test_labels_and_weights_stay_as_they_are(functional, optimizer, device):
    particles = start(20, device=device)
    bound = Quadratic()
    if functional != "quadratic":
        bound = OTDDFunctional(labelled(15, 2, k=2, seed=1), debias="debiased" in functional).bind(particles)
    before = particles.x.clone(), particles.y.clone(), particles.a.clone()
    flow = run(bound, particles, optimizer=OPTIMIZERS[optimizer], max_iter=5)
    assert not torch.equal(flow.particles.x, before[0])
    for moved in (particles, flow.particles):
        assert torch.equal(moved.y, before[1])
        assert torch.equal(moved.a, before[2])
    assert torch.equal(particles.x, before[0])  # the derivative does not share its memory


@settings(deadline=None, max_examples=60)
@given(n_frames=st.integers(1, 12), n_steps=st.integers(0, 150))
def test_frames_are_spread_evenly_from_first_to_last(n_frames, n_steps):
    """As many as asked for, each within half the spacing of ``n_frames`` from its even time (or half a step)."""
    flow = run(Scripted([1.0]), start(3), 1.0, max_iter=n_steps, tol=0, n_frames=n_frames)
    n_frames = min(n_frames, n_steps + 1)
    assert len(flow.frames) == n_frames
    origin = flow.frames[0] if n_frames > 1 else flow.frames[0] - n_steps
    times = np.array([(frame - origin).mean().item() for frame in flow.frames])
    even = np.linspace(0, n_steps, n_frames) if n_frames > 1 else np.array([n_steps])
    assert times[-1] == pytest.approx(n_steps)
    assert (np.abs(times - even) <= max(n_steps / (2 * n_frames), 0.5) + 1e-9).all()


def test_frames_are_in_the_order_of_the_data(device):
    X, y = np.arange(6.0)[:, None], np.array([1, 0, 1, 0, 1, 0])
    particles = Particles.from_arrays(X, y, device=device, dtype=torch.float64)
    frames = run(Scripted([1.0]), particles, max_iter=3, n_frames=2).frames
    torch.testing.assert_close(frames[0], tensor(X, device))
    torch.testing.assert_close(frames[1], tensor(X, device) + 3 * 0.1)


def test_frames_are_no_more_than_states():
    assert len(run(Scripted([1.0]), start(), max_iter=3, n_frames=10**30).frames) == 4


def test_no_frames_are_kept_unasked():
    assert run(Quadratic(), start(), max_iter=3).frames == []


@pytest.mark.parametrize("debias", [False, True])
@pytest.mark.parametrize("correspondence", ["same", "coupling"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("scale", [1, 100])
def test_a_flow_that_starts_at_its_target_has_arrived(dtype, correspondence, debias, scale, device):
    """Rounding about an objective of zero is no divergence, and no division by it."""
    for seed in range(3):
        X, y = labelled(30, 3, k=2, seed=seed)
        particles = Particles.from_arrays(scale * X, y, device=device, dtype=dtype)
        functional = OTDDFunctional(
            (scale * X, y), reg=0.05 if debias else 0, debias=debias, correspondence=correspondence
        )
        flow = run(functional.bind(particles), particles)
        assert flow.status == "converged"
        torch.testing.assert_close(flow.particles.x, particles.x, rtol=0, atol=1e-3 * scale)


@pytest.mark.parametrize("step_size", [1e-3, 0.1, 2.5, 1e3])
def test_auto_is_at_the_centre_in_few_steps_whatever_the_first(step_size, device):
    """Of 2.5 and 1000 plain descent diverges."""
    flow = run(Quadratic(), start(device=device), step_size, Auto, max_iter=25)
    assert flow.status == "converged"
    torch.testing.assert_close(flow.particles.x, torch.full_like(flow.particles.x, CENTRE))


def test_a_blow_up_that_is_not_taken_back_is_divergence():
    """Only a flow that may still come down is waited for."""
    flow = run(Scripted([1.0, *[50.0] * 30]), start(), optimizer=Auto)
    assert (flow.status, flow.n_iter) == ("diverged", 10)
    flow = run(Scripted([1.0, 50.0, 0.5]), start(), optimizer=Auto, max_iter=1)
    assert (flow.status, flow.objective) == ("diverged", [1.0])
    assert run(Scripted([1.0, 50.0, 0.5]), start(), optimizer=Auto, max_iter=2).objective == [1.0, 50.0, 0.5]


DISTANCES = {
    "hard": {},
    "diagonal": {"label_distance": "gaussian-diag"},
    "means": {"label_distance": "means"},
    "no labels": {"label_weight": 0.0},
    "coupling": {"correspondence": "coupling"},
    "debiased": {"debias": True},
    "weighted": {"weight": 7.0},
}


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("dynamics", [FeatureDriven, JointFixedLabels])
def test_auto_ends_where_plain_descent_does_in_fewer_steps(name, dynamics, device):
    if name == "no labels" and dynamics is JointFixedLabels:
        pytest.skip("nothing moves but the features")
    target = labelled(60, 2, k=3, seed=1, shift=6.0)
    spec = OTDDFunctional(target, reg=0.1, **DISTANCES[name])

    def end(optimizer, max_iter):
        particles = Particles.from_arrays(*labelled(60, 2, k=3), device=device, dtype=torch.float64)
        moves = dynamics().bind(particles, optimizer=optimizer(), step_size=0.1 / spec.weight)
        return integrate(spec.bind(moves.particles), moves, max_iter=max_iter, tol=0)

    plain, auto = end(Euler, 100), end(Auto, 33)
    assert auto.status == "max_iter"
    fall = plain.objective[0] - plain.objective[-1]
    assert auto.objective[-1] <= plain.objective[-1] + 1e-2 * abs(plain.objective[-1]) + 1e-4 * fall


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), label_weight=st.floats(0, 5), soft=st.booleans())
def test_the_curvature_is_a_bound(seed, label_weight, soft):
    """The objective lies below ``F + <dF, dx> + L/2 sum_i a_i |dx_i|^2``, far away too."""
    particles = Particles.from_arrays(*labelled(15, 2, k=2, seed=seed), dtype=torch.float64)
    spec = OTDDFunctional(
        labelled(12, 2, k=2, seed=seed + 1), label_weight=label_weight, refresh_tol=0, marginal_tol=1e-9,
        correspondence="coupling" if soft else "same", weight=1.7,
    )  # fmt: skip
    bound = spec.bind(particles)
    here = bound.evaluate(particles)
    dx = torch.randn(particles.x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    there = bound.evaluate(particles.moved(particles.x + dx))
    above = here.value + (here.features * dx).sum() + here.curvature / 2 * particles.a @ dx.square().sum(1)
    assert there.value <= above + 1e-4 * here.value.abs()


def test_a_bound_on_some_terms_is_none_on_their_sum():
    particles = start(20)
    distance = OTDDFunctional(labelled(15, 2, k=2, seed=1))
    alone = FunctionalSum([("a", distance), ("b", distance)]).bind(particles).evaluate(particles)
    assert alone.curvature == pytest.approx(2 * distance.bind(particles).evaluate(particles).curvature)
    assert (
        FunctionalSum([("a", distance), ("b", NormPotential())]).bind(particles).evaluate(particles).curvature is None
    )
    turned = OTDDFunctional(labelled(15, 2, k=2, seed=1), weight=-1.0)
    assert turned.bind(particles).evaluate(particles).curvature is None


def test_noise_needs_steps_of_a_known_length():
    particles = start()
    bound = Entropy().bind(particles)
    assert run(bound, particles, max_iter=2).n_iter == 2
    with pytest.raises(ValueError, match=r"optimizer=Auto\(\) chooses"):
        run(bound, particles, optimizer=Auto, max_iter=2)
    assert run(Quadratic(), particles, optimizer=Auto, max_iter=2).n_iter == 2
