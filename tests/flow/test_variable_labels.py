"""Joint-driven variable-label dynamics: classes that split, merge and vanish, and keep their names."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import DBSCAN, KMeans

from skflow.flow import Adam, Euler, JointVariableLabels, Momentum, Particles, integrate
from skflow.flow._relabelling import absorb_noise, embed, keep_names
from skflow.functionals import ClassRepulsion, FunctionalSum, OTDDFunctional
from skflow.transport import GaussianLabels, free_label_distances

PAPER = DBSCAN(eps=5, min_samples=4)


def ring(k, n, radius, seed, turn=0.0):
    rng = np.random.RandomState(seed)
    angle = 2 * np.pi * np.arange(k) / k + turn
    y = rng.permutation(np.arange(n) % k)
    return radius * np.c_[np.cos(angle), np.sin(angle)][y] + rng.randn(n, 2), y


THREE, FIVE = ring(3, 90, 8, 0), ring(5, 100, 15, 1, turn=0.3)


def flow_of(
    clusterer, source=THREE, target=FIVE, optimizer=Euler, max_iter=60, every=10, names=None, unit=1.0, **kwargs
):
    X, y = source
    y = y if names is None else np.array(names)[y]
    dynamics = JointVariableLabels(clusterer, recluster_every=every, **kwargs)
    particles = Particles.from_arrays(unit * X, y, dtype=torch.float64)
    moves = dynamics.bind(particles, optimizer=optimizer(), step_size=0.1, unit=1 / unit)
    bound = OTDDFunctional((unit * target[0], target[1])).bind(moves.particles)
    seen = []
    flow = integrate(
        bound, moves, max_iter=max_iter, tol=0, monitor=lambda step, value, particles: seen.append(particles)
    )
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
    particles = Particles.from_arrays(*THREE, dtype=torch.float64)
    moves = JointFixedLabels().bind(particles, optimizer=Euler(), step_size=0.1)
    fixed = integrate(OTDDFunctional(FIVE, correspondence="coupling").bind(moves.particles), moves, max_iter=60)
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
@example(seed=5317, d=3)
def test_the_embedding_stands_in_for_w2(seed, d):
    for commuting in (True, False):
        labels = labels_of(seed, 4, d, commuting)
        # In squares: a root turns the rounding of a distance of zero, 1e-9 of the variances, into 1e-4.
        exact = free_label_distances(labels, labels)
        stand_in = torch.cdist(embed(labels), embed(labels)).square()
        if commuting:
            torch.testing.assert_close(stand_in, exact, atol=1e-6, rtol=1e-6)
        assert (stand_in >= exact - 1e-6).all()


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
    classes, before = np.unique(before, return_inverse=True)
    names, codes = keep_names(clusters, before, classes, [0, 1, 2, 3, 4, 9])
    assert (
        len(np.unique(names))
        == len(names)
        == len(np.unique(clusters))
        == len(np.unique(np.c_[codes, clusters], axis=0))
    )
    assert {*names.tolist()} <= {*classes.tolist()} | set(range(10, 20))
    names, codes = keep_names(before + 7, before, classes, classes.tolist())  # the same clusters by other ids
    np.testing.assert_array_equal(names[codes], classes[before])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([3, 8]), np.array([3, 8, 9])),
        (np.array([3, 8], dtype=np.uint8), np.array([3, 8, 9], dtype=np.uint8)),
        (np.array([1, 127], dtype=np.int8), np.array([0, 1, 127], dtype=np.int8)),
        (np.array([1.5, 2.5]), np.array([1.5, 2.5, 3.5])),
        (np.array(["cat", "dog"]), np.array(["cat", "cat-2", "dog"])),
        (np.array(["cat", "dog"], dtype=object), np.array(["cat", "cat-2", "dog"], dtype=object)),
        (np.array([False, True]), np.array([False, True, 2], dtype=object)),
        (np.array([3, 8], dtype=object), np.array([3, 8, 9], dtype=object)),
        (np.array([(1, 2), (3, 4), None], dtype=object)[:2], np.array([(1, 2), "(1, 2)-2", (3, 4)], dtype=object)),
    ],
    ids=repr,
)
def test_a_split_keeps_the_kind_of_labels(labels, expected):
    """Six of each class, of which four and four stay together, and two of each part from them."""
    before = np.repeat([0, 1], 6)
    names, codes = keep_names(np.repeat([0, 1, 2], [4, 2, 6]), before, labels, labels.tolist())
    assert names.dtype.kind == expected.dtype.kind
    assert names.dtype.itemsize == expected.dtype.itemsize
    assert [(type(a), a) for a in names.tolist()] == [(type(b), b) for b in expected.tolist()]
    assert names[codes[0]] == labels[0]
    assert names[codes[-1]] == labels[1]
    assert len(set(codes[:4].tolist())) == len(set(codes[4:6].tolist())) == 1


def test_boolean_classes_that_split_keep_their_names():
    flow, _, seen = flow_of(PAPER, source=(THREE[0], THREE[1] == 0), names=None)
    assert flow.particles.classes.tolist() == [False, True, 2, 3, 4]
    assert seen[0].classes.dtype == bool


class Answers:
    """A clusterer that answers what it is told, given the number of points."""

    def __init__(self, answer):
        self.answer = answer

    def fit_predict(self, X):
        return self.answer(len(X))


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (lambda n: np.zeros(n - 1, int), "shape \\(89,\\)"),
        (lambda n: np.zeros((n, 1), int), "shape \\(90, 1\\)"),
        (lambda n: None, "None"),
        (lambda n: 3, "shape \\(\\)"),
        (lambda n: np.array(["a"] * n), "values such as 'a'"),
        (lambda n: [None] * n, "values such as None"),
        (lambda n: np.full(n, np.nan), "not whole"),
        (lambda n: np.full(n, 0.5), "not whole"),
    ],
)
def test_answers_of_a_clusterer_that_are_no_clusters(answer, came):
    with pytest.raises(ValueError, match=f"clusterer=.*Answers.*integer for each of 90 points.*{came}"):
        flow_of(Answers(answer), max_iter=1)


def test_more_clusters_than_particles():
    """One particle is one class; of more, what the clusterer says is passed on with its name."""
    few = THREE[0][:2], THREE[1][:2]
    assert len(flow_of(KMeans(2, n_init=1), source=(few[0][:1], few[1][:1]), max_iter=10)[0].particles.classes) == 1
    with pytest.raises(ValueError, match="clusterer=KMeans.*of 2 particles: .*n_clusters=3"):
        flow_of(KMeans(3, n_init=1), source=few, max_iter=10)


def test_clusters_may_be_whole_numbers_of_any_kind():
    for kind in (list, lambda a: a.astype(float), lambda a: a.astype(np.uint8)):
        flow, _, _ = flow_of(Answers(lambda n, kind=kind: kind(np.arange(n) % 2)), max_iter=1)
        assert flow.particles.n_classes == 2


def test_a_clusterers_name_is_for_estimators():
    particles = Particles.from_arrays(*THREE)
    with pytest.raises(ValueError, match="clusterer='dbscan' is a name"):
        JointVariableLabels().bind(particles, optimizer=Euler(), step_size=0.1)
    with pytest.raises(ValueError, match="'clusterer' parameter of JointVariableLabels .*Did you mean 'kmeans'"):
        JointVariableLabels("kmean").bind(particles, optimizer=Euler(), step_size=0.1)


def test_a_clusterer_of_the_users_is_left_as_it_is():
    clusterer = DBSCAN(eps=5, min_samples=4)
    flow_of(clusterer, max_iter=10)
    assert not hasattr(clusterer, "labels_")


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_a_clusterers_lengths_are_in_the_users_units(unit):
    """Particles in other coordinates are clustered as in the user's: the radius of five is five of those."""
    one, other = flow_of(PAPER)[0].particles, flow_of(PAPER, unit=unit)[0].particles
    assert by_row(one).tolist() == by_row(other).tolist()


def test_correspondences_that_assume_fixed_classes_are_refused():
    moves = JointVariableLabels(PAPER).bind(Particles.from_arrays(*THREE), optimizer=Euler(), step_size=0.1)
    with pytest.raises(ValueError, match=r"correspondence='same'.*jd-fl"):
        OTDDFunctional(THREE, correspondence="same").bind(moves.particles)


def test_functionals_see_the_changing_classes():
    particles = Particles.from_arrays(*THREE, dtype=torch.float64)
    moves = JointVariableLabels(PAPER).bind(particles, optimizer=Euler(), step_size=0.1)
    terms = FunctionalSum([("repulsion", ClassRepulsion(weight=0.1)), ("target", OTDDFunctional(FIVE))])
    flow = integrate(terms.bind(moves.particles), moves, max_iter=40, tol=0)
    assert flow.particles.n_classes == 5
