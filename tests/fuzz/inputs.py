"""Small problems, and the containers, labels and values that users bring."""

import datetime
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

NAMES = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class Problem:
    """A source, a target, and rows to carry; `unit` and `offset` say where a twin of it stands."""

    X: Any
    y: Any
    X_target: Any
    y_target: Any
    X_new: Any
    weight: Any = None
    unit: float = 1.0
    offset: Any = 0.0
    order: np.ndarray | None = None
    """The twin's row i is the base's row ``order[i]``."""
    names: dict = field(default_factory=dict)
    """New label of each old one."""

    def copy(self):
        return deepcopy(self)


def problem(rng):
    """A random problem with two to four columns and two to four classes.

    Covariances of classes have full rank: where they have not, W2 between Gaussians has no gradient, and rounding
    decides into which direction a class gains spread first.
    """
    d, k = rng.integers(2, 5), rng.integers(2, 5)
    centres = 3 * rng.normal(size=(k, d))

    def side(n, shift):
        y = rng.permutation(np.r_[np.repeat(np.arange(k), d + 2), rng.integers(0, k, n)])
        return centres[y] + shift + rng.normal(size=(len(y), d)), y

    X, y = side(rng.integers(0, 9), 1.5)
    X_target, y_target = side(rng.integers(0, 9), 0.0)
    return Problem(X, y, X_target, y_target, X[:5] + 0.1)


def moved(p, unit, offset):
    """The twin of a problem in other units and far from the origin."""
    rows = {name: getattr(p, name) * unit + offset for name in ("X", "X_target", "X_new")}
    return replace(p, **rows, unit=unit, offset=offset)


def reordered(p, order):
    weight = None if p.weight is None else p.weight[order]
    return replace(p, X=p.X[order], y=p.y[order], weight=weight, order=order)


# Containers of the same table: (name, function of X, whether values are kept to the last bit)
def _memmap(X):
    path = Path(tempfile.mkdtemp(prefix="skflow-fuzz-")) / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def _strided(X):
    wide = np.full((2 * len(X), 2 * X.shape[1]), np.nan)
    wide[::2, ::2] = X
    return wide[::2, ::2]


def _read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def _frame(X, **kwargs):
    return pd.DataFrame(X, columns=list(NAMES[: X.shape[1]]), **kwargs)


def _mixed_frame(X):
    frame = _frame(X)
    frame["a"] = frame["a"].astype("Float64")
    return frame


TABLES = {
    "list": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X.tolist())),
    "list of arrays": list,
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": _read_only,
    "big-endian": lambda X: X.astype(">f8"),
    "longdouble": lambda X: X.astype(np.longdouble),
    "object": lambda X: X.astype(object),
    "memmap": _memmap,
    "frame": _frame,
    "frame, odd index": lambda X: _frame(X, index=[7] * len(X)),
    "frame, dates": lambda X: _frame(X, index=pd.date_range("2020", periods=len(X))[::-1]),
    "frame, multi-index": lambda X: _frame(X, index=pd.MultiIndex.from_arrays([range(len(X))] * 2)),
    "frame, nullable": lambda X: _frame(X).astype("Float64"),
    "frame, one nullable": _mixed_frame,
    "frame, object": lambda X: _frame(X).astype(object),
    "frame, integer names": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=list(NAMES[: X.shape[1]])),
}
LOSSY_TABLES = {
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "integers": lambda X: np.round(8 * X).astype(int),
    "int8": lambda X: np.clip(np.round(4 * X), -100, 100).astype(np.int8),
    "uint8": lambda X: np.clip(np.round(8 * X), 0, 255).astype(np.uint8),
    "bools": lambda X: X > 1,
    "numbers as text": lambda X: X.astype(str),
    "sparse": sparse.csr_array,
    "matrix": lambda X: np.asmatrix(X),
    "categorical": lambda X: _frame(X).astype("category"),
}
"""Other values, or no tables at all: a finite answer or a clear error."""

