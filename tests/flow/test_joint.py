"""Joint-driven fixed-label dynamics, and the OTDD's gradients in free label distributions."""

from dataclasses import replace

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import (
    Adam,
    Euler,
    FeatureDriven,
    JointFixedLabels,
    JointVariableLabels,
    Momentum,
    Particles,
    integrate,
)
from skflow.functionals import OTDDFunctional
from skflow.transport import GaussianLabels, free_label_distances

ALL_CLASSES = "coupling"


class EveryoneTheSame:
    """A clusterer that sees one cluster."""

    def fit_predict(self, X):
        return np.zeros(len(X), dtype=int)


def data(n=40, d=3, k=3, seed=0, shift=0.0):
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.arange(n) % k)
    return shift + 3 * rng.randn(k, d)[y] + rng.randn(n, d) @ rng.randn(d, d), y


def flat_start(name="jd-fl", d=3, k=3, n=40, covariance="full", X=None):
    source, y = data(n=n, d=d, k=k)
    particles = Particles.from_arrays(source if X is None else X, y, dtype=torch.float64)
    dynamics = (
        JointFixedLabels(covariance)
        if name == "jd-fl"
        else JointVariableLabels(EveryoneTheSame(), covariance=covariance)
    ).bind(particles, optimizer=Euler(), step_size=0.1)
    return dynamics, dynamics.particles


def numerical_gradient(evaluate, state, direction, h=1e-5):
    return (evaluate(state + h * direction) - evaluate(state - h * direction)) / (2 * h)


def assert_gradients(functional, particles, seed=0):
    """Central differences along random directions in features, means and factors, each from a fresh start."""
    generator = torch.Generator().manual_seed(seed)

    def value(**changes):
        labels = replace(particles.labels, **{k: v for k, v in changes.items() if k != "x"})
        moved = replace(particles, x=changes.get("x", particles.x), labels=labels)
        return functional.bind(particles).evaluate(moved).value.item()

    derivative = functional.bind(particles).evaluate(particles)
    states = {"x": (particles.x, derivative.features), "mean": (particles.labels.mean, derivative.labels.mean)}
    if particles.labels.factor is not None:
        states["factor"] = (particles.labels.factor, derivative.labels.factor)
    for name, (state, gradient) in states.items():
        direction = torch.randn(state.shape, generator=generator, dtype=state.dtype)
        expected = numerical_gradient(lambda s, name=name: value(**{name: s}), state, direction)
        assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-5), name


@pytest.mark.parametrize("name", ["jd-fl", "jd-vl"])
@pytest.mark.parametrize("covariance", ["full", "diag", "means", 2])
@pytest.mark.parametrize("debias", [False, True])
def test_gradients_match_finite_differences(name, covariance, debias):
    _, particles = flat_start(name, n=18, covariance=covariance)
    functional = OTDDFunctional(
        data(n=25, seed=1), reg=0.5, correspondence=ALL_CLASSES, debias=debias, marginal_tol=1e-12, refresh_tol=0,
        label_weight=1.7, weight=0.6,
    )  # fmt: skip
    # Away from the start, where means and factors are not those of the samples.
    labels = particles.labels
    factor = None if labels.factor is None else 1.3 * labels.factor + 0.1
    particles = replace(particles, labels=replace(labels, mean=labels.mean + 0.3, factor=factor))
    assert_gradients(functional, particles)


@pytest.mark.parametrize("correspondence", ["same", {0: 2, 1: 0, 2: 0}])
def test_gradients_with_a_hard_correspondence(correspondence):
    _, particles = flat_start(n=18)
    functional = OTDDFunctional(
        data(n=25, seed=1), reg=0.1, correspondence=correspondence, marginal_tol=1e-12, refresh_tol=0
    )
    assert_gradients(functional, particles)


