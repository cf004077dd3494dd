"""Which class goes where: against POT and brute force, and what is refused."""

import itertools

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.transport import histogram_coupling, resolve_correspondence


def unasked():
    raise AssertionError("distances are asked for by assignments alone")


@pytest.mark.parametrize(("k", "l"), [(3, 3), (2, 5), (5, 2), (1, 1)])
def test_histogram_coupling_is_pots(k, l):
    rng = np.random.default_rng(0)
    distances, mass, target_mass = rng.uniform(size=(k, l)), rng.uniform(size=k), rng.uniform(size=l)
    coupling = histogram_coupling(distances, mass, target_mass)
    a, b = mass / mass.sum(), target_mass / target_mass.sum()
    np.testing.assert_allclose(coupling.sum(1), a, atol=1e-12)
    np.testing.assert_allclose(coupling.sum(0), b, atol=1e-12)
    assert (coupling * distances).sum() == pytest.approx(ot.emd2(a, b, distances), rel=1e-10)


def test_histogram_coupling_takes_float32():
    """As label distances come from a device, transposed too."""
    distances = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32).T
    mass = np.full(2, 0.5, dtype=np.float32)
    np.testing.assert_allclose(histogram_coupling(distances, mass, mass), 0.5 * np.eye(2))


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
        ([5, 6], [0, 1, 2], "assignment"),
        (["a", "b"], [0, 1], "assignment"),
        ([5, 6, 7], [0, 1], "coupling"),
    ],
)
def test_auto_is_the_strictest_that_fits(classes, target_classes, as_if):
    def distances():
        return np.random.default_rng(0).uniform(size=(len(classes), len(target_classes)))

    actual, expected = (resolve_correspondence(c, classes, target_classes, distances) for c in ("auto", as_if))
    np.testing.assert_array_equal(actual, expected)


def test_shared_names_stay_and_a_warning_names_the_others():
    """Nine digits keep their names; the tenth, which the target lacks, goes to the nearest."""
    distances = np.ones((10, 9))
    distances[9, 4] = 0.5
    with pytest.warns(UserWarning, match=r"no class 9; by the label distances they go 9 to 4\. The other 9 classes"):
        to = resolve_correspondence("auto", np.arange(10), np.arange(9), lambda: distances)
    assert to.tolist() == [*range(9), 4]


def test_a_misspelt_name_goes_to_what_is_left():
    """Whatever is nearer, as long as enough is left."""
    distances = np.array([[0.0, 5, 5], [0, 9, 9], [5, 5, 0]])
    with pytest.warns(UserWarning, match="no class 'dgo'; by the label distances they go 'dgo' to 'dog'"):
        to = resolve_correspondence("auto", ["cat", "dgo", "emu"], ["cat", "dog", "emu"], lambda: distances)
    assert to.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("classes", "target_classes"),
    [
        (["0", "1", "10"], [0, 1, 10]),
        ([0, 1, 10], ["10", "1", "0"]),
        (["0.0", "1.0"], [0, 1]),
        ([0.0, 1.0], ["0", "1"]),
    ],
)
@pytest.mark.parametrize("correspondence", ["auto", "same"])
def test_text_and_numbers_that_look_alike_are_the_same(correspondence, classes, target_classes):
    with pytest.warns(UserWarning, match="differ in type alone"):
        to = resolve_correspondence(correspondence, np.array(classes), np.array(target_classes), unasked)
    assert [float(np.array(target_classes)[l]) for l in to] == [float(label) for label in classes]


def test_text_that_is_no_number_is_matched_as_it_stands(recwarn):
    assert resolve_correspondence("auto", ["a", "1e"], ["1e", "a"], unasked).tolist() == [1, 0]
    assert not recwarn.list


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_label_distances_that_are_not_finite_are_named(bad):
    distances = np.array([[0.0, 1.0], [bad, 0.0]])
    with pytest.raises(ValueError, match="source class 1 and target class 0 .*features of these classes"):
        resolve_correspondence("assignment", [0, 1], [0, 1], lambda: distances)
    with pytest.raises(ValueError, match="source class 1 and target class 0"):
        histogram_coupling(distances, [1, 1], [1, 1])


@pytest.mark.parametrize("scale", [1e-26, 1e-14, 1e20])
def test_units_of_the_distances_do_not_matter_to_a_coupling(scale):
    distances = scale * np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    np.testing.assert_allclose(histogram_coupling(distances, [1, 1, 1], [1, 1, 1]), np.eye(3)[[1, 2, 0]] / 3)


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
