"""RepurposedRegressor: a frozen regressor ahead of which the data are carried, with few labels or none."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._aligner import as_aligner
from .._inputs import FLOATS, as_numbers
from .._sklearn import HasMethods, Interval, feature_names, fit_context, validate_params
from .._target import Reference, as_given, pair_of, read_target
from .._threads import cores_for
from ._flows import target_of
from ._regression_answers import AskedRegressor, Correction, correct, error_quantile, expected_errors, is_clearly_larger

ENOUGH_TO_LEAVE = 5
"""Known labels from which on they may tell that rows are best left as they are."""


class RepurposedRegressor(RegressorMixin, BaseEstimator):
    """Predicts numbers for the source's rows by a regressor that was trained on other data.

    `fit` fits the flow, and never the regressor: rows are carried to the regressor's own domain, and it is asked about
    them there. No label is needed. Where some are known they are used three times:

    1. The alignment's map comes first, which needs none. Labels that are missing are then filled in by the regressor's
       answers for the aligned rows, and the flow moves what is left. Without any label the alignment alone carries.
    2. The known labels tell whether rows had clearly better be left as they are.
    3. They correct the answers: by an offset, by a slope, and by a smooth map of what these leave, each where the
       labels are clearly at odds with going without it.

    Parameters
    ----------
    regressor : fitted regressor, FrozenEstimator or callable
        The regressor, which stays as it is. A callable takes an array of rows and returns numbers. Where it was fitted
        on a DataFrame it is given one. Inside of anything that clones, wrap a fitted regressor in
        :class:`sklearn.frozen.FrozenEstimator`.
    flow : OTDDFlowTransformer, DomainAligner or another transformer with a target
        From the source towards (a sample of) the regressor's training data; it is cloned. For spectra by another
        instrument, ``DomainAligner(target, invariance=Spectral())``.

    Attributes
    ----------
    flow_ : transformer
        What carries rows: the fitted flow, or its alignment where no label is known.
    decision_ : {"carried", "leave"}
        Whether the regressor is asked about carried rows or about rows as they are.
    correction_ : {"none", "offset", "slope"}
        What the known labels change in the answers.
    corrects_rows_ : bool
        Whether a smooth map of the rows is added.
    n_known_ : int
        Number of known labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    RepurposedClassifier : The same for classes.

    Examples
    --------
    The regressor knows degrees Celsius, the source is measured in Fahrenheit:

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skflow import DomainAligner, Reference, RepurposedRegressor
    >>> rng = np.random.default_rng(0)
    >>> celsius = rng.gamma(3.0, 4.0, size=(400, 2))
    >>> y = celsius @ [2.0, 1.0]
    >>> model = LinearRegression().fit(celsius[:200], y[:200])
    >>> aligner = DomainAligner(Reference(celsius[:200], y[:200]), invariance="diagonal", random_state=0)
    >>> reg = RepurposedRegressor(model, aligner).fit(32 + 1.8 * celsius[200:300])
    >>> bool(model.score(32 + 1.8 * celsius[300:], y[300:]) < 0 < 0.9 < reg.score(32 + 1.8 * celsius[300:], y[300:]))
    True
    """

    _parameter_constraints: dict = {
        "regressor": [HasMethods("predict"), callable],
        "flow": [HasMethods(["fit", "transform"])],
    }

    def __init__(self, regressor: Any | Callable[[np.ndarray], ArrayLike], flow: Any) -> None:
        self.regressor = regressor
        self.flow = flow

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> RepurposedRegressor:
        """Fit the flow; the regressor stays as it is.

        A fit that fails leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        y : array-like of shape (n_samples,) or (n_samples, n_labels) or None, default=None
            Their labels, with NaN where there is none; None: no label at all.

        Returns
        -------
        self : RepurposedRegressor

        Raises
        ------
        NotFittedError
            If `regressor` is not fitted, as after cloning where it was not wrapped in a `FrozenEstimator`.
        ValueError
            For a flow without a target, labels that are no numbers, or answers of the regressor that do not fit them.
        """
        fresh = copy(self)
        fresh._fit(X, y)
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike | None) -> None:
        rows: np.ndarray = validate_data(self, X, dtype=FLOATS)
        numbers = None if y is None else as_numbers(y, len(rows), missing=True, warn=True)
        if numbers is not None and np.isnan(numbers).all():
            raise ValueError("y contains NaN alone; where no label is known, leave y=None.")
        target = self._read_target(rows, numbers)
        y_target = target.y.reshape(len(target.X), -1)
        q = y_target.shape[1]
        if numbers is not None and numbers.shape[1] != q:
            raise ValueError(f"y has {numbers.shape[1]} labels a row, but the target has {q}.")
        labels = np.full((len(rows), q), np.nan) if numbers is None else numbers
        known = ~np.isnan(labels).any(axis=1)
        self.n_known_ = int(known.sum())
        with cores_for(rows):
            seed = int(check_random_state(self._flow_seed()).randint(np.iinfo(np.int32).max))
            self.flow_ = self._carrier(X, rows, labels, known, target)
            self._n_labels = q
            self._correction, self.decision_ = self._corrected(rows, labels, known, target, seed)
            self.correction_, self.corrects_rows_ = self._correction.kind, self._correction.rest is not None
            carried = np.asarray(self.flow_.transform(rows)) if self.decision_ == "carried" else rows
            own = self._ask(target.X, q)
            self._errors = expected_errors(self._ask(carried, q), carried, own, target.X, y_target)

    def _read_target(self, X: np.ndarray, numbers: np.ndarray | None) -> Reference:
        """The flow's reference dataset, checked; sets the regressor that is to be asked."""
        target = target_of(self.flow)
        if target is None:
            raise ValueError(f"flow={self.flow!r} has no target, the data that the regressor knows.")
        names = getattr(self, "feature_names_in_", None)
        X_target, y_target = pair_of(target, X, None if numbers is None else as_given(numbers))
        if y_target is None:
            raise ValueError("The flow's target has no labels, which the regressor's answers are to be compared with.")
        columns = target.feature_names if isinstance(target, Reference) else feature_names(X_target)
        support = target.support if isinstance(target, Reference) else None
        given = Reference(X_target, y_target, columns, "continuous", support)
        checked = cast(Reference, read_target(given, X, None, names=names, same_columns=False, classes=False))
        self._ask = AskedRegressor(self.regressor, columns)
        return checked

    def _flow_seed(self) -> Any:
        return self.flow.get_params(deep=False).get("random_state") if hasattr(self.flow, "get_params") else None

    def _carrier(self, X: Any, rows: np.ndarray, labels: np.ndarray, known: np.ndarray, target: Reference) -> Any:
        """What carries rows, fitted with the labels that there are."""
        flow = clone(self.flow).set_params(target=target)
        params = flow.get_params(deep=False)
        if "alignment" not in params:  # an aligner, which needs no labels
            return flow.fit(X, as_given(labels) if known.any() else None)
        if known.all():
            return flow.fit(X, as_given(labels))
        aligned = rows
        if params["alignment"] is not None:
            rng = check_random_state(params.get("random_state"))
            aligner = as_aligner(params["alignment"], target, rng).fit(X, as_given(labels))
            if not known.any():
                return aligner
            aligned = np.asarray(aligner.transform(X))
            flow.set_params(alignment=FrozenEstimator(aligner))
        filled = np.where(known[:, None], labels, self._ask(aligned, labels.shape[1]))
        return flow.fit(X, as_given(filled))

    def _corrected(
        self, rows: np.ndarray, labels: np.ndarray, known: np.ndarray, target: Reference, seed: int
    ) -> tuple[Correction, str]:
        """The correction of the answers, and whether they are those for carried rows."""
        truth, q = labels[known], labels.shape[1]
        if not known.any():
            return Correction("none", np.ones(q), np.zeros(q), None, truth), "carried"
        carried = np.asarray(self.flow_.transform(rows[known]), dtype=np.float64)
        found = correct(self._ask(carried, q), truth, carried, seed)
        if known.sum() < ENOUGH_TO_LEAVE or rows.shape[1] != target.X.shape[1]:
            return found, "carried"
        left = correct(self._ask(rows[known], q), truth, rows[known], seed)
        leave = is_clearly_larger(found.left_out, left.left_out, truth)
        return (left, "leave") if leave else (found, "carried")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Numbers for the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        check_is_fitted(self)
        rows: np.ndarray = validate_data(self, X, reset=False, dtype=FLOATS)
        if self.decision_ == "carried":
            rows = np.asarray(self.flow_.transform(rows))
        return as_given(self._correction(self._ask(rows, self._n_labels), rows.astype(np.float64)))

    @validate_params(
        {"X": "no_validation", "coverage": [Interval(Real, 0, 1, closed="neither")]}, prefer_skip_nested_validation=True
    )
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> np.ndarray:
        """Intervals that hold the labels of a share of the rows.

        Conformal, from the errors for known labels that the correction was not told, where these are enough. Else they
        are as wide as the regressor's errors should be where the rows have been carried to its own ground: how far it
        is there from a quick model of the reference dataset, and how far that is from left-out labels of it. Errors of
        the alignment are not in these, so that they may be too narrow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        coverage : float, default=0.9
            Share of the rows.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_labels, 2)
            Lower and upper ends.
        """
        middle = self.predict(X)
        half = error_quantile(self._correction.left_out, coverage)
        if not np.isfinite(half).all():
            known = np.abs(self._correction.left_out).max(axis=0, initial=0.0)
            half = np.maximum(np.quantile(self._errors, coverage, axis=0), known)
        width = half if middle.ndim == 2 else half[0]
        return np.stack([middle - width, middle + width], axis=-1)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R² on the rows that have a label; NaN marks those that have none.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no row has a label.
        """
        answers = self.predict(X)
        labels = as_numbers(y, len(answers), missing=True)
        known = ~np.isnan(labels).any(axis=1)
        if not known.any():
            raise ValueError("y holds no label: there is nothing to score by.")
        weight = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(r2_score(labels[known], answers[known], sample_weight=weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
