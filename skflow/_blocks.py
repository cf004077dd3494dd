"""A function of rows on data of any size: arrays, memory maps, iterators of blocks and dask arrays."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_array, gen_batches
from tqdm import tqdm

from ._threads import one_thread

if TYPE_CHECKING:
    import dask.array as da

BLOCK_BYTES = 2**24
"""What the rows of a block take in float64, about."""


def row_blocks(X: np.ndarray) -> list[np.ndarray]:
    """Rows of `X` as views, block by block; no rows are one empty block, for whoever validates to refuse."""
    size = max(1, BLOCK_BYTES // (8 * max(1, X.shape[1])))
    return [X[rows] for rows in gen_batches(max(1, len(X)), size)]


def carried(
    blocks: Iterable[Any], carry: Callable[[Any], np.ndarray], bar: str | None = None, n_rows: int | None = None
) -> Iterator[np.ndarray]:
    """Yield `carry(block)` for each block, under a progress bar with the label `bar` (None: without one)."""
    with tqdm(total=n_rows, desc=bar, unit=" rows", unit_scale=True, disable=bar is None) as progress:
        for block in blocks:
            moved = carry(block)
            progress.update(len(moved))
            yield moved


def stack(blocks: Iterable[np.ndarray], shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """The blocks below each other, in memory."""
    out, start = np.empty(shape, dtype), 0
    for block in blocks:
        out[start : start + len(block)] = block
        start += len(block)
    return out


def memory_map(blocks: Iterator[np.ndarray], shape: tuple[int, int]) -> np.memmap:
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
            file.flush()
            mapped = np.memmap(path, dtype, mode="r+", shape=shape)
        except BaseException:
            path.unlink()
            raise
    weakref.finalize(mapped.base, path.unlink, missing_ok=True)
    return mapped


def is_dask_array(X: Any) -> bool:
    """Whether `X` is a dask array; who has one has imported dask."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


def map_chunks(regressor: Any, X: da.Array, dtypes: list) -> da.Array:
    """The prediction of a fitted regressor for each chunk of rows, when it is computed."""
    from dask import delayed

    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got a dask array of shape {X.shape}.")
    dtype = X.dtype if X.dtype in dtypes else np.dtype(dtypes[0])
    # Rows are needed whole. The regressor is a task of its own, so that it travels once and not with every chunk.
    return X.rechunk({1: -1}).map_blocks(
        _predict_chunk,
        regressor=delayed(regressor, traverse=False),
        out_dtype=dtype,
        dtype=dtype,
        meta=np.empty((0, 0), dtype),
    )


def _predict_chunk(X: np.ndarray, regressor: Any, out_dtype: np.dtype) -> np.ndarray:
    if len(X) == 0:  # what a boolean mask may leave of a chunk
        return X.astype(out_dtype)
    X = check_array(X, dtype=out_dtype)
    with one_thread():  # dask keeps the cores busy with chunks
        blocks = carried(row_blocks(X), regressor.predict)
        return stack((block.reshape(-1, X.shape[1]) for block in blocks), X.shape, out_dtype)
