"""DomainAligner: one global map from the source to the target, found with labels or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._aligned import AlignedRows, ReturnsTargetColumns, class_codes, inverse_rows
from ._fresh_fit import fresh_fit
from ._inputs import FLOATS, length_of, read_weights
from ._remembered import Remembered
from ._rowwise import transform_rows
from ._sklearn import Interval, ValidatedParameters, fit_context, has_callbacks
from ._target import Reference, Target, as_given, is_continuous, read_target
from ._threads import one_thread
from .alignment import INVARIANCES, Alignment, Invariance, align, named_invariance
from .safeguard import rows_apart

ALIGN = Remembered(align, max_bytes=2**26)
"""In a search over parameters of a flow, the alignment is the same for all of them."""


class DomainAligner(ReturnsTargetColumns, ValidatedParameters, CallbackSupportMixin, BaseEstimator):
    """Carries a dataset to a reference dataset by one global map, so that everything in a row survives.

    Many shifts are one map for all rows: another camera angle, polarity, gain, unit, projection, order of the columns.
    Such a map is found together with a transport plan, in turns, from several starts [1]_. It needs no labels; where
    there are some, they restrict the plan. Source and target may have different columns, and different numbers of
    them. Held-out rows choose the class of maps, the simplest of those that are as good. The few rows that lie apart
    from all others, farther than any of the target's do, have no part in the search.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None, default=None
        The reference dataset. Its labels may be of another kind than the source's, continuous, or None; class labels
        help to tell a change of class frequencies from a movement. With None the target is passed to `fit`.
    invariance : str, Invariance or sequence of these, default="auto"
        The class of maps: "identity", "translation", "diagonal" (units), "similarity", "orthogonal", "permutation" (of
        columns), "monomial" (of columns that have other units, too), "affine", "gaussian", or an object of
        :mod:`skflow.alignment`. Held-out rows choose among several;
        "auto" is all that make sense for the columns. For spectra, :class:`~skflow.alignment.Spectral`.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`, beside None and NaN.
    max_starts : int, default=64
        Most starts that are tried before the search gives up.
    random_state : int, RandomState instance or None, default=None
        Of the subsamples and of the halves that are held out.
    verbose : int, default=0
        Whether there is a progress bar in `transform`.

    Attributes
    ----------
    alignment_ : Alignment
        The map, and how it was found: its class, start and objective, the divergence of held-out rows and its floor,
        whether another map fits as well, a verdict ("aligned", "identity" or "not found"), and all candidates.
    target_ : Reference
        The reference dataset, checked.
    n_features_in_ : int
        Number of the source's features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the source's features, where `X` has them.

    See Also
    --------
    OTDDFlowTransformer : Aligns, and moves what is left class by class.

    References
    ----------
    .. [1] D. Alvarez-Melis, S. Jegelka, T. Jaakkola, "Towards optimal transport with global invariances", AISTATS 2019.

    Examples
    --------
    Inverted images find their way back without a label:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from skflow import DomainAligner
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SVC().fit(X[:700], y[:700])
    >>> aligner = DomainAligner((X[:700], y[:700]), random_state=0).fit(16 - X[700:1400])
    >>> aligner.alignment_.verdict
    'aligned'
    >>> bool(model.score(aligner.transform(16 - X[1400:]), y[1400:]) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "target": [tuple, Reference, callable, None],
        "invariance": [str, Invariance, list, tuple],
        "unlabelled": "no_validation",
        "max_starts": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        target: Target | None = None,
        *,
        invariance: str | Invariance | Sequence[str | Invariance] = "auto",
        unlabelled: Any = -1,
        max_starts: int = 64,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.target = target
        self.invariance = invariance
        self.unlabelled = unlabelled
        self.max_starts = max_starts
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> DomainAligner:
        """Find the map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled`, None or NaN where there is none. Labels that the target has too say which
            rows belong together; others, and continuous ones, say nothing.
        X_target, y_target : array-like of shape (m_samples, m_features), (m_samples,), default=None
            The target, where the constructor was given none (routable metadata).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows (routable metadata).

        Returns
        -------
        self : DomainAligner

        Raises
        ------
        ValueError
            For parameters out of range, a missing target, or a class of maps that needs the same columns on both
            sides where they differ.
        """
        with fresh_fit(self):
            rows = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
            if y is not None and length_of(y, "y") != len(rows):
                raise ValueError(f"y has {length_of(y, 'y')} labels for the {len(rows)} rows of X.")
            weight = read_weights(sample_weight, rows)
            continuous = is_continuous(self.target, y, y_target)
            labels = None if y is None else np.asarray(y)
            target = read_target(
                self.target,
                rows,
                labels if labels is None or continuous else as_given(labels),
                X_target,
                y_target,
                names=getattr(self, "feature_names_in_", None),
                same_columns=False,
                classes=False,
                sample_weight=weight,
            )
            if target is None:
                raise ValueError(
                    f"target=None: {type(self).__name__} has nothing to align with. Pass target=(X, y), or X_target "
                    "and y_target to fit."
                )
            if len(target.X) < 2:
                raise ValueError("target: X has 1 row; an alignment needs two or more, and a flow has alignment=None.")
            context = self._init_callback_context(max_subtasks=None)
            context.call_on_fit_task_begin(estimator=self, X=rows, y=y)

            def monitor(step: int, objective: float) -> bool:
                task = context.subcontext(task_name="alignment step")
                task.call_on_fit_task_begin(estimator=self, X=rows, y=y)
                return bool(task.call_on_fit_task_end(estimator=self, X=rows, y=y))

            codes, codes_target = None, None
            if not continuous and not target.is_continuous:
                codes, codes_target = class_codes(y, target.y, self.unlabelled)
            ours = type(self.invariance) in (str, *INVARIANCES.values())
            remembered = ours and not has_callbacks(self)
            self.alignment_: Alignment = (ALIGN if remembered else partial(align, monitor=monitor))(
                rows,
                target.X,
                y=codes,
                y_target=codes_target,
                invariance=self.invariance,
                sample_weight=_without_rows_apart(rows, target.X, codes, weight),
                max_starts=self.max_starts,
                seed=int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
            )
            self.target_, self._n_rows = target, len(rows)
            context.call_on_fit_task_end(estimator=self, X=rows, y=y, reconstruction_attributes={})
        return self

    def transform(self, X: ArrayLike | Iterator[ArrayLike]) -> np.ndarray | Iterator[np.ndarray]:
        """Carry rows of the source to where the target's rows are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), iterator of such, or dask array
            Rows of the source.

        Returns
        -------
        ndarray of shape (n_samples, m_features)
            In the target's columns, in the dtype of `X`.
        """
        check_is_fitted(self)
        return transform_rows(
            self, X, AlignedRows(self.alignment_, self.target_.find_support()), self._n_features_out, self.verbose
        )

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Carry rows in the target's columns back to where the source's rows are.

        Parameters
        ----------
        X : array-like of shape (n_samples, m_features)
            Rows in the target's columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Exact where the map can be undone; else the least-squares solution.
        """
        check_is_fitted(self)
        return inverse_rows(X, self.alignment_)


