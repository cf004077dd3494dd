"""Labels and markers of unlabelled rows, in any container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skflow.labelling import split_labels

NAN, NONE = float("nan"), None


@pytest.mark.parametrize(
    ("y", "marker", "labels", "known"),
    [
        ([1, -1, 0], -1, [1, 0], "yny"),
        ([1.0, -1.0, 0.0], -1, [1.0, 0.0], "yny"),
        (["a", -1, "b"], -1, ["a", "b"], "yny"),
        (np.array(["a", -1, "b"], dtype=object), -1, ["a", "b"], "yny"),
        (np.array(["a", "-1", "b"]), "-1", ["a", "b"], "yny"),
        (["a", "?", "b"], "?", ["a", "b"], "yny"),
        (["a", None, "b"], -1, ["a", "b"], "yny"),
        (["a", NAN, "b"], -1, ["a", "b"], "yny"),
        ([0, None, 1, -1], -1, [0, 1], "ynyn"),
        ([0.0, NAN, 1.0], np.nan, [0, 1], "yny"),
        ([0.0, NAN, 1.0], None, [0, 1], "yny"),
        (np.array([0.0, np.nan, 1.0]), -1, [0, 1], "yny"),
        ([0, 1, -1], np.nan, [0, 1, -1], "yyy"),
        ([0, 1, -1], None, [0, 1, -1], "yyy"),
        ([1, -1, 0], "?", [1, -1, 0], "yyy"),
        ([1, -1, 1], -1, [1, -1, 1], "yyy"),
        ([1, -1, -1, -1, -1], -1, [1], "ynnnn"),
        ([0, -1, 0], -1, [0, 0], "yny"),
        ([-1, -1, -1], -1, [], "nnn"),
        ([None, None], -1, [], "nn"),
        ([2, -1, 2], -1, [2, 2], "yny"),
        ([True, None, False], -1, [True, False], "yny"),
        (pd.Series([0, None, 1], dtype="Int64"), -1, [0, 1], "yny"),
        (pd.Series([0, -1, 1], dtype="Int64"), -1, [0, 1], "yny"),
        (pd.Series([True, None, False], dtype="boolean"), -1, [True, False], "yny"),
        (pd.Series(["a", None, "b"], dtype="category"), -1, ["a", "b"], "yny"),
        (pd.Series([3, None, 5], dtype="category"), -1, [3, 5], "yny"),
        (pd.Series(["a", None, "b"], dtype="string"), -1, ["a", "b"], "yny"),
        (pd.Series(["a", pd.NaT, "b"], dtype=object), -1, ["a", "b"], "yny"),
        (pd.Series(["a", -1, "b"], dtype=object), -1, ["a", "b"], "yny"),
        (pl.Series([0, None, 1]), -1, [0, 1], "yny"),
        (pl.Series(["a", None, "b"]), -1, ["a", "b"], "yny"),
        (pl.Series(["a", None, "b"], dtype=pl.Categorical), -1, ["a", "b"], "yny"),
        (pl.Series([0, -1, 1]), -1, [0, 1], "yny"),
    ],
)
def test_labels_and_markers(y, marker, labels, known):
    found, where = split_labels(y, marker)
    assert found.tolist() == labels
    assert where.tolist() == [letter == "y" for letter in known]
    assert found.dtype.kind in "biufU"
    assert {type(value) for value in found.tolist()} == {type(value) for value in labels}


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=1), st.sampled_from(["list", "array", "pandas", "-1"])
)
def test_containers_agree(values, container):
    y = {
        "list": values,
        "array": np.array(values, dtype=object),
        "pandas": pd.Series(values, dtype="Int64"),
        "-1": np.array([-1 if value is None else value for value in values]),
    }[container]
    expected = [value for value in values if value is not None]
    signs = container == "-1" and set(expected) == {1} and len(expected) >= len(values) / 4  # -1 is a label then
    labels, known = split_labels(y)
    if not signs:
        assert labels.tolist() == expected
        assert known.tolist() == [value is not None for value in values]


@pytest.mark.parametrize("y", [np.array(["a", -1]), ["a", "-1"], pd.Series(["a", "-1"], dtype="string")])
def test_text_of_a_number_is_refused_as_self_training_does(y):
    with pytest.raises(ValueError, match="y holds the text '-1' among text labels, but unlabelled=-1 is a number"):
        split_labels(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", 1, -1], "y must hold labels of one kind"),
        ([0.5, 0.7, -1], "Unknown label type: continuous"),
        ([[0, 1], [1, 0]], "y should be a 1d array"),
        (np.array([np.inf, 0.0]), "Input y contains infinity"),
        (np.full(3, np.nan), "y contains NaN in every row. Pass y=None"),
        (pd.Series(pd.to_datetime(["2020-01-01", None])), "y must hold integers, booleans or text|one kind"),
    ],
)
def test_errors_name_what_came(y, message):
    with pytest.raises(ValueError, match=message):
        split_labels(y)


@pytest.mark.parametrize(("target", "known"), [([-1, 1], "yyyyy"), ([0, 1], "ynnnn"), ([1, 2], "ynnnn")])
def test_a_class_of_the_target_is_no_marker(target, known):
    _, where = split_labels([1, -1, -1, -1, -1], target_classes=np.array(target))
    assert where.tolist() == [letter == "y" for letter in known]
