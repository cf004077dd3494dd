"""A map of rows on data of any size: arrays, memory maps, iterators of blocks and dask arrays."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import validate_data
from tqdm import tqdm

from ._inputs import FLOATS
from ._sklearn import check_n_features, get_output_config
from ._threads import one_thread, shared_cores

if TYPE_CHECKING:
    import dask.array as da
    from sklearn.base import BaseEstimator

BLOCK_BYTES = 2**23
"""What the rows of a block take in float64, about."""

RowMap = Callable[[np.ndarray], np.ndarray]
"""Takes rows (n, n_features) to rows (n, n_columns), each by itself, in their dtype."""


def transform_rows(estimator: BaseEstimator, X: Any, row_map: RowMap, n_columns: int, verbose: int = 0) -> Any:
    """What `row_map` makes of the rows of `X`, in the container that goes with `X`.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted; rows are checked against the data that it has seen.
    X : array-like of shape (n_samples, n_features), iterator of such, or dask array
        The rows.
    row_map : callable
        Must pickle where `X` is a dask array.
    n_columns : int
        Columns of what it returns.
    verbose : int, default=0
        Whether there is a progress bar.

    Returns
    -------
    ndarray of shape (n_samples, n_columns), iterator of such, or dask array
        A :class:`numpy.memmap` comes back as a map of a temporary file.

    Raises
    ------
    ValueError
        For rows that the estimator's `fit` would not have taken, or an iterator or dask array under another
        `set_output` than the default.
    """

    def check_and_move(rows: Any) -> np.ndarray:
        return row_map(validate_data(estimator, rows, reset=False, dtype=FLOATS, order="C"))

    bar = type(estimator).__name__ if verbose else None
    is_dask = _is_dask_array(X)
    if is_dask or isinstance(X, Iterator):
        if (container := get_output_config("transform", estimator)["dense"]) != "default":
            raise ValueError(
                f"set_output(transform={container!r}) is for data in memory; to transform an iterator or a dask array, "
                "call set_output(transform='default')."
            )
        if not is_dask:
            return _moved(X, check_and_move, bar)
        check_n_features(estimator, X, reset=False)
        return _map_chunks(row_map, X, n_columns)
    if isinstance(X, np.memmap) and X.ndim == 2:
        blocks = row_blocks(X)
        moved = _moved(blocks, check_and_move, bar if len(blocks) > 1 else None, len(X))
        return _memory_map(moved, (len(X), n_columns))
    X = validate_data(estimator, X, reset=False, dtype=FLOATS, order="C")
    blocks = row_blocks(X)
    moved = _moved(blocks, row_map, bar if len(blocks) > 1 else None, len(X))
    return _stack(moved, (len(X), n_columns), X.dtype)


def row_blocks(X: np.ndarray) -> list[np.ndarray]:
    """Rows of `X` as views, block by block; no rows are one empty block, for whoever validates to refuse."""
    size = max(1, BLOCK_BYTES // (8 * max(1, X.shape[1])))
    return [X[rows] for rows in gen_batches(max(1, len(X)), size)]


def _moved(blocks: Iterable[Any], move: RowMap, bar: str | None = None, n_rows: int | None = None) -> Iterator:
    """Yield `move(block)` for each block, under a progress bar with the label `bar` (None: without one)."""
    with tqdm(total=n_rows, desc=bar, unit=" rows", unit_scale=True, disable=bar is None) as progress:
        for block in blocks:
            with shared_cores():
                moved = move(block)
            progress.update(len(moved))
            del block  # no block is kept while the next is moved
            yield moved
            del moved


def _stack(blocks: Iterable[np.ndarray], shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """The blocks below each other, in memory."""
    out, start = np.empty(shape, dtype), 0
    for block in blocks:
        out[start : start + len(block)] = block
        start += len(block)
        del block
    return out


def _memory_map(blocks: Iterator[np.ndarray], shape: tuple[int, int]) -> np.memmap:
    """The blocks below each other in a temporary file, which goes when the last array on it does.

    They are written, and mapped only then: pages of a map are in memory as soon as they are written to, and a full disk
    would be a bus error in place of an exception. The file has a name, by which joblib's workers open it.
    """
    with NamedTemporaryFile(prefix="skflow-", delete=False) as file:
        path = Path(file.name)
        try:
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)
                dtype = block.dtype
                del block
            file.flush()
            mapped = np.memmap(path, dtype, mode="r+", shape=shape)
        except BaseException:
            path.unlink()
            raise
    weakref.finalize(mapped.base, path.unlink, missing_ok=True)
    return mapped


def _is_dask_array(X: Any) -> bool:
    """Whether `X` is a dask array; who has one has imported dask."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


def _map_chunks(row_map: RowMap, X: da.Array, n_columns: int) -> da.Array:
    """The map of each chunk of rows, when it is computed."""
    from dask import delayed

    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got a dask array of shape {X.shape}.")
    dtype = X.dtype if X.dtype in FLOATS else np.dtype(FLOATS[0])
    # Rows are needed whole. The map is a task of its own, so that it travels once and not with every chunk.
    rows = X.rechunk({1: -1})
    return rows.map_blocks(
        _map_chunk,
        row_map=delayed(row_map, traverse=False),
        n_columns=n_columns,
        out_dtype=dtype,
        dtype=dtype,
        chunks=(rows.chunks[0], (n_columns,)),
        meta=np.empty((0, 0), dtype),
    )


def _map_chunk(X: np.ndarray, row_map: RowMap, n_columns: int, out_dtype: np.dtype) -> np.ndarray:
    if len(X) == 0:  # what a boolean mask may leave of a chunk
        return np.empty((0, n_columns), out_dtype)
    X = check_array(X, dtype=out_dtype)
    with one_thread():  # dask keeps the cores busy with chunks
        return _stack(_moved(row_blocks(X), row_map), (len(X), n_columns), out_dtype)
