"""Run something, and judge what comes: a finite and right answer, or an error that names what the user gave."""

import re
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

import skflow

PACKAGE = str(Path(skflow.__file__).parent)
OWN = str(Path(__file__).parent)
KINDS = (ValueError, TypeError, NotFittedError, MemoryError)
WORDS = {
    "X",
    "y",
    "Z",
    "X_target",
    "y_target",
    "X_new",
    "sample_weight",
    "weights",
    "target",
    "source",
    "reference",
    "labels",
    "label",
    "classes",
    "class",
    "samples",
    "sample",
    "rows",
    "row",
    "columns",
    "column",
    "features",
    "feature",
    "names",
    "array",
    "dtype",
    "shape",
    "sparse",
    "dense",
    "table",
    "pair",
    "DataFrame",
    "estimator",
    "flow",
    "model",
    "classifier",
    "regressor",
    "functional",
    "potential",
    "constraints",
    "posterior",
    "prior",
    "images",
    "objective",
    "trajectory",
    "matrix",
    "frames",
    "particles",
    "NaN",
    "infinity",
    "inf",
    "finite",
    "values",
    "value",
    "unlabelled",
    "clusters",
    "clusterer",
}
"""Words for what users pass, beside the names of parameters."""

FAULTS = ("silently wrong", "not finite", "hang", "unclear error")


class OwnError(Exception):
    """Raised by a user's own piece in a test."""


def judge_error(error, words):
    """None where an error is clear, else what is wrong with it."""
    if isinstance(error, (OwnError, MemoryError)):
        return None
    shown = "".join(traceback.format_exception(error))
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{where.filename.rpartition('site-packages/')[2].replace(PACKAGE, 'skflow')}:{where.lineno}"
    said = f"{type(error).__name__} at {place}: {str(error)[:300]}"
    said_by_others = ("/sklearn/utils/validation", "/_array_api", "/narwhals/")
    called_wrongly = isinstance(error, TypeError) and "positional argument" in str(error)
    if where.filename.startswith(OWN) or called_wrongly or any(part in where.filename for part in said_by_others):
        return None  # of the user's own piece, or what every estimator of scikit-learn says
    if not isinstance(error, KINDS) or isinstance(error, np.linalg.LinAlgError):
        return said + "\n" + shown[-1500:]
    own = (
        where.filename.startswith(PACKAGE)
        or "/matplotlib/" in where.filename
        or "/sklearn/utils/" in where.filename
        or "/sklearn/base" in where.filename
    )
    if own and set(re.findall(r"\w+", str(error))) & (WORDS | set(words)):
        return None
    return said + "\n" + shown[-1500:]


def flat(value):
    """Numbers of an output as a float array; None where it holds none."""
    value = np.asarray(value)
    if value.dtype.kind in "biuf":
        return value.astype(float)
    return None


def not_finite(outputs):
    """Names of the outputs that hold NaN or infinity."""
    return [name for name, (_, value) in outputs.items() if (v := flat(value)) is not None and not np.isfinite(v).all()]


def differences(outputs, base, twin, rtol):
    """Outputs of a twin that are not what the base's imply."""
    found = []
    for name, (kind, value) in base.items():
        if name not in outputs:
            found.append(f"{name} is missing")
            continue
        got, expected = np.asarray(outputs[name][1]), np.asarray(value)
        if twin.order is not None and kind in ("rows", "row labels", "row values"):
            if len(expected) == len(twin.order):
                expected = expected[twin.order]
            else:  # rows of no class of the target are not among them, and what is left is compared in its own order
                got, expected = _sorted_rows(got), _sorted_rows(expected)
        if kind in ("labels", "row labels"):
            expected = np.array([twin.names.get(v, v) for v in expected.tolist()], dtype=object)
            if sorted(map(str, got.tolist())) != sorted(map(str, expected.tolist())) or (
                kind == "row labels" and list(map(_plain, got.tolist())) != list(map(_plain, expected.tolist()))
            ):
                found.append(f"{name}: {got.tolist()[:6]} for {expected.tolist()[:6]}")
            continue
        got, expected = got.astype(float), expected.astype(float)
        scale = np.abs(expected - (expected.mean(axis=0) if kind == "rows" else 0)).max(initial=0.0)
        if kind == "rows":
            got = (got - twin.offset) / twin.unit
        elif kind == "square":
            got = got / twin.unit / twin.unit
        elif kind == "length":
            got = got / twin.unit
        if got.shape != expected.shape:
            found.append(f"{name}: shape {got.shape} for {expected.shape}")
        elif not np.allclose(got, expected, rtol=rtol, atol=rtol * max(scale, 1e-300)):
            error = np.abs(got - expected).max() / max(scale, 1e-300)
            found.append(f"{name}: off by {error:.2g} of {scale:.2g}")
    return found


def _sorted_rows(values):
    return values[np.lexsort(values.T[::-1].round(6) if values.ndim > 1 and values.dtype.kind == "f" else (values,))]


def _plain(value):
    return str(int(value)) if isinstance(value, (float, bool, int)) and value == value else str(value)


def fingerprint(value):
    """What must be the same after a call: the bytes of arrays, frames and lists."""
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.to_json(default_handler=str, orient="values") + str(value.dtypes)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.tobytes() + str(value.dtype).encode()
    return repr(value)


def noisy(caught):
    """Runtime warnings that come from this package's own lines."""
    return [
        f"{Path(w.filename).name}:{w.lineno}: {w.message}"
        for w in caught
        if issubclass(w.category, (RuntimeWarning, FutureWarning, DeprecationWarning))
        and w.filename.startswith(PACKAGE)
    ]


def attempt(call, words):
    """``(outputs, fault)``: what `call` gives, or what is wrong with its error or its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outputs = call()
        except Exception as error:
            return None, judge_error(error, words) and ("unclear error", judge_error(error, words))
    if loud := noisy(caught):
        return outputs, ("unclear error", "RuntimeWarning: " + "; ".join(loud[:3]))
    return outputs, None
