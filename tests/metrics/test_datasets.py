"""The OTDD and its parts as plain functions: known values, symmetry, units, containers, and what is refused."""

import warnings

import numpy as np
import ot
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from skflow.metrics import class_coupling, label_distances, otdd
from skflow.transport import LABEL_DISTANCES
from tests._data import labelled
from tests._tolerances import EXACT_OTDD

FUNCTIONS = [otdd, label_distances, class_coupling]
SOURCE, TARGET = labelled(30, 3, 3), labelled(25, 3, 2, seed=1)
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
every_label_distance = pytest.mark.parametrize("label_distance", LABEL_DISTANCES)

# otdd is a square root: what is zero to rounding, relative to the squared features, is zero to its root.
ZERO = 1e-6


def gaussian_distances(source, target):
    (X, y), (Z, u) = source, target

    def moments(V, labels):
        parts = [V[labels == k] for k in np.unique(labels)]
        return np.array([p.mean(0) for p in parts]), np.array([np.cov(p.T, bias=True) for p in parts])

    (mu, S), (nu, T) = moments(X, y), moments(Z, u)
    return ot.gaussian.bures_wasserstein_distance(mu, nu, S, T) ** 2


# Values


def test_label_distances_are_pots():
    np.testing.assert_allclose(label_distances(*SOURCE, *TARGET), gaussian_distances(SOURCE, TARGET), rtol=1e-8)


@pytest.mark.parametrize("label_weight", [0, 0.5, 2])
def test_otdd_is_the_root_of_pots_cost(label_weight):
    (X, y), (Z, u) = SOURCE, TARGET
    cost = cdist(X, Z, "sqeuclidean") + label_weight * gaussian_distances(SOURCE, TARGET)[y][:, u]
    assert otdd(X, y, Z, u, label_weight=label_weight) == pytest.approx(ot.emd2([], [], cost) ** 0.5, rel=EXACT_OTDD)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_class_coupling_is_pots_under_the_label_distances(class_weight):
    coupling = class_coupling(*SOURCE, *TARGET, class_weight=class_weight)
    a, b = (np.bincount(y) / len(y) for _, y in (SOURCE, TARGET))
    if class_weight == "balanced":
        a, b = np.full(3, 1 / 3), np.full(2, 1 / 2)
    cost = label_distances(*SOURCE, *TARGET)
    np.testing.assert_allclose(coupling.sum(1), a)
    np.testing.assert_allclose(coupling.sum(0), b)
    assert (coupling * cost).sum() == pytest.approx(ot.emd2(a, b, cost))


def test_classes_are_in_the_order_of_their_labels():
    X, y = np.array([[0.0], [0.0], [5.0], [5.0]]), ["z", "z", "a", "a"]
    np.testing.assert_allclose(label_distances(X, y, [[1.0], [2.0]], [9, 4]), [[9, 16], [4, 1]])
    np.testing.assert_allclose(class_coupling(X, y, [[1.0], [5.0]], [9, 4]), [[0.5, 0], [0, 0.5]])


@every_label_distance
@settings(deadline=None, max_examples=10)
@given(shift=st.lists(st.floats(-100, 100), min_size=3, max_size=3))
def test_shifted_datasets_are_root_two_shifts_apart(label_distance, shift):
    X, y = SOURCE
    actual = otdd(X, y, X + shift, y, label_distance=label_distance)
    assert actual == pytest.approx(np.sqrt(2) * np.linalg.norm(shift), rel=1e-8, abs=ZERO)


# A distance


@every_label_distance
def test_a_dataset_is_at_no_distance_from_itself(label_distance):
    (X, y), order = SOURCE, np.random.default_rng(0).permutation(30)
    for options in ({}, {"reg": 0.3, "debias": True}, {"correspondence": "same"}, {"class_weight": "balanced"}):
        assert otdd(X, y, X[order], y[order], label_distance=label_distance, **options) <= ZERO
    same = label_distances(X, y, X[order], y[order], label_distance=label_distance)
    np.testing.assert_allclose(np.diag(same), 0, atol=ZERO**2)
    assert (same + np.eye(3) > 0.1).all()
    np.testing.assert_allclose(class_coupling(X, y, X, y), np.diag(np.bincount(y) / 30), atol=1e-12)