NO_TABLES = {
    "one-dimensional": lambda X: X[:, 0],
    "three-dimensional": lambda X: X[:, :, None],
    "scalar": lambda X: 3.0,
    "None": lambda X: None,
    "text": lambda X: "X",
    "empty": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "ragged": lambda X: [row[: 1 + i % 2] for i, row in enumerate(X.tolist())],
    "complex": lambda X: X + 1j,
    "dates": lambda X: X.astype("M8[s]"),
    "words": lambda X: np.full(X.shape, "a"),
    "dicts": lambda X: [{"a": 1.0}] * len(X),
    "masked": lambda X: np.ma.masked_less(X, 0),
    "wider": lambda X: np.c_[X, X],
    "shorter": lambda X: X[1:],
    "series": lambda X: pd.Series(X[:, 0]),
    "lazy frame": lambda X: pl.DataFrame(X, schema=list(NAMES[: X.shape[1]])).lazy(),
    "generator": lambda X: (row for row in X),
    "set": lambda X: {1.0, 2.0},
    "other names": lambda X: pd.DataFrame(X, columns=list(NAMES[::-1][: X.shape[1]])),
    "names twice": lambda X: pd.DataFrame(X, columns=["a"] * X.shape[1]),
    "mixed names": lambda X: pd.DataFrame(X, columns=["a", *range(X.shape[1] - 1)]),
}


def _with(X, value, where=(0, 0)):
    X = np.array(X, dtype=float)
    X[where] = value
    return X


def _constant(X, value=1.0):
    return np.full_like(X, value)


VALUES = {
    "NaN": lambda X: _with(X, np.nan),
    "inf": lambda X: _with(X, np.inf),
    "-inf": lambda X: _with(X, -np.inf, (-1, -1)),
    "all NaN": lambda X: _constant(X, np.nan),
    "1e300": lambda X: X * 1e300,
    "1e155": lambda X: X * 1e155,
    "1e-155": lambda X: X * 1e-155,
    "1e-300": lambda X: X * 1e-300,
    "subnormal": lambda X: X * 5e-324,
    "outlier": lambda X: _with(X, 1e20),
    "largest": lambda X: _with(X, np.finfo(float).max),
    "zeros": lambda X: _constant(X, 0.0),
    "ones": _constant,
    "constant 1e9": lambda X: _constant(X, 1e9),
    "constant column": lambda X: _with(X, 2.0, (slice(None), 0)),
    "twin columns": lambda X: _with(X, X[:, 0], (slice(None), -1)),
    "twin rows": lambda X: _with(X, X[0], slice(0, 3)),
    "all rows twice": lambda X: np.repeat(X[::2], 2, axis=0)[: len(X)],
    "one column 1e12": lambda X: X * np.r_[1e12, np.ones(X.shape[1] - 1)],
    "one column 1e-12": lambda X: X * np.r_[1e-12, np.ones(X.shape[1] - 1)],
    "far": lambda X: X + 1e12,
    "farther than doubles resolve": lambda X: X + 1e18,
    "negative zeros": lambda X: np.where(np.abs(X) < 1, -0.0, X),
    "float32 huge": lambda X: (X * 1e36).astype(np.float32),
    "float32 tiny": lambda X: (X * 1e-42).astype(np.float32),
    "int64 huge": lambda X: (np.clip(X, -3, 3) * 2e18).astype(np.int64),
}


