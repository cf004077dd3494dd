"""DriftDetector: whether a batch of rows is still what the fit saw."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._sklearn import Interval, ValidatedParameters, fit_context


@dataclass(frozen=True)
class DriftTest:
    """What a batch says of a drift.

    Parameters
    ----------
    statistic : float
        Energy distance between the batch and the rows of the fit.
    p_value : float
        Probability of a distance as large where nothing has changed.
    drifted : bool
        Whether the p-value is at most the detector's `alpha`: time to fit again.
    """

    statistic: float
    p_value: float
    drifted: bool


class DriftDetector(ValidatedParameters, BaseEstimator):
    """Tells whether batches still come from where the rows of the fit came from, at a stated rate of false alarms.

    The energy distance between a batch and the rows of the fit, ``2 E|X - Y| - E|X - X'| - E|Y - Y'|``, is zero for the
    same distribution alone, whatever changed [1]_. Its p-value is by permutations of the two together, so that of
    batches from an unchanged source no more than a share `alpha` raise an alarm, whatever the distribution.

    Parameters
    ----------
    alpha : float, default=0.02
        Rate of false alarms, per batch.
    n_permutations : int, default=499
        Permutations, no more than 100,000; the least p-value is ``1 / (n_permutations + 1)``.
    max_rows : int, default=1000
        Rows of the fit, and of a batch, that are compared; a subsample of more.
    random_state : int, RandomState instance or None, default=None
        Of the permutations and the subsample.

    Attributes
    ----------
    rows_ : ndarray of shape (n_rows, n_features)
        Rows of the fit that batches are compared with.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    GradualAligner : Follows a drift.

    References
    ----------
    .. [1] G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on distances", Journal of
       Statistical Planning and Inference, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow import DriftDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = DriftDetector(random_state=0).fit(rng.normal(size=(500, 5)))
    >>> detector.test(rng.normal(size=(100, 5))).drifted
    False
    >>> detector.test(1.3 * rng.normal(size=(100, 5)) + 0.2).drifted
    True
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "n_permutations": [Interval(Integral, 1, 100_000, closed="both")],
        "max_rows": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        alpha: float = 0.02,
        n_permutations: int = 499,
        max_rows: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.n_permutations = n_permutations
        self.max_rows = max_rows
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> DriftDetector:
        """Remember the rows that later ones are compared with.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Distances are Euclidean: scale columns in different units first.
        y : None
            Ignored.

        Returns
        -------
        self : DriftDetector

        Raises
        ------
        ValueError
            For parameters out of range; with fewer permutations than ``1 / alpha`` there would never be an alarm.
        """
        if (self.n_permutations + 1) * self.alpha < 1:
            raise ValueError(
                f"n_permutations={self.n_permutations} cannot tell a p-value of alpha={self.alpha}; take "
                f"{int(np.ceil(1 / self.alpha))} or more."
            )
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        rng = check_random_state(self.random_state)
        self.rows_ = rows[np.sort(rng.permutation(len(rows))[: self.max_rows])]
        return self

    def test(self, X: ArrayLike) -> DriftTest:
        """Compare a batch with the rows of the fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The batch, of two rows or more. Several batches together tell smaller changes.

        Returns
        -------
        DriftTest
            Its `statistic`, `p_value` and whether it has `drifted`.
        """
        check_is_fitted(self)
        batch = validate_data(self, X, reset=False, dtype=np.float64, ensure_min_samples=2)
        rng = check_random_state(self.random_state)
        batch = batch[rng.permutation(len(batch))[: self.max_rows]]
        together = np.vstack([batch, self.rows_])
        unit = np.abs(together).max() or 1.0  # squares of large values must stay finite
        distances = cdist(together / unit, together / unit)
        n, total = len(batch), len(together)
        of_batch = np.zeros((total, self.n_permutations + 1))
        of_batch[:n, 0] = 1
        for column in range(1, self.n_permutations + 1):
            of_batch[rng.permutation(total)[:n], column] = 1
        values = _energy_distances(distances, of_batch, n)
        # Ties are no evidence: where all rows are alike, every permutation has the same distance.
        p_value = float(np.mean(values >= values[0] - 1e-12 * abs(values[0])))
        return DriftTest(float(max(values[0], 0.0)) * unit, p_value, p_value <= self.alpha)


def _energy_distances(distances: np.ndarray, of_batch: np.ndarray, n: int) -> np.ndarray:
    """Energy distances (k,) between the rows that each column of `of_batch` (n_rows, k) marks, `n`, and the others."""
    m = len(distances) - n
    to_batch = distances @ of_batch
    within = np.einsum("ij,ij->j", of_batch, to_batch)
    across = to_batch.sum(axis=0) - within
    others = distances.sum() - within - 2 * across
    return 2 * across / (n * m) - within / n**2 - others / m**2