UNITS = st.tuples(st.integers(-30, 30), st.integers(-9, 9), st.integers(0, 2**16))
"""Exponents of ten of the unit and of an offset in spreads of its column, and a seed of the offset's direction."""


def in_other_units(exponents, *tables):
    unit, offset, seed = exponents
    direction = np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=tables[0].shape[1])
    shift = 10.0**offset * direction * tables[0].std(axis=0)
    return [10.0**unit * (table + shift) for table in tables]


def rounding(exponents):
    """What the offset's own rounding costs, relative to the spread."""
    return max(1e-9, 1e-14 * 10.0 ** exponents[1])


@every_label_distance
@settings(deadline=None, max_examples=8)
@given(exponents=UNITS, reg=st.sampled_from([0.0, 0.2]))
def test_units_and_offsets_change_nothing(label_distance, exponents, reg):
    (X, y), (Z, u) = SOURCE, TARGET
    X_other, Z_other = in_other_units(exponents, X, Z)
    unit, rtol = 10.0 ** exponents[0], rounding(exponents)
    options = {"label_distance": label_distance, "reg": reg}
    assert otdd(X_other, y, Z_other, u, **options) == pytest.approx(unit * otdd(X, y, Z, u, **options), rel=rtol)
    distances = label_distances(X_other, y, Z_other, u, label_distance=label_distance)
    np.testing.assert_allclose(
        distances / unit**2, label_distances(*SOURCE, *TARGET, label_distance=label_distance), rtol
    )
    coupling = class_coupling(X_other, y, Z_other, u, label_distance=label_distance)
    np.testing.assert_allclose(coupling, class_coupling(*SOURCE, *TARGET, label_distance=label_distance), atol=1e-12)


def test_iris_in_any_units():
    X, y = load_iris(return_X_y=True)
    (A, a), (B, b) = (X[::2], y[::2]), (X[1::2], y[1::2])
    distances = [otdd(A * s, a, B * s, b) / s for s in (1, 1e-7, 1e-9, 1e-30, 1e30, 1e-150, 1e150)]
    np.testing.assert_allclose(distances, 0.51924, rtol=1e-5)  # of POT's emd2, on the cost matrix in the first unit
    assert class_coupling(A * 1e-9, a, B * 1e-9, b).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("options", [{}, {"reg": 0.05}, {"reg": 0.05, "correspondence": "coupling", "label_weight": 0}])
def test_rows_that_are_all_the_same(options):
    X, y = np.full((20, 3), 1e9), np.arange(20) % 2
    assert otdd(X, y, X, y, **options) == 0
    assert otdd(X, y, X + 64, y, label_weight=0) == pytest.approx(64 * 3**0.5)
    np.testing.assert_array_equal(label_distances(X, y, X, y), np.zeros((2, 2)))
    np.testing.assert_allclose(class_coupling(X, y, X, y).sum(axis=0), [0.5, 0.5])


def test_absolute_reg_is_in_squared_units_of_the_features():
    (X, y), (Z, u) = SOURCE, TARGET
    expected = 1e-6 * otdd(X, y, Z, u, reg=2.0, reg_scale="absolute")
    assert otdd(1e-6 * X, y, 1e-6 * Z, u, reg=2e-12, reg_scale="absolute") == pytest.approx(expected, rel=1e-7)


@every_function
def test_columns_are_compared_by_name(function):
    X, Z = (pd.DataFrame(table, columns=list("abc")) for table in (SOURCE[0], TARGET[0]))
    np.testing.assert_allclose(function(X, SOURCE[1], Z, TARGET[1]), function(*SOURCE, *TARGET))
    with pytest.raises(ValueError, match="X_target has the columns .*, in another order"):
        function(X, SOURCE[1], Z[["b", "a", "c"]], TARGET[1])


