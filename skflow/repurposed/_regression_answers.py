"""A regressor that can only be asked, and what known labels say of its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from ..pushforward import SmoothPushForward

LEAST_FOR_OFFSET, LEAST_FOR_SLOPE, LEAST_FOR_REST = 3, 6, 30
"""Known labels from which on answers are shifted, scaled, and corrected row by row."""
CHANCE = 0.01
"""Probability of what known labels show where there is nothing to correct."""
MUST_LOWER_BY = 2.0
"""Standard errors by which a map of the rows must be better than none."""
N_ERROR_FOLDS, QUANTILES = 5, 50
"""Folds of the quick models that tell how far answers are off, and quantiles of their errors."""


class AskedRegressor:
    """Answers of a frozen regressor, in columns.

    Parameters
    ----------
    regressor : fitted regressor or callable
        Asked by `predict`; a callable takes an array of rows and returns numbers.
    columns : sequence of str or None
        Names of the columns of the rows that it will be asked about. A regressor that was fitted on a DataFrame is
        given one, its columns in the order that it knows.

    Raises
    ------
    NotFittedError
        If `regressor` is not fitted.
    """

    def __init__(self, regressor: Any | Callable[[np.ndarray], ArrayLike], columns: Sequence[str] | None) -> None:
        if hasattr(regressor, "fit"):
            try:
                check_is_fitted(regressor)
            except NotFittedError as error:
                raise NotFittedError(
                    f"regressor={regressor!r} is not fitted. If it was, it has been cloned since, as in a search or "
                    "cross-validation: wrap it, regressor=FrozenEstimator(regressor)."
                ) from error
        self.regressor = regressor
        self._knows = getattr(regressor, "feature_names_in_", None)
        self._columns = self._knows if columns is None else columns

    def __call__(self, X: np.ndarray, n_labels: int) -> np.ndarray:
        """Answers (n_samples, n_labels) for rows `X`.

        Raises
        ------
        ValueError
            For answers that are not finite numbers of that shape.
        """
        rows: Any = np.asarray(X)
        if self._knows is not None and self._columns is not None:
            import pandas as pd  # a model with names of columns was fitted on a DataFrame

            rows = pd.DataFrame(rows, columns=list(self._columns))[list(self._knows)]
        ask = self.regressor.predict if hasattr(self.regressor, "predict") else self.regressor
        answers = np.asarray(ask(rows))
        if answers.dtype.kind not in "fiub" or answers.size != len(X) * n_labels or len(answers) != len(X):
            raise ValueError(
                f"regressor={self.regressor!r} returned an array of shape {answers.shape} and dtype {answers.dtype} "
                f"for {len(X)} rows; the target has {n_labels} labels a row."
            )
        answers = answers.reshape(len(X), n_labels).astype(np.float64)
        if not np.isfinite(answers).all():
            raise ValueError(f"regressor={self.regressor!r} returned values that are not finite.")
        return answers


@dataclass
class Correction:
    """What known labels change in a regressor's answers, and what they leave.

    Parameters
    ----------
    kind : {"none", "offset", "slope"}
        Whether answers are shifted, or scaled and shifted.
    slope, offset : ndarray of shape (n_labels,)
        Of the answers.
    rest : regressor or None
        What is added, by the carried rows.
    left_out : ndarray of shape (n_known, n_labels)
        Errors for the known labels, each without having been told it.
    """

    kind: str
    slope: np.ndarray
    offset: np.ndarray
    rest: Any
    left_out: np.ndarray

    def __call__(self, answers: np.ndarray, carried: np.ndarray) -> np.ndarray:
        """The corrected answers."""
        corrected = answers * self.slope + self.offset
        return corrected if self.rest is None else corrected + self.rest.predict(carried).reshape(answers.shape)


def correct(answers: np.ndarray, labels: np.ndarray, carried: np.ndarray, seed: int) -> Correction:
    """The simplest correction that known labels leave standing.

    An offset, and a slope beside it, are the standard updates of a calibration ("bias and slope correction"). Each is
    made where the labels are at odds with going without it (t-test, F-test): of few labels one would soon be there by
    chance. What is left is learnt by a smooth map of the carried rows, where that clearly lowers the error of left-out
    rows.

    Parameters
    ----------
    answers, labels : ndarray of shape (n_known, n_labels)
        The regressor's answers for the carried rows whose labels are known, and these.
    carried : ndarray of shape (n_known, n_columns)
        The rows.
    seed : int
        Of the smooth map.
    """
    n, q = labels.shape
    errors = labels - answers
    found = Correction("none", np.ones(q), np.zeros(q), None, errors)
    if n >= LEAST_FOR_OFFSET:
        mean = errors.mean(axis=0)
        shifted = Correction("offset", np.ones(q), mean, None, (errors - mean) * n / (n - 1))
        if _is_real(n * np.square(mean), errors.var(axis=0, ddof=1), n - 1):
            found = shifted
        scaled = _scaled(answers, labels) if n >= LEAST_FOR_SLOPE else None
        if scaled is not None:
            before = np.square(errors - mean).sum(axis=0)
            after = np.square(labels - answers * scaled.slope - scaled.offset).sum(axis=0)
            if _is_real(before - after, after / (n - 2), n - 2):
                found = scaled
    if n < LEAST_FOR_REST:
        return found
    left = labels - answers * found.slope - found.offset
    rest = SmoothPushForward(random_state=seed).fit(carried, left)
    left_out = left - rest.oof_.reshape(labels.shape)
    gain = _ratio(np.square(found.left_out) - np.square(left_out), labels.var(axis=0))
    by_row = gain.mean(axis=1)
    if by_row.mean() > MUST_LOWER_BY * by_row.std() / np.sqrt(n):
        return Correction(found.kind, found.slope, found.offset, rest, left_out)
    return found


def _scaled(answers: np.ndarray, labels: np.ndarray) -> Correction | None:
    """Least squares of the labels on the answers; None where these are all the same."""
    centred = answers - answers.mean(axis=0)
    squares = np.square(centred).sum(axis=0)
    if not (squares > 0).all():
        return None
    slope = (centred * labels).sum(axis=0) / squares
    offset = labels.mean(axis=0) - slope * answers.mean(axis=0)
    leverage = 1 / len(labels) + np.square(centred) / squares
    left_out = (labels - slope * answers - offset) / np.maximum(1 - leverage, 1e-12)
    return Correction("slope", slope, offset, None, left_out)


def _is_real(explained: np.ndarray, variance: np.ndarray, freedom: int) -> bool:
    """Whether what one parameter explains of the squares is more than chance would, for one of the labels at least."""
    chances = stats.f.sf(_ratio(explained, variance), 1, freedom)
    return bool(len(chances) * chances.min() < CHANCE)


def _ratio(squares: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Squares (n, n_labels) or (n_labels,) in units of a variance that may be zero: large then, not infinite."""
    return squares / np.maximum(variance, np.maximum(1e-100 * np.abs(squares), np.finfo(float).tiny))


