"""GradualAligner: follow data that drift, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ._aligned import AlignedRows, ReturnsTargetColumns
from ._fresh_fit import fresh_fit
from ._inputs import FLOATS
from ._rowwise import transform_rows
from ._sklearn import ValidatedParameters, fit_context
from ._standard_units import Units
from ._target import Reference, Target, read_target
from .alignment import INVARIANCES, AffineMap, Invariance, Pair, alternate, schedule

MOST_STEP_ROWS = 2000
"""Rows a side that a step is fitted on; a subsample of more."""


class GradualAligner(ReturnsTargetColumns, ValidatedParameters, BaseEstimator):
    """Carries data that drift back to a reference dataset, one step of the drift after the other.

    A shift that is too large for any map to be found at once is often the end of many small ones: a sensor that ages, a
    camera that turns. Each batch is first carried by the map of the batch before it, which leaves it near the target;
    there the alternation of a transport plan and a map begins at the identity and finds what is left, and the two maps
    together are the new one. Intermediate domains make each of the problems easy (compare [1]_); and since each step is
    measured against the target itself, errors of the steps before are undone, not carried along. No label is used.

    Parameters
    ----------
    target : tuple (X, y), Reference or callable
        The reference dataset, with the source's columns; its labels are not used, and may be None.
    invariance : str or Invariance, default="orthogonal"
        The class of maps of one step: "translation", "diagonal", "orthogonal", "similarity", "affine", or an object of
        :mod:`skflow.alignment`. Maps that lose nothing, as rotations do, can be chained for long.
    random_state : int, RandomState instance or None, default=None
        Of the subsamples, where there are many rows.
    verbose : int, default=0
        Whether there is a progress bar in `transform`.

    Attributes
    ----------
    maps_ : list of AffineMap
        After each step, the map from the source to the target.
    objectives_ : list of float
        Transport cost of each step's last plan, in units of the target's total variance. One that jumps tells of a step
        that was too large.
    target_ : Reference
        The reference dataset, checked.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    DomainAligner : One map, found at once.
    DriftDetector : Whether data have drifted at all.

    References
    ----------
    .. [1] Y. He, H. Wang, B. Li, H. Zhao, "Gradual domain adaptation: theory and algorithms", JMLR 2024.

    Examples
    --------
    A camera turns by 10 degrees a week, and no picture is labelled:

    >>> import numpy as np
    >>> from scipy.ndimage import rotate
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from skflow import GradualAligner, Reference
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SVC().fit(X[:600], y[:600])
    >>> def turned(rows, degrees):
    ...     return rotate(X[rows].reshape(-1, 8, 8), degrees, axes=(1, 2), reshape=False, order=1).reshape(-1, 64)
    >>> aligner = GradualAligner(Reference(X[:600], y[:600]), random_state=0)
    >>> for week in range(1, 7):
    ...     rows = slice(600 + 120 * week, 720 + 120 * week)
    ...     aligner = aligner.partial_fit(turned(rows, 10 * week))
    >>> print(f"{model.score(turned(rows, 60), y[rows]):.1f}")
    0.2
    >>> bool(model.score(aligner.transform(turned(rows, 60)), y[rows]) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "target": [tuple, Reference, callable],
        "invariance": [str, Invariance],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        target: Target,
        *,
        invariance: str | Invariance = "orthogonal",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.target = target
        self.invariance = invariance
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: Any = None, sample_domain: ArrayLike | None = None) -> GradualAligner:
        """Follow all steps of a drift, from nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all steps.
        y : None
            Ignored.
        sample_domain : array-like of shape (n_samples,), default=None
            The step of each row, such as a week: numbers or text, whose order is that of the steps (routable metadata).
            None: a single step.

        Returns
        -------
        self : GradualAligner

        Raises
        ------
        ValueError
            For parameters out of range, or a target with other columns.
        """
        with fresh_fit(self):
            self._validate_params()
            rows = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
            steps = np.zeros(len(rows), dtype=int) if sample_domain is None else column_or_1d(sample_domain)
            check_consistent_length(rows, steps)
            for step in np.unique(steps):
                self._follow(rows[steps == step])
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: Any = None) -> GradualAligner:
        """Follow the next step of a drift.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of that step.
        y : None
            Ignored.

        Returns
        -------
        self : GradualAligner

        Raises
        ------
        ValueError
            As in :meth:`fit`.
        """
        first = not hasattr(self, "maps_")
        rows = validate_data(self, X, reset=first, dtype=FLOATS, order="C", ensure_min_samples=2)
        self._follow(rows)
        return self

    def _follow(self, rows: np.ndarray) -> None:
        if not hasattr(self, "maps_"):
            names = getattr(self, "feature_names_in_", None)
            unlabelled = np.full(len(rows), -1)  # for a callable that has a look at labels
            target = read_target(self.target, rows, unlabelled, names=names, classes=False)
            if target is None:
                raise ValueError(f"target=None: {type(self).__name__} has nothing to align with.")
            self.target_ = target
            self.maps_: list[AffineMap] = []
            self.objectives_: list[float] = []
        seed = check_random_state(self.random_state)
        Y = np.asarray(self.target_.X, dtype=np.float64)
        Y = Y[seed.permutation(len(Y))[:MOST_STEP_ROWS]]
        centre, scale = Units.of(Y, np.ones(len(Y)))
        before = self.maps_[-1] if self.maps_ else AffineMap(centre, centre)
        Z = before(rows[seed.permutation(len(rows))[:MOST_STEP_ROWS]])
        zero, gains = np.zeros(len(centre)), np.full(len(centre), scale)
        pair = Pair(
            (Z - centre) / scale,
            (Y - centre) / scale,
            np.full(len(Z), 1 / len(Z)),
            np.full(len(Y), 1 / len(Y)),
            zero=-centre / scale,
            zero_target=-centre / scale,
        )
        step = alternate(pair, self._invariance(), AffineMap(zero, zero), schedule(0.05, 0.01, 8))
        self.maps_.append(_after(before, step.map.between((1 / gains,), (gains,), centre, centre)))
        self.objectives_.append(step.objective)

    def _invariance(self) -> Invariance:
        if isinstance(self.invariance, Invariance):
            self.invariance.validate()
            return self.invariance
        if self.invariance not in INVARIANCES:
            raise ValueError(f"invariance={self.invariance!r} is not one of {list(INVARIANCES)} or an Invariance.")
        return INVARIANCES[self.invariance]()

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Carry rows of the last step to where the target's rows are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), iterator of such, or dask array
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the dtype of `X`.
        """
        check_is_fitted(self)
        rows = AlignedRows(_Transforming(self.maps_[-1]), self.target_.find_support())
        return transform_rows(self, X, rows, self._n_features_out, self.verbose)


class _Transforming:
    """An affine map with a method `transform`."""

    def __init__(self, affine: AffineMap) -> None:
        self.transform = affine


def _after(first: AffineMap, second: AffineMap) -> AffineMap:
    """The map that is `first` and then `second`, with one matrix."""
    factors = (first.matrix @ second.matrix,) if first.factors or second.factors else ()
    return AffineMap(first.center, second(first.image[None])[0], factors)
