"""What every transformer that flows data towards a target must do, beside scikit-learn's own checks.

A check takes a function `make(target)` that builds an unfitted flow with a cheap push-forward, and labels for the rows
of `SOURCE`, of which some may be marked as unlabelled.
"""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skflow import Reference
from tests._data import labelled

SOURCE, LABELS = labelled(45, 3, 3, shift=4.0)
TARGET, TARGET_LABELS = labelled(40, 3, 3, seed=1)
SPREAD = TARGET.std(axis=0)
COLUMNS = ["height", "weight", "age"]
UNLABELLED = -1

SAME = 1e-4
"""Two flows whose numbers differ by rounding in float32, relative to the target's spread."""


def target():
    return Reference(TARGET, TARGET_LABELS)


def usual(make, y):
    """The flow from the source to the target, fitted once for all checks: none may change it."""
    return _fitted(make, tuple(y.tolist()))


@cache
def _fitted(make, labels):
    return make(target()).fit(SOURCE, np.array(labels))


def assert_same(actual, expected, atol=SAME):
    np.testing.assert_allclose(actual / SPREAD, expected / SPREAD, rtol=SAME, atol=atol)


def fitted_attributes(estimator):
    return {name: value for name, value in vars(estimator).items() if name.endswith("_") and not name.startswith("_")}


def differences(actual, expected, path=""):
    """Where two fitted attributes differ, of whatever type."""
    if type(actual) is not type(expected):
        return [f"{path}: {type(actual).__name__}, not {type(expected).__name__}"]
    if isinstance(actual, np.ndarray):
        if actual.shape != expected.shape:
            return [f"{path}: shape {actual.shape}, not {expected.shape}"]
        equal_nan = actual.dtype.kind == "f"
        return [] if np.array_equal(actual, expected, equal_nan=equal_nan) else [f"{path}: other values"]
    if isinstance(actual, torch.Tensor):
        return [] if torch.equal(actual, expected) else [f"{path}: other values"]
    if isinstance(actual, dict):
        found = [f"{path}.{name}: left over" for name in actual.keys() - expected.keys()]
        found += [f"{path}.{name}: missing" for name in expected.keys() - actual.keys()]
        shared = [name for name in actual if name in expected]
        return found + [d for name in shared for d in differences(actual[name], expected[name], f"{path}.{name}")]
    if isinstance(actual, (list, tuple)) and len(actual) == len(expected):
        return [d for k, pair in enumerate(zip(actual, expected)) for d in differences(*pair, f"{path}[{k}]")]
    if isinstance(actual, (BaseEstimator, Reference)):
        return differences(vars(actual), vars(expected), path)
    if isinstance(actual, (str, bytes, int, float, bool, type(None), np.generic)):
        return [] if actual == expected or actual != actual else [f"{path}: {actual!r}, not {expected!r}"]
    return []


def check_units(make, y):
    """All lengths times c gives the same flow, times c."""
    expected = usual(make, y)
    for c in (1e-30, 1e-4, 1e30):
        flow = make(Reference(c * TARGET, TARGET_LABELS)).fit(c * SOURCE, y)
        assert_same(flow.particles_ / c, expected.particles_)
        assert_same(flow.transform(c * SOURCE) / c, expected.transform(SOURCE))
        np.testing.assert_allclose(flow.coupling_, expected.coupling_, atol=SAME)
        np.testing.assert_allclose(flow.objective_ / c / c, expected.objective_, rtol=1e-3)
        assert flow.n_iter_ == expected.n_iter_


def check_offsets(make, y):
    """A vector added to both sides gives the same flow, plus the vector."""
    expected = usual(make, y)
    for offset in (1e2, 1e6, 1e9):
        vector = offset * SPREAD * [1, 0, -1]
        flow = make(Reference(TARGET + vector, TARGET_LABELS)).fit(SOURCE + vector, y)
        tolerance = max(SAME, 1e-14 * offset)
        assert_same(flow.particles_ - vector, expected.particles_, tolerance)
        assert_same(flow.transform(SOURCE + vector) - vector, expected.transform(SOURCE), 10 * tolerance)
        np.testing.assert_allclose(flow.coupling_, expected.coupling_, atol=tolerance)
        assert flow.n_iter_ == expected.n_iter_