# Labels: bijections from 0 .. k-1 to names, which keep or turn their order.
ALPHABETS = {
    "negative": lambda k: np.arange(-k - 1, -1),
    "from one": lambda k: np.arange(1, k + 1),
    "turned": lambda k: np.arange(k)[::-1] * 7,
    "large": lambda k: np.arange(k) + 2**40,
    "int8": lambda k: np.arange(k).astype(np.int8),
    "uint64": lambda k: np.arange(k).astype(np.uint64) + 2**63,
    "floats": lambda k: np.arange(k) * 2.0,
    "text": lambda k: np.array([f"class {NAMES[-i]}" for i in range(k)]),
    "digits as text": lambda k: np.array([str(i) for i in range(k)]),
    "object text": lambda k: np.array([f"class {i}" for i in range(k)], dtype=object),
    "object integers": lambda k: np.arange(k).astype(object),
    "empty text": lambda k: np.array(["", " ", "\n", "é"][:k]),
    "bools": lambda k: np.array([False, True]),
    "object bools": lambda k: np.array([False, True], dtype=object),
}
LABEL_CONTAINERS = {
    "list": lambda y: y.tolist(),
    "tuple": lambda y: tuple(y.tolist()),
    "series": pd.Series,
    "series, odd index": lambda y: pd.Series(y, index=[5] * len(y)),
    "series, object": lambda y: pd.Series(y, dtype=object),
    "categories": lambda y: pd.Series(y).astype("category"),
    "categorical": lambda y: pd.Categorical(y),
    "nullable": lambda y: pd.Series(y).convert_dtypes(),
    "polars": lambda y: pl.Series(values=y.tolist()),
    "column": lambda y: y[:, None],
    "read-only": _read_only,
    "strided": lambda y: np.repeat(y, 2)[::2],
}
NO_LABELS = {
    "NaN": lambda y: np.where(np.arange(len(y)) == 1, np.nan, y),
    "None": lambda y: [None, *y.tolist()[1:]],
    "NA": lambda y: pd.Series([pd.NA, *y.tolist()[1:]], dtype="Int64"),
    "all None": lambda y: [None] * len(y),
    "NaT": lambda y: pd.Series([pd.NaT] * len(y)),
    "inf": lambda y: np.where(np.arange(len(y)) == 1, np.inf, y),
    "continuous": lambda y: y + 0.5 + np.linspace(0, 0.1, len(y)),
    "text and numbers": lambda y: ["a", *y.tolist()[1:]],
    "two columns": lambda y: np.c_[y, y],
    "short": lambda y: y[1:],
    "long": lambda y: np.r_[y, y],
    "empty": lambda y: y[:0],
    "scalar": lambda y: 1,
    "word": lambda y: "label",
    "dates": lambda y: np.array([datetime.date(2020, 1, 1 + i) for i in y], dtype=object),
    "datetimes": lambda y: y.astype("M8[D]"),
    "complex": lambda y: y + 1j,
    "tuples": lambda y: [(i, i) for i in y.tolist()],
    "dicts": lambda y: [{} for _ in y],
    "bytes": lambda y: y.astype("S"),
    "objects": lambda y: [object() for _ in y],
    "sparse": lambda y: sparse.csr_array(y[None]),
    "one class": lambda y: np.zeros_like(y),
    "all apart": lambda y: np.arange(len(y)),
    "unknown": lambda y: y + 100,
    "one unknown": lambda y: np.where(y == y.max(), 77, y),
    "unknown text": lambda y: np.array([f"other {i}" for i in y]),
    "minus one": lambda y: np.where(np.arange(len(y)) % 3 == 0, -1, y),
    "all minus one": lambda y: np.full_like(y, -1),
}
"""What may be no labels, or be no such labels: a finite answer or a clear error."""

WEIGHTS = {
    "zeros": lambda n: np.zeros(n),
    "negative": lambda n: -np.ones(n),
    "NaN": lambda n: np.full(n, np.nan),
    "inf": lambda n: np.full(n, np.inf),
    "short": lambda n: np.ones(n - 1),
    "text": lambda n: ["a"] * n,
    "two columns": lambda n: np.ones((n, 2)),
    "huge": lambda n: np.full(n, 1e300),
    "tiny": lambda n: np.full(n, 1e-300),
    "uneven": lambda n: np.logspace(-12, 12, n),
    "one row": lambda n: np.eye(n)[0],
    "two rows": lambda n: np.eye(n)[0] + np.eye(n)[1],
    "scalar": lambda n: 2.0,
    "word": lambda n: "balanced",
    "bools": lambda n: np.arange(n) % 2 == 0,
}