def is_clearly_larger(errors: np.ndarray, others: np.ndarray, labels: np.ndarray) -> bool:
    """Whether left-out `errors` (n_known, n_labels) are larger than `others`, by the ratio of their mean squares."""
    spread = labels.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    own, other = (np.square(each / scale).mean() for each in (errors, others))
    return bool(stats.f.sf(own / max(other, np.finfo(float).tiny), len(errors), len(errors)) < CHANCE)


def error_quantile(errors: np.ndarray, coverage: float) -> np.ndarray:
    """Half the width (n_labels,) of conformal intervals from left-out errors (n, n_labels); infinite for too few.

    The quantile of rank ``ceil((n + 1) coverage)`` (Vovk, Gammerman, Shafer, "Algorithmic learning in a random world",
    2005; Lei et al., "Distribution-free predictive inference for regression", 2018).
    """
    rank = int(np.ceil((len(errors) + 1) * coverage))
    if rank > len(errors):
        return np.full(errors.shape[1], np.inf)
    return np.sort(np.abs(errors), axis=0)[rank - 1]


def expected_errors(
    answers: np.ndarray, carried: np.ndarray, own: np.ndarray, X: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Sizes of errors (k, n_labels) that a regressor's answers for carried rows are believed to have, without labels.

    On the reference dataset errors may be too small: the regressor may have been trained on it. So a quick model g of
    the reference dataset, the better of two on left-out rows, stands between: an answer f is off by ``(f - g) + (g -
    y)``, of which the first part is seen on the carried rows and the second on left-out rows of the reference dataset.

    Parameters
    ----------
    answers : ndarray of shape (n_samples, n_labels)
        The regressor's answers for the carried rows.
    carried : ndarray of shape (n_samples, n_columns)
        These rows.
    own, y : ndarray of shape (m_samples, n_labels)
        The regressor's answers for the reference dataset, and its labels.
    X : ndarray of shape (m_samples, n_columns)
        Its rows.
    """
    levels = np.linspace(0, 1, QUANTILES)
    sizes = np.quantile(np.abs(y - own), np.linspace(0, 1, QUANTILES**2), axis=0)
    if len(X) < 2 * N_ERROR_FOLDS:
        return sizes
    linear = RidgeCV(alphas=np.geomspace(1e-6, 1e2, 9) * len(X))
    quick = [make_pipeline(StandardScaler(), model) for model in (linear, KNeighborsRegressor(min(5, len(X) // 2)))]
    left_out = [y - cross_val_predict(model, X, y, cv=N_ERROR_FOLDS).reshape(y.shape) for model in quick]
    scale = np.where(y.std(axis=0) > 0, y.std(axis=0), 1.0)
    best = int(np.argmin([np.square(errors / scale).mean() for errors in left_out]))
    apart = answers - quick[best].fit(X, y).predict(carried).reshape(answers.shape)
    both = np.quantile(apart, levels, axis=0)[:, None] + np.quantile(left_out[best], levels, axis=0)
    return np.maximum(sizes, np.sort(np.abs(both.reshape(QUANTILES**2, -1)), axis=0))