def test_far_from_the_origin_too():
    """As long as float64 holds the features."""
    X, y = SOURCE
    assert otdd(X + 1e6, y, X + 1e6, y) <= ZERO
    assert otdd(X + 1e6, y, TARGET[0] + 1e6, TARGET[1]) == pytest.approx(otdd(X, y, *TARGET), rel=1e-8)


@every_label_distance
@pytest.mark.parametrize("reg", [0.0, 0.3])
@pytest.mark.parametrize("debias", [False, True])
def test_symmetric(label_distance, reg, debias):
    options = {"label_distance": label_distance, "reg": reg, "debias": debias}
    assert otdd(*SOURCE, *TARGET, **options) == pytest.approx(otdd(*TARGET, *SOURCE, **options), rel=1e-7)
    one = label_distances(*SOURCE, *TARGET, label_distance=label_distance)
    other = label_distances(*TARGET, *SOURCE, label_distance=label_distance)
    np.testing.assert_allclose(one, other.T, rtol=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**16))
def test_triangle_inequality(seed):
    """Exact Gaussian OTDD is a Wasserstein distance over a metric space."""
    A, B, C = (labelled(12, 2, 2, seed=seed + i) for i in range(3))
    assert otdd(*A, *C) <= otdd(*A, *B) + otdd(*B, *C) + ZERO


@settings(deadline=None, max_examples=10)
@given(scale=st.floats(1e-3, 1e3), reg=st.sampled_from([0.0, 0.2]))
def test_in_units_of_the_features(scale, reg):
    (X, y), (Z, u) = SOURCE, TARGET
    assert otdd(scale * X, y, scale * Z, u, reg=reg) == pytest.approx(scale * otdd(X, y, Z, u, reg=reg), rel=1e-7)


def test_restricting_the_plan_costs_more():
    X, y = SOURCE
    Z, u = labelled(25, 3, 3, seed=1)
    free, assigned, same = (
        otdd(X, y, Z, u, class_weight="balanced", correspondence=c) for c in ("coupling", "assignment", "same")
    )
    assert free <= assigned <= same
    mapping = {k: k for k in range(3)}
    assert otdd(X, y, Z, u, class_weight="balanced", correspondence=mapping) == pytest.approx(same, rel=1e-12)


@pytest.mark.parametrize("reg_scale", ["relative", "absolute"])
@pytest.mark.parametrize("reg", [1e9, 1e30, 10**40])
def test_huge_regularisation_makes_sides_independent(reg_scale, reg):
    (X, y), (Z, u) = SOURCE, TARGET
    cost = cdist(X, Z, "sqeuclidean") + gaussian_distances(SOURCE, TARGET)[y][:, u]
    assert otdd(X, y, Z, u, reg=reg, reg_scale=reg_scale) == pytest.approx(cost.mean() ** 0.5, rel=1e-5)


