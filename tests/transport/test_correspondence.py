"""Which class goes where: against POT and brute force, and what is refused."""

import itertools

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import class_coupling, resolve_correspondence


def unasked():
    raise AssertionError("distances are asked for by assignments alone")


@pytest.mark.parametrize(("k", "l"), [(3, 3), (2, 5), (5, 2), (1, 1)])
def test_class_coupling_is_pots(k, l):
    rng = np.random.default_rng(0)
    distances, mass, target_mass = rng.uniform(size=(k, l)), rng.uniform(size=k), rng.uniform(size=l)
    coupling = class_coupling(distances, mass, target_mass)
    a, b = mass / mass.sum(), target_mass / target_mass.sum()
    np.testing.assert_allclose(coupling.sum(1), a, atol=1e-12)
    np.testing.assert_allclose(coupling.sum(0), b, atol=1e-12)
    assert (coupling * distances).sum() == pytest.approx(ot.emd2(a, b, distances), rel=1e-10)


def test_class_coupling_takes_float32():
    """As label distances come from a device, transposed too."""
    distances = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32).T
    mass = np.full(2, 0.5, dtype=np.float32)
    np.testing.assert_allclose(class_coupling(distances, mass, mass), 0.5 * np.eye(2))


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(0, 2), st.integers(0, 2**16))
def test_assignment_is_the_best_of_all(k, more, seed):
    distances = np.random.default_rng(seed).uniform(size=(k, k + more))
    to = resolve_correspondence("assignment", range(k), range(k + more), lambda: distances)
    assert len(set(to)) == k
    best = min(distances[range(k), p].sum() for p in itertools.permutations(range(k + more), k))
    assert distances[range(k), to].sum() == pytest.approx(best)


def test_same_finds_labels_wherever_they_are():
    assert resolve_correspondence("same", ["b", "c"], ["a", "b", "c"], unasked).tolist() == [1, 2]


@pytest.mark.parametrize("kind", [np.array([1, 3], dtype=np.int8), np.array([1.0, 3.0]), [True, 3], [1, 3]], ids=str)
def test_same_sees_no_types(kind):
    assert resolve_correspondence("same", kind, np.array([3, 1]), unasked).tolist() == [1, 0]


def test_coupling_leaves_it_to_the_plan():
    assert resolve_correspondence("coupling", [0, 1], [0, 1], unasked) is None


def test_mapping_may_merge_classes_and_speaks_in_labels():
    mapping = {"x": 7, "y": 5, "z": 7, "not here": 5}
    assert resolve_correspondence(mapping, ["x", "y", "z"], np.array([5, 7]), unasked).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("classes", "target_classes", "as_if"),
    [
        ([0, 1], [0, 1, 2], "same"),
        ([0, 5], [0, 1, 2], "assignment"),
        (["a", "b"], [0, 1], "assignment"),
        ([0, 1, 5], [0, 1], "coupling"),
    ],
)
def test_auto_is_the_strictest_that_fits(classes, target_classes, as_if):
    def distances():
        return np.random.default_rng(0).uniform(size=(len(classes), len(target_classes)))

    actual, expected = (resolve_correspondence(c, classes, target_classes, distances) for c in ("auto", as_if))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("correspondence", "classes", "target_classes", "message"),
    [
        ("couplng", [0], [0], r"correspondence='couplng' is not one of .*Did you mean 'coupling'\?"),
        ("assignement", [0], [0], r"correspondence='assignement' is not one of .*Did you mean 'assignment'\?"),
        ("whatever", [0], [0], r"correspondence='whatever' is not one of .*mapping \{source label: target label\}\.$"),
        (3, [0], [0], r"correspondence=3 is not one of"),
        ("same", ["a", "c"], ["a", "b"], r"correspondence='same', but the target has no class \['c'\].*\['a', 'b'\]"),
        ("assignment", [0, 1, 2], [0, 1], r"correspondence='assignment' needs at least as many target.* got 2 and 3"),
        ({"a": 0}, ["a", "b"], [0], r"correspondence=\{'a': 0\} has no entry for the source classes \['b'\]"),
        ({"a": 9}, ["a"], [0, 1], r"correspondence=\{'a': 9\} names 9, not among the target classes \[0, 1\]"),
    ],
)
def test_errors_name_parameter_and_value(correspondence, classes, target_classes, message):
    with pytest.raises(ValueError, match=message):
        resolve_correspondence(correspondence, classes, target_classes, unasked)
