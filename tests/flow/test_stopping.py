"""When a flow stops: tolerances, zero tolerance, and noise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from skflow.flow import Euler, FeatureDriven, Particles, StoppingRule, integrate
from skflow.functionals import Entropy, FunctionalSum, PotentialEnergy


def stops_after(values, tol, *, noisy, patience=5):
    """Steps after which the rule says so; None where it never does."""
    rule = StoppingRule(tol, patience)
    for step, value in enumerate(values):
        rule.observe(value, noisy)
        if rule.stalled():
            return step
    return None


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=30, max_size=80), noisy=st.booleans())
@settings(max_examples=40, deadline=None)
def test_zero_tolerance_never_stops(values, noisy):
    assert stops_after(values, 0, noisy=noisy) is None


def autocorrelated(rng, n, memory):
    """A stationary sequence of variance one whose neighbours are alike."""
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=n + 100))[100:]


@pytest.mark.parametrize("noise", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_noise_does_not_end_a_flow_that_still_falls(memory, noise):
    """Of twenty flows from 11 to 1, not one stops while its objective's mean is still 2 % above its end."""
    rng, steps = np.random.default_rng(0), np.arange(1000)
    for _ in range(20):
        mean = 1 + 10 * np.exp(-steps / 100)
        end = stops_after(mean + noise * autocorrelated(rng, len(steps), memory), 1e-3, noisy=True)
        assert end is None or mean[end] < 1.02


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_a_flow_that_has_arrived_stops_although_there_is_noise(noise):
    rng, steps = np.random.default_rng(0), np.arange(1000)
    ends = [
        stops_after(1 + np.exp(-steps / 10) + noise * rng.normal(size=len(steps)), 1e-2, noisy=True) for _ in range(20)
    ]
    assert None not in ends
    # The more noise, the longer it takes to be sure.
    assert np.median(ends) <= 80 + 10_000 * noise


def test_a_lucky_value_is_no_arrival():
    """Without a look at the noise, the best of some values is not beaten for five steps, and the flow ends there."""
    rng = np.random.default_rng(0)
    values = 5 - 0.01 * np.arange(300) + rng.normal(size=300)
    assert stops_after(values, 1e-3, noisy=False) < 60
    assert stops_after(values, 1e-3, noisy=True) is None


def diffusing(n_steps, tol, seed=0, n=500):
    X = 3 + np.random.default_rng(seed).normal(size=(n, 2))
    particles = Particles.from_arrays(X, np.zeros(n, int), dtype=torch.float64)
    bowl = PotentialEnergy(lambda X, y: X.square().sum(1) / 2)
    bound = FunctionalSum([("bowl", bowl), ("noise", Entropy(weight=0.5))]).bind(particles)
    moves = FeatureDriven().bind(particles, optimizer=Euler(), step_size=0.05, seed=seed)
    return integrate(bound, moves, max_iter=n_steps, tol=tol)


def test_diffusion_arrives_at_its_stationary_law():
    """Ornstein-Uhlenbeck: mean zero, variance one half; with tol=0 after all steps, else not before it is there."""
    flow = diffusing(200, tol=0)
    assert (flow.status, flow.n_iter) == ("max_iter", 200)
    standard_error = np.sqrt(0.5 / 500)
    assert (flow.particles.x.mean(0).abs() < 3 * standard_error).all()
    flow = diffusing(400, tol=1e-2)
    assert flow.status == "converged"
    assert (flow.particles.x.mean(0).abs() < 3 * standard_error).all()