def check_order_of_rows(make, y):
    order, order_target = (np.random.default_rng(0).permutation(len(rows)) for rows in (SOURCE, TARGET))
    expected = usual(make, y)
    flow = make(Reference(TARGET[order_target], TARGET_LABELS[order_target])).fit(SOURCE[order], y[order])
    assert_same(flow.particles_, expected.particles_[order], atol=10 * SAME)
    assert_same(flow.transform(SOURCE), expected.transform(SOURCE), atol=10 * SAME)


def check_names_of_classes(make, y):
    """Which names the classes bear does not matter: text, other numbers, another order."""
    expected = usual(make, y)
    for names in (np.array([30, 10, 20]), np.array([0.5, 2.5, 1.5]) * 2, np.array(["c", "a", "b"])):
        renamed = names[y].astype(object)
        renamed[y == UNLABELLED] = UNLABELLED
        flow = make(Reference(TARGET, names[TARGET_LABELS])).fit(SOURCE, renamed)
        assert_same(flow.particles_, expected.particles_, atol=10 * SAME)
        np.testing.assert_array_equal(flow.particle_labels_, names[expected.particle_labels_])
        assert flow.label_map_ == {names[k].item(): names[l].item() for k, l in expected.label_map_.items()}


def check_kinds_of_labels(make, y):
    """Objects, nullable integers, categories and lists are read as what they hold."""
    expected = usual(make, y)
    kinds = {
        "object": y.astype(object),
        "list": y.tolist(),
        "Int64": pd.Series(y, dtype="Int64"),
        "category": pd.Series(y).astype("category"),
        "polars": pl.Series(y),
        "int8": y.astype(np.int8),
    }
    for kind, labels in kinds.items():
        flow = make(target()).fit(SOURCE, labels)
        np.testing.assert_array_equal(flow.particles_, expected.particles_, err_msg=kind)
        assert flow.classes_.dtype.kind == "i", f"{kind}: classes_ of dtype {flow.classes_.dtype}"
        assert flow.label_map_ == expected.label_map_, kind


def check_refit_starts_from_nothing(make, y):
    """Fitted to A and then to B is as fitted to B alone, attribute by attribute; B has other rows, columns, classes."""
    B, b = SOURCE[5:35, :2], np.where(y[5:35] == 2, 0, y[5:35])
    other = Reference(TARGET[TARGET_LABELS < 2][:, :2], TARGET_LABELS[TARGET_LABELS < 2])
    twice = make(target()).fit(pd.DataFrame(SOURCE, columns=COLUMNS), y).set_params(target=other).fit(B, b)
    once = make(other).fit(B, b)
    assert not differences(fitted_attributes(twice), fitted_attributes(once))
    np.testing.assert_array_equal(twice.transform(B), once.transform(B))


def failing_fits(make, y):
    """Fits that must raise, by what is wrong with them."""
    return {
        "target that is no pair": lambda flow: flow.set_params(target=(TARGET,)).fit(SOURCE, y),
        "target given twice": lambda flow: flow.fit(SOURCE, y, X_target=TARGET, y_target=TARGET_LABELS),
        "target of another width": lambda flow: flow.set_params(target=(TARGET[:, :2], TARGET_LABELS)).fit(SOURCE, y),
        "X of another width": lambda flow: flow.fit(SOURCE[:, :2], y),
        "NaN in X": lambda flow: flow.fit(np.where(SOURCE > 5, np.nan, SOURCE), y),
        "y of another length": lambda flow: flow.fit(SOURCE, y[1:]),
        "continuous y": lambda flow: flow.fit(SOURCE, SOURCE[:, 0]),
    }


def check_failed_first_fit_leaves_nothing(make, y):
    for what, fit in failing_fits(make, y).items():
        flow = make(target())
        with pytest.raises(ValueError):
            fit(flow)
        try:
            flow.transform(SOURCE)
        except NotFittedError:
            continue
        except Exception as error:
            raise AssertionError(f"{what}: transform raises {type(error).__name__}, not NotFittedError.") from error
        raise AssertionError(f"{what}: transform works after a first fit that failed.")


def check_failed_refit_leaves_all_or_nothing(make, y):
    for what, fit in failing_fits(make, y).items():
        flow = make(target()).fit(SOURCE, y)
        before = dict(fitted_attributes(flow))
        with pytest.raises(ValueError):
            fit(flow)
        after = fitted_attributes(flow)
        if after:
            assert not differences(after, before), what
            flow.transform(SOURCE)