@one_thread()
def _without_rows_apart(
    rows: np.ndarray, X_target: np.ndarray, codes: np.ndarray | None, weight: np.ndarray | None
) -> np.ndarray | None:
    """Weights of the rows, 0 for the few that lie apart from all others; a class that does is kept."""
    present = np.ones(len(rows), dtype=bool) if weight is None else weight > 0
    apart = np.zeros(len(rows), dtype=bool)
    apart[present] = rows_apart(rows[present], X_target)
    for code in np.unique(codes[apart & (codes >= 0)]) if codes is not None else ():
        of_class = (codes == code) & present
        apart[of_class] &= apart[of_class].mean() <= 1 / 2
    return np.where(apart, 0.0, 1.0 if weight is None else weight) if apart.any() else weight


def as_aligner(alignment: Any, target: Reference, rng: np.random.RandomState) -> Any:
    """The unfitted aligner that a flow's parameter stands for, with the flow's target.

    Parameters
    ----------
    alignment : str, Invariance or aligner
        Classes of maps, or an aligner, which is cloned.
    target : Reference
        The flow's.
    rng : RandomState
        Seeds an aligner that has no random state.

    Raises
    ------
    ValueError
        For an aligner with a target of its own.
    """
    if isinstance(alignment, str | Invariance):
        if alignment != "auto":
            named_invariance(alignment, "alignment")
        aligner = DomainAligner(invariance=alignment)
    else:
        aligner = clone(alignment)
        if isinstance(aligner, FrozenEstimator):
            return aligner
        if getattr(aligner, "target", None) is not None:
            raise ValueError(
                f"alignment={alignment!r} has a target of its own; the flow gives it its own: leave it None."
            )
    known = aligner.get_params(deep=False)
    free = Reference(target.X, target.y, target.feature_names, target.target_type)  # the flow goes on from there
    own = {"target": free, "random_state": int(rng.randint(np.iinfo(np.int32).max)), "unlabelled": None}
    own = {name: value for name, value in own.items() if name in known}
    if known.get("random_state") is not None:
        del own["random_state"]
    aligner.set_params(**own)
    return aligner.set_output(transform="default") if hasattr(aligner, "set_output") else aligner
