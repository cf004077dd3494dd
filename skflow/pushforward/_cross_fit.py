"""Predictions of a push-forward for rows that it did not learn from."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import has_fit_parameter

from .._inputs import FLOATS
from .._sklearn import HasMethods, Interval, validate_params


@validate_params(
    {
        "regressor": [HasMethods(["fit", "predict"])],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def left_out_predictions(
    regressor: Any,
    X: ArrayLike,
    Z: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    n_folds: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Predict each row by a push-forward that was fitted without it.

    What a share of the movement, a safeguard or a standard error is chosen on.

    Parameters
    ----------
    regressor : regressor
        A fitted one with `oof_` for these rows has them already. Of any other, clones are fitted to `n_folds` folds.
    X : array-like of shape (n_samples, n_features)
    Z : array-like of shape (n_samples, n_outputs)
    labels : array-like of shape (n_samples,) or None, default=None
        Passed on where `fit` has that parameter.
    n_folds : int, default=5
    random_state : int, RandomState instance or None, default=None
        Draws the folds.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)

    Raises
    ------
    ValueError
        For parameters out of range, fewer rows than two, or a regressor that predicts NaN or infinity.
    """
    start, goal = (check_array(rows, dtype=FLOATS, input_name=name) for rows, name in ((X, "X"), (Z, "Z")))
    known = getattr(regressor, "oof_", None)
    if known is not None and known.shape == goal.shape:
        return known
    if len(start) < 2:
        raise ValueError(f"X has {len(start)} rows; to leave one out takes two.")
    folds = KFold(min(n_folds, len(start)), shuffle=True, random_state=check_random_state(random_state))
    out = np.empty(goal.shape)
    for seen, unseen in folds.split(start):
        told = {}
        if labels is not None and has_fit_parameter(regressor, "labels"):
            told["labels"] = np.asarray(labels)[seen]
        out[unseen] = (
            clone(regressor).fit(start[seen], goal[seen], **told).predict(start[unseen]).reshape(len(unseen), -1)
        )
    if not np.isfinite(out).all():
        raise ValueError(f"regressor={regressor!r} predicts NaN or infinity for rows of X that it was not fitted to.")
    return out