def check_threads_do_not_meet(make, y):
    with ThreadPoolExecutor(3) as pool:
        flows = list(pool.map(lambda _: make(target()).fit(SOURCE, y), range(3)))
    for flow in flows[1:]:
        np.testing.assert_array_equal(flow.particles_, flows[0].particles_)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def check_surroundings(make, y):
    """Global settings of torch and NumPy change no bit."""
    expected = usual(make, y)
    for surroundings in (
        lambda: default_dtype(torch.float64),
        torch.no_grad,
        torch.inference_mode,
        lambda: np.errstate(all="raise"),
    ):
        with surroundings():
            flow = make(target()).fit(SOURCE, y)
            moved = flow.transform(SOURCE)
        np.testing.assert_array_equal(flow.particles_, expected.particles_)
        np.testing.assert_array_equal(moved, expected.transform(SOURCE))


def check_columns_are_compared(make, y):
    X, X_target = (pd.DataFrame(rows, columns=COLUMNS) for rows in (SOURCE, TARGET))
    flow = make(Reference(X_target, TARGET_LABELS)).fit(X, y)
    np.testing.assert_array_equal(flow.particles_, usual(make, y).particles_)
    other = COLUMNS[::-1]
    for container in (lambda frame: frame, lambda frame: pl.DataFrame(frame.to_dict("list"))):
        with pytest.raises(ValueError, match="target has the columns"):
            make(Reference(container(X_target[other]), TARGET_LABELS)).fit(container(X), y)
        with pytest.raises(ValueError, match="target has the columns"):
            make(None).fit(container(X), y, X_target=container(X_target[other]), y_target=TARGET_LABELS)
        with pytest.raises(ValueError, match="feature names"):
            flow.transform(container(X[other]))


def weights(y):
    """Whole weights from 0 to 3, at least 2 for one row of each class."""
    counts = np.random.default_rng(0).integers(0, 4, size=len(y))
    counts[[np.flatnonzero(y == label)[0] for label in np.unique(y)]] = 2
    return counts


def check_zero_weight_is_absence(make, y):
    counts = weights(y)
    present = counts > 0
    weighted = make(target()).fit(SOURCE, y, sample_weight=counts)
    absent = make(target()).fit(SOURCE[present], y[present], sample_weight=counts[present])
    assert_same(weighted.transform(SOURCE), absent.transform(SOURCE))
    np.testing.assert_allclose(weighted.coupling_, absent.coupling_, atol=SAME)


def check_whole_weight_is_repetition(make, y):
    counts = weights(y)
    weighted = make(target()).fit(SOURCE, y, sample_weight=counts)
    repeated = make(target()).fit(np.repeat(SOURCE, counts, axis=0), np.repeat(y, counts))
    assert_same(weighted.transform(SOURCE), repeated.transform(SOURCE), atol=10 * SAME)
    np.testing.assert_allclose(weighted.coupling_, repeated.coupling_, atol=10 * SAME)


def check_equal_weights_are_none(make, y):
    weighted = make(target()).fit(SOURCE, y, sample_weight=np.full(len(y), 7.0))
    assert_same(weighted.transform(SOURCE), usual(make, y).transform(SOURCE))


def check_nothing_is_written_into(make, y):
    arrays = [array.copy() for array in (SOURCE, y, TARGET, TARGET_LABELS)]
    X, labels, X_target, y_target = arrays
    make(Reference(X_target, y_target)).fit(X, labels).transform(X)
    for array, before in zip(arrays, (SOURCE, y, TARGET, TARGET_LABELS)):
        np.testing.assert_array_equal(array, before)


def check_read_only_arrays(make, y):
    expected = usual(make, y)
    X, labels, X_target, y_target = arrays = [array.copy() for array in (SOURCE, y, TARGET, TARGET_LABELS)]
    for array in arrays:
        array.flags.writeable = False
    flow = make(Reference(X_target, y_target)).fit(X, labels)
    np.testing.assert_array_equal(flow.transform(X), expected.transform(SOURCE))


def check_pickles(make, y):
    flow = usual(make, y)
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(again.transform(SOURCE), flow.transform(SOURCE))
    assert not differences(fitted_attributes(again), fitted_attributes(flow))


FLOW_CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
