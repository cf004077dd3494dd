"""Which classes a source has, and which of the model's they are."""

import numpy as np
import pytest

from skflow.repurposed._names import classes_and_targets, predictions_for

TARGET = np.array(["a", "b", "c"])


@pytest.mark.parametrize(
    ("labels", "full", "correspondence", "classes", "goes_to"),
    [
        ([], False, "auto", "abc", [0, 1, 2]),
        (["c", "a", "b"], False, "auto", "abc", [0, 1, 2]),
        (["c", "a"], True, "auto", "ac", [0, 2]),
        (["x", "a"], False, "auto", "ax", [0, -1]),
        (["x", "y"], False, "auto", "xy", None),
        (["c", "a"], False, "coupling", "ac", None),
        (["c", "a"], False, "assignment", "ac", None),
        (["x", "y"], False, {"x": "c", "y": "a"}, "xy", [2, 0]),
        (["a", "b", "c"], False, {"a": "c", "b": "a", "c": "b"}, "abc", [2, 0, 1]),
    ],
)
def test_names_count_where_the_correspondence_says_so(labels, full, correspondence, classes, goes_to):
    found, where = classes_and_targets(np.array(labels), full, correspondence, TARGET)
    assert "".join(found) == classes
    assert where is None if goes_to is None else where.tolist() == goes_to


@pytest.mark.parametrize(
    ("labels", "correspondence", "classes", "goes_to"),
    [
        (["a"], "auto", "abc", [0, 1, 2]),
        (["a", "c"], "same", "abc", [0, 1, 2]),
        (["x"], {"x": "c", "y": "a"}, "xy", [2, 0]),
    ],
)
def test_classes_without_a_label_stay(labels, correspondence, classes, goes_to):
    with pytest.warns(UserWarning, match=r"No row is labelled as \['(b|y)'.* classes. They are kept"):
        found, where = classes_and_targets(np.array(labels), False, correspondence, TARGET)
    assert "".join(found) == classes
    assert where.tolist() == goes_to


def test_names_match_by_value_across_dtypes():
    found, where = classes_and_targets(np.array([2.0, 0.0, 1.0]), False, "auto", np.arange(3))
    assert found.tolist() == [0, 1, 2]
    assert where.tolist() == [0, 1, 2]


def test_nothing_is_said_of_a_class_that_the_model_does_not_know():
    found = predictions_for(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]), np.array([0, 2, -1]))
    np.testing.assert_allclose(found[:, 2], 1 / 3)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [8, 1 / 8], rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