def test_gradients_at_singular_covariances():
    """Classes of two and three samples in six dimensions, on both sides."""
    d = 6
    X, y = data(n=8, d=d, k=3)
    particles = Particles.from_arrays(X, y, dtype=torch.float64)
    # The classes' own factors have a row too many, which is a kink of W2; their leading directions have none.
    particles = replace(particles, labels=GaussianLabels.from_classes(particles, 1))
    covariances = particles.labels.factor.mT @ particles.labels.factor
    assert torch.linalg.matrix_rank(covariances).max() == 1
    functional = OTDDFunctional(
        data(n=7, d=d, seed=1), reg=0.1, correspondence=ALL_CLASSES, marginal_tol=1e-12, refresh_tol=0
    )
    assert_gradients(functional, particles)


def test_a_point_mass_has_finite_gradients_and_stays_finite():
    X, y = data()
    X = np.where((y == 0)[:, None], X[y == 0][0], X)  # class 0 is a single point, many times
    for covariance in ("full", "diag"):
        dynamics, particles = flat_start(X=X, covariance=covariance)
        bound = OTDDFunctional(data(seed=1), correspondence="same").bind(particles)
        flow = integrate(bound, dynamics, max_iter=20)
        assert torch.isfinite(flow.particles.labels.factor).all()
        assert flow.objective[-1] < flow.objective[0]


@given(seed=st.integers(0, 2**31 - 1), d=st.integers(1, 6), ranks=st.tuples(st.integers(1, 8), st.integers(1, 8)))
@settings(max_examples=30, deadline=None)
def test_distances_are_those_of_the_textbook(seed, d, ranks):
    rng = np.random.RandomState(seed)
    mean = torch.tensor(rng.randn(2, 2, d))
    factors = [torch.tensor(rng.randn(2, r, d)) for r in ranks]
    of = torch.arange(2)
    ours = free_label_distances(GaussianLabels(mean[0], factors[0], of), GaussianLabels(mean[1], factors[1], of))
    expected = [
        [textbook_distance(mean[0, k], mean[1, l], factors[0][k], factors[1][l]) for l in range(2)] for k in range(2)
    ]
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


def textbook_distance(mu, nu, factor, other):
    """By eigenvalues: POT takes roots of their rounding errors where a covariance is singular, and says NaN."""
    sigma, sigma_other = (f.T @ f for f in (factor.numpy(), other.numpy()))
    values, vectors = np.linalg.eigh(sigma)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ sigma_other @ root).clip(0)).sum()
    return ((mu - nu) ** 2).sum().item() + np.trace(sigma) + np.trace(sigma_other) - 2 * cross


def test_diagonal_distances_are_those_of_diagonal_covariances():
    rng = np.random.RandomState(0)
    mean, s, of = torch.tensor(rng.randn(4, 3)), torch.tensor(rng.randn(4, 3)), torch.arange(4)
    diag = GaussianLabels(mean, s, of), GaussianLabels(mean.flip(0), s.flip(0).abs(), of)
    full = [replace(labels, factor=torch.diag_embed(labels.factor)) for labels in diag]
    torch.testing.assert_close(free_label_distances(*diag), free_label_distances(*full))


def test_an_euler_step_on_a_factor_is_a_step_on_the_bures_manifold():
    """Sigma <- (I - tau G) Sigma (I - tau G), G = 2 (I - T) and T the optimal map between the Gaussians."""
    d, tau = 3, 0.1
    dynamics, particles = flat_start(k=1, d=d, n=30)
    target = data(n=30, d=d, k=1, seed=1)
    bound = OTDDFunctional(target, correspondence="same", refresh_tol=0).bind(particles)
    before, after = particles.labels, dynamics.step(particles, bound.evaluate(particles)).labels
    sigma = (before.factor.mT @ before.factor)[0].numpy()
    nu, other = target[0].mean(0), np.cov(target[0].T, bias=True)
    transport, _ = ot.gaussian.bures_wasserstein_mapping(before.mean[0].numpy(), nu, sigma, other)
    step = np.eye(d) - tau * 2 * (np.eye(d) - transport)
    np.testing.assert_allclose((after.factor.mT @ after.factor)[0].numpy(), step.T @ sigma @ step, rtol=1e-6)
    np.testing.assert_allclose(after.mean[0], (1 - 2 * tau) * before.mean[0] + 2 * tau * torch.as_tensor(nu))