def test_too_small_a_reg_warns():
    with pytest.warns(ConvergenceWarning, match="otdd did not converge at reg=1e-05.* of the mass"):
        otdd(*SOURCE, *TARGET, reg=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        otdd(*SOURCE, *TARGET, reg=0.05)


# Containers


@every_function
@pytest.mark.parametrize(
    "container",
    [
        lambda X, y: (X.tolist(), y.tolist()),
        lambda X, y: (pd.DataFrame(X, columns=list("abc")), pd.Series(y, index=np.arange(len(y))[::-1])),
        lambda X, y: (pl.DataFrame(X), pl.Series(y)),
        lambda X, y: (np.asfortranarray(X), y.astype(np.int8)),
        lambda X, y: (X, np.array(["a", "b", "c"])[y]),
        lambda X, y: (X, np.array(["a", "b", "c"], dtype=object)[y]),
        lambda X, y: (X, y[:, None].ravel() - 1),
    ],
    ids=["lists", "pandas", "polars", "arrays", "strings", "objects", "minus one"],
)
def test_any_container_and_any_labels(function, container):
    expected = function(*SOURCE, *TARGET)
    np.testing.assert_allclose(function(*container(*SOURCE), *container(*TARGET)), expected)


@every_function
def test_arguments_stay_as_they_are(function):
    arguments = [v.copy() for v in (*SOURCE, *TARGET)]
    for argument in arguments:
        argument.flags.writeable = False
    function(*arguments)
    for argument, before in zip(arguments, (*SOURCE, *TARGET)):
        np.testing.assert_array_equal(argument, before)


@every_function
def test_numpy_out(function):
    result = function(*SOURCE, *TARGET)
    if function is otdd:
        assert type(result) is float
    else:
        assert (result.shape, result.dtype) == ((3, 2), np.float64)


# What is refused

X, y = SOURCE


@every_function
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.where(X > 2, np.nan, X), y, *TARGET), "Input X contains NaN"),
        ((*TARGET, np.where(X > 2, np.inf, X), y), "Input X_target contains infinity"),
        ((X, np.where(y == 0, np.nan, y), *TARGET), "y: Input y contains NaN"),
        ((X, [None, *y[1:]], *TARGET), "y contains a missing label"),
        ((X, np.array(["0", *y[1:]], dtype=object), *TARGET), "y must hold labels of one kind"),
        ((X[:-1], y, *TARGET), "y has 30 labels, but X has 29 rows"),
        ((X, y, TARGET[0], TARGET[1][:-1]), "y_target has 24 labels, but X_target has 25 rows"),
        ((X, y, X[:, :2], y), "X_target has 2 features, but X has 3"),
        ((X, X[:, 0], *TARGET), "y.*: Unknown label type: continuous"),
        ((*TARGET, X, X[:, 0]), "y.*: Unknown label type: continuous"),
        ((X, X, *TARGET), "y should be a 1d array"),
        ((X[:, 0], y, *TARGET), "Expected 2D array"),
        ((X[:0], y[:0], *TARGET), "Found array with 0 sample"),
        ((X, y, [[1.0, 2.0]], [0]), "X_target has 2 features, but X has 3"),
        ((X, None, *TARGET), "'y' parameter of .* must be an array-like. Got None"),
        ((X, y, None, y), "'X_target' parameter of .* must be an array-like. Got None"),
    ],
)
def test_bad_data_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize(
    ("function", "parameter", "value"),
    [
        *((function, "label_distance", "gausian") for function in FUNCTIONS),
        (otdd, "reg", -0.1),
        (otdd, "reg", "small"),
        (otdd, "reg_scale", "rel"),
        (otdd, "label_weight", -1),
        (otdd, "correspondence", "nearest"),
        (otdd, "class_weight", "even"),
        (class_coupling, "class_weight", "even"),
        (otdd, "debias", "yes"),
    ],
)
def test_bad_parameters_are_named_with_their_value(function, parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of {function.__name__} must be .* Got {value!r}"):
        function(*SOURCE, *TARGET, **{parameter: value})


def test_correspondences_that_do_not_fit_the_labels_are_refused():
    with pytest.raises(ValueError, match=r"correspondence='same', but the target has no class \[2\]"):
        otdd(*SOURCE, *TARGET, correspondence="same")
    with pytest.raises(ValueError, match=r"has no entry for the source classes \[1, 2\]"):
        otdd(*SOURCE, *TARGET, correspondence={0: 0})


def test_classes_that_hardly_see_each_other():
    """Momentum that threw Sinkhorn's iteration off gave infinity: mass has to pass between far classes first."""
    X, y = labelled(21, 3, 2, seed=54)
    A, a = labelled(22, 3, 2, seed=54)
    A = A + np.random.default_rng(54).normal(size=A.shape)
    values = [otdd(X, y, A, a, reg=reg) for reg in (0.0, 0.045, 0.05, 0.055)]
    assert values == sorted(values)
    assert values[2] == pytest.approx(np.mean(values[1:]), rel=1e-2)
