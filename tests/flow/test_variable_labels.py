"""Joint-driven variable-label dynamics: classes that split, merge and vanish, and keep their names."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.flow import Adam, Euler, JointVariableLabels, Momentum, Particles, integrate
from skflow.flow._relabelling import absorb_noise, embed, keep_names
from skflow.functionals import ClassRepulsion, OTDDFunctional
from skflow.transport import GaussianLabels, free_label_distances

PAPER = DBSCAN(eps=5, min_samples=4)


def ring(k, n, radius, seed, turn=0.0):
    rng = np.random.RandomState(seed)
    angle = 2 * np.pi * np.arange(k) / k + turn
    y = rng.permutation(np.arange(n) % k)
    return radius * np.c_[np.cos(angle), np.sin(angle)][y] + rng.randn(n, 2), y


THREE, FIVE = ring(3, 90, 8, 0), ring(5, 100, 15, 1, turn=0.3)


def flow_of(clusterer, source=THREE, target=FIVE, optimizer=Euler, max_iter=60, every=10, names=None, **kwargs):
    X, y = source
    y = y if names is None else np.array(names)[y]
    dynamics = JointVariableLabels(partial(optimizer, 0.1), clusterer=clusterer, recluster_every=every, **kwargs)
    particles = dynamics.start(Particles.from_arrays(X, y, dtype=torch.float64))
    bound = OTDDFunctional(target).bind(particles)
    seen = []
    flow = integrate(
        bound, particles, dynamics, max_iter=max_iter, tol=0, n_iter_no_change=10**6,
        monitor=lambda step, value, particles: seen.append(particles),
    )  # fmt: skip
    return flow, bound, seen


def by_row(particles):
    return particles.classes[particles.in_data_order(particles.y).numpy()]


@pytest.mark.parametrize("optimizer", [Euler, Momentum, Adam])
def test_three_classes_become_the_five_of_the_target(optimizer):
    flow, bound, _ = flow_of(PAPER, optimizer=optimizer)
    coupling = bound.coupling_of(flow.particles)
    assert flow.particles.n_classes == 5
    assert flow.particles.classes.tolist() == [0, 1, 2, 3, 4]
    # One to one: each class has a row and a column to itself.
    np.testing.assert_allclose(coupling.max(0).values, 0.2, atol=0.02)
    np.testing.assert_allclose(coupling.max(1).values, 0.2, atol=0.02)
    assert (bound.label_distances(flow.particles).min(1).values < 0.5).all()


def test_beats_fixed_labels_where_classes_are_too_few():
    from skflow.flow import JointFixedLabels

    flow, _, _ = flow_of(PAPER)
    dynamics = JointFixedLabels(partial(Euler, 0.1))
    particles = dynamics.start(Particles.from_arrays(*THREE, dtype=torch.float64))
    fixed = integrate(OTDDFunctional(FIVE, correspondence="coupling").bind(particles), particles, dynamics, max_iter=60)
    assert flow.objective[0] == pytest.approx(fixed.objective[0], rel=1e-3)
    assert flow.objective[-1] < 0.5 * fixed.objective[-1]


def test_particles_stay_sorted_and_whole():
    flow, _, seen = flow_of(PAPER, every=3)
    for particles in [*seen, flow.particles]:
        assert (particles.y.diff() >= 0).all()
        assert particles.order.sort().values.tolist() == list(range(90))
        assert torch.equal(particles.labels.of, particles.order)
        assert particles.a.sum().item() == pytest.approx(1)
        assert len(particles.classes) == particles.n_classes


def test_clustering_changes_names_and_nothing_else():
    """Objectives and paths do not depend on when and how labels are read out, whatever the optimizer keeps in mind."""
    for optimizer in (Euler, Momentum, Adam):
        one, _, _ = flow_of(PAPER, optimizer=optimizer, every=2, max_iter=30)
        other, _, _ = flow_of(KMeans(2, n_init=1, random_state=0), optimizer=optimizer, every=7, max_iter=30)
        np.testing.assert_allclose(one.objective, other.objective, rtol=1e-9)
        x = [f.particles.in_data_order(f.particles.x) for f in (one, other)]
        torch.testing.assert_close(*x)


def test_a_class_keeps_its_name():
    names = ["cat", "dog", "owl"]
    flow, _, seen = flow_of(PAPER, names=names, every=5)
    start, end = by_row(seen[0]), by_row(flow.particles)
    assert set(end) == {*names, *(name for name in flow.particles.classes.tolist() if "-2" in name)}
    for name in names:
        kept = end[start == name] == name
        assert kept.mean() >= 0.4  # the largest part of a class that is split in two or three
    # From one clustering to the next, a class hardly changes once the flow has settled.
    late = [by_row(particles) for particles in seen[-12:]]
    assert all((labels == late[0]).mean() == 1 for labels in late)


def test_classes_merge():
    """Three classes flow to one: a single cluster remains, under one of the old names."""
    flow, bound, _ = flow_of(PAPER, target=ring(1, 60, 0, 1), names=["a", "b", "c"])
    assert flow.particles.n_classes == 1
    assert flow.particles.classes[0] in ("a", "b", "c")
    assert bound.coupling_of(flow.particles).shape == (1, 1)


def test_k_means_keeps_the_number_of_classes():
    flow, _, seen = flow_of(KMeans(3, n_init=1, random_state=0))
    assert {particles.n_classes for particles in seen} == {3}
    assert flow.particles.classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize("covariance", ["full", "diag", 1])
def test_covariances(covariance):
    flow, _, _ = flow_of(PAPER, covariance=covariance)
    assert flow.particles.n_classes == 5


class AllNoise:
    def fit_predict(self, X):
        return np.full(len(X), -1)


def test_all_noise_leaves_classes_alone():
    flow, _, seen = flow_of(AllNoise())
    assert (by_row(flow.particles) == by_row(seen[0])).all()


def test_noise_goes_to_the_nearest_cluster():
    points = np.array([[0.0], [1.0], [10.0], [11.0], [4.0], [8.0]])
    assert absorb_noise(np.array([3, 3, 7, 7, -1, -1]), points).tolist() == [3, 3, 7, 7, 3, 7]


def labels_of(seed, n, d, commuting=False, zero_mean=False):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, d, generator=generator, dtype=torch.float64) * (not zero_mean)
    factor = torch.randn(n, d, d, generator=generator, dtype=torch.float64)
    if commuting:
        basis = torch.linalg.qr(factor[0]).Q
        factor = torch.randn(n, d, 1, generator=generator, dtype=torch.float64).abs() * basis
    return GaussianLabels(mean, factor, torch.arange(n))


@given(seed=st.integers(0, 2**31 - 1), d=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_the_embedding_stands_in_for_w2(seed, d):
    for commuting in (True, False):
        labels = labels_of(seed, 4, d, commuting)
        exact = free_label_distances(labels, labels).clamp(min=0).sqrt()
        stand_in = torch.cdist(embed(labels), embed(labels))
        if commuting:
            torch.testing.assert_close(stand_in, exact, atol=1e-4, rtol=1e-4)
        assert (stand_in >= exact - 1e-4).all()


def test_the_embedding_in_many_dimensions_is_a_lower_bound():
    labels = labels_of(0, 5, 40)
    exact = free_label_distances(labels, labels).clamp(min=0).sqrt()
    assert embed(labels).shape == (5, 80)
    assert (torch.cdist(embed(labels), embed(labels)) <= exact + 1e-6).all()


def test_the_embedding_is_exact_for_diagonal_covariances():
    labels = labels_of(0, 5, 4)
    labels = replace(labels, factor=labels.factor[:, 0])
    flipped = replace(labels, factor=-labels.factor)
    torch.testing.assert_close(embed(flipped), embed(labels))
    exact = free_label_distances(labels, replace(labels, factor=labels.factor.abs())).sqrt()
    torch.testing.assert_close(torch.cdist(embed(labels), embed(labels)), exact, atol=1e-6, rtol=1e-6)


@given(
    clusters=arrays(int, 30, elements=st.integers(0, 6)),
    before=arrays(int, 30, elements=st.integers(0, 4)),
)
@settings(max_examples=50, deadline=None)
def test_names_are_one_to_one_and_none_is_used_twice(clusters, before):
    used = np.array([0, 1, 2, 3, 4, 9])
    names = keep_names(clusters, before, used)
    assert len(np.unique(names)) == len(np.unique(clusters)) == len(np.unique(np.c_[names, clusters], axis=0))
    assert {*names.tolist()} <= {*before.tolist()} | set(range(10, 20))
    np.testing.assert_array_equal(keep_names(before + 7, before, used), before)  # the same clusters by other ids


@pytest.mark.parametrize("labels", [[1.5, 2.5], ["a", "b"], [True, False]])
def test_new_names_for_all_kinds_of_labels(labels):
    before = np.repeat(np.array(labels), 6)
    names = keep_names(np.repeat([0, 1, 2], 4), before, np.unique(before))
    assert len(np.unique(names)) == 3


def test_correspondences_that_assume_fixed_classes_are_refused():
    dynamics = JointVariableLabels(partial(Euler, 0.1), clusterer=PAPER)
    particles = dynamics.start(Particles.from_arrays(*THREE))
    with pytest.raises(ValueError, match=r"correspondence='same'.*jd-fl"):
        OTDDFunctional(THREE, correspondence="same").bind(particles)


@pytest.mark.parametrize("clusterer", ["dbscan", "kmeans", AgglomerativeClustering(5)])
def test_estimator(clusterer):
    X, y = THREE
    flow = OTDDFlowTransformer(
        FIVE, dynamics="jd-vl", clusterer=clusterer, max_iter=40, keep_trajectory=3, random_state=0
    ).fit(X, y)
    n_classes = 3 if clusterer == "kmeans" else 5
    assert len(flow.classes_) == len(flow.coupling_) == len(flow.label_map_) == len(flow.label_distances_) == n_classes
    assert set(flow.particle_labels_) == set(flow.classes_)
    np.testing.assert_allclose(flow.trajectory_[0], X, rtol=1e-5)
    np.testing.assert_array_equal(flow.trajectory_[-1], flow.particles_)
    # Particles end near the mode that their label goes to.
    centres = np.array([FIVE[0][FIVE[1] == k].mean(0) for k in range(5)])
    nearest = np.linalg.norm(flow.particles_[:, None] - centres, axis=2).argmin(1)
    if n_classes == 5:
        assert (nearest == [flow.label_map_[label] for label in flow.particle_labels_]).all()
    if not isinstance(clusterer, str):
        assert not hasattr(clusterer, "labels_")  # the user's own object is left as it is


def test_constraints_see_the_changing_classes():
    X, y = THREE
    flow = ConstrainedFlow(
        [("repulsion", ClassRepulsion(weight=0.1))], FIVE, dynamics="jd-vl", max_iter=40, random_state=0
    ).fit(X, y)
    assert len(flow.classes_) == 5