@pytest.mark.parametrize("optimizer", [Euler, Momentum, Adam])
def test_label_distributions_reach_those_of_the_target(optimizer):
    X, y = data(n=60)
    particles = Particles.from_arrays(X, y, dtype=torch.float64)
    dynamics = JointFixedLabels().bind(particles, optimizer=optimizer(), step_size=0.2)
    particles = dynamics.particles
    bound = OTDDFunctional(data(n=60, seed=1), reg=0.02, correspondence="same").bind(particles)
    flow = integrate(bound, dynamics, max_iter=100, tol=0)
    before, after = (bound.label_distances(p).diag() for p in (particles, flow.particles))
    assert (after < 0.01 * before).all()


def test_starts_with_the_objective_of_feature_driven_dynamics():
    X, y = data()
    functional = OTDDFunctional(data(seed=1), correspondence=ALL_CLASSES, refresh_tol=0)
    plain = Particles.from_arrays(X, y, dtype=torch.float64)
    joint = JointFixedLabels().bind(plain, optimizer=Euler(), step_size=0.1).particles
    fd, jd = (functional.bind(p).evaluate(p).value for p in (plain, joint))
    torch.testing.assert_close(fd, jd)


def test_constant_features_may_gain_spread():
    """A pixel that is never on in the source and varies in the target."""
    X, _ = data()
    X[:, 0] = 0.0
    for covariance in ("full", "diag"):
        dynamics, particles = flat_start(X=X, covariance=covariance)
        bound = OTDDFunctional(data(seed=1), correspondence="same").bind(particles)
        factor = integrate(bound, dynamics, max_iter=20).particles.labels.factor
        assert torch.linalg.vector_norm(factor[..., 0]) > 0.5


def test_auto_covariance_goes_by_size(monkeypatch):
    assert flat_start(covariance="auto")[1].labels.covariance == "full"
    monkeypatch.setattr("skflow.flow._joint.FULL_NUMBERS", 10)
    assert flat_start(covariance="auto")[1].labels.covariance == "diag"


@pytest.mark.parametrize("covariance", ["full", 2])
def test_memory_is_checked_before_it_is_taken(monkeypatch, covariance):
    monkeypatch.setattr("skflow.transport._memory.available_memory", lambda device: 100)
    with pytest.raises(MemoryError, match=r"max_particles.*covariance='diag'"):
        flat_start(covariance=covariance)
    flat_start(covariance="diag")


def test_memory_of_the_distances_is_checked(monkeypatch):
    _, particles = flat_start()
    bound = OTDDFunctional(data(seed=1), correspondence=ALL_CLASSES).bind(particles)
    monkeypatch.setattr("skflow.transport._memory.available_memory", lambda device: 100)
    with pytest.raises(MemoryError, match="3 x 3 label distributions"):
        bound.evaluate(particles)


def test_nonparametric_labels_are_refused():
    _, particles = flat_start()
    with pytest.raises(ValueError, match="label_distance='exact'"):
        OTDDFunctional(data(seed=1), label_distance="exact").bind(particles)


def test_a_functional_without_label_gradients_leaves_labels_alone():
    from skflow.functionals import NormPotential

    dynamics, particles = flat_start()
    flow = integrate(NormPotential().bind(particles), dynamics, max_iter=3)
    assert flow.particles.labels is particles.labels
    assert (flow.particles.x != particles.x).any()


def test_feature_driven_dynamics_have_no_free_labels():
    particles = Particles.from_arrays(*data())
    assert FeatureDriven().bind(particles, optimizer=Euler(), step_size=0.1).particles.labels is None
