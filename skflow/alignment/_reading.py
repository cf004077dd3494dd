"""Both sides as the search takes them: checked, each row once, in an order of their own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._repeats import each_row_once
from ._affine_map import Array
from ._pair import Pair
from ._views import LARGEST


def read_pair(
    X: ArrayLike, X_target: ArrayLike, y: ArrayLike | None, y_target: ArrayLike | None, weights: ArrayLike | None
) -> Pair:
    """Both sides as a pair in the user's units, without rows of no weight or counterpart, in an order of their own."""
    S, T = _rows(X, "X"), _rows(X_target, "X_target")
    a = np.ones(len(S)) if weights is None else np.asarray(weights, dtype=np.float64)
    if a.shape != (len(S),) or not np.isfinite(a).all() or (a < 0).any() or a.sum() <= 0:
        raise ValueError(f"sample_weight must be {len(S)} numbers >= 0, not all zero; got an array of shape {a.shape}.")
    codes, codes_target = _codes(y, len(S), "y"), _codes(y_target, len(T), "y_target")
    keep = a > 0
    if codes is not None and codes_target is not None:
        shared = np.isin(codes, codes_target[codes_target >= 0])
        if not (shared & keep).any() or (codes_target < 0).all():
            codes = None
        else:
            keep &= shared | (codes < 0)
    else:
        codes = None
    S, a, codes = S[keep], a[keep], None if codes is None else codes[keep]
    first, mass = each_row_once(S, codes, a)
    if len(first) < len(S):
        S, a, codes = S[first], mass, None if codes is None else codes[first]
    pair = Pair(S, T, a / a.sum(), np.full(len(T), 1 / len(T)), codes, codes_target)
    return pair.rows(_canonical_order(S), _canonical_order(T))


def _canonical_order(Z: Array) -> Array:
    """Rows by their distance from the mean: an order that does not depend on the one they came in."""
    # In torch, since NumPy might have been told to raise where a square rounds to zero.
    squares = torch.from_numpy(Z - Z.mean(0)).square().sum(1)
    return np.argsort(squares.numpy(), kind="stable")


def _rows(X: ArrayLike, name: str) -> Array:
    Z = np.asarray(X, dtype=np.float64)
    if Z.ndim != 2 or 0 in Z.shape:
        raise ValueError(f"{name} must have shape (n_samples, n_features) with at least one of each; got {Z.shape}.")
    if not np.isfinite(Z).all():
        raise ValueError(f"{name} must be finite; it contains NaN or infinity.")
    if np.abs(Z).max() > LARGEST:
        raise ValueError(f"{name} must be below {LARGEST:g} in size, so that its squares are; got {np.abs(Z).max():g}.")
    return Z


def _codes(y: ArrayLike | None, n: int, name: str) -> Array | None:
    if y is None:
        return None
    codes = np.asarray(y)
    if codes.shape != (n,) or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"{name} must be {n} integer codes; got {codes.dtype} of shape {codes.shape}.")
    return codes.astype(np.int64)
