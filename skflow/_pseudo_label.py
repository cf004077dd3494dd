"""PseudoLabelFlow: find the labels that are missing, then flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._aligned import is_narrow
from ._aligner import as_aligner
from ._fresh_fit import fitted_attributes, fresh_fit
from ._inputs import FLOATS, check_confidence, read_weights
from ._matching import estimate_classes
from ._otdd_flow import OTDDFlowTransformer
from ._safeguarding import guard_guessed
from ._sklearn import HasMethods, ValidatedParameters, fit_context, safe_indexing
from ._target import Reference, Target, read_target
from ._threads import cores_for
from ._trusting import TrustsItsFlow
from .labelling import complete_labels, merge_labels, split_labels

LEAST_WEIGHT = 1e-2
"""Weight of a row of which nothing is known: particles need some."""


class PseudoLabelFlow(TrustsItsFlow, ValidatedParameters, CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Moves a dataset with few labels or none towards a reference: finds the labels, then has a flow.

    Rows without a label get pseudo-labels first (section 6.3). Where some labels are known, they stay and spread over
    the neighbour graph. Where none is, the target's classes and the rows' own clusters tell. Particles weigh as much
    within their class as their label can be trusted.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None, default=None
        The reference dataset, see :class:`OTDDFlowTransformer`; a callable is given `y` with -1 where it is not known.
        None: that of `flow`, or passed to `fit`.
    clusterer : clusterer or None, default=None
        Makes classes of unlabelled rows: any scikit-learn clusterer. Rows that it leaves out as noise (-1) take the
        cluster of their neighbours. None: the target's classes and the rows' clusters tell. Not used where some labels
        are known.
    flow : flow or None, default=None
        The flow from the labels that have been found: it is cloned, and its parameters are searched as ``flow__reg``.
        None is ``OTDDFlowTransformer()``. Where no label is known, ``correspondence="auto"`` is the matching of
        clusters with classes.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`, beside None and NaN. With None all else is a label; so is -1 beside only 1.
    random_state : int, RandomState instance or None, default=None
        Of the clusters, and of the flow where that has none.
    verbose : int, default=0
        Whether the flow prints its objective now and then, unless its own `verbose` says so.

    Attributes
    ----------
    pseudo_labels_ : ndarray of shape (n_samples,)
        Label of each training row with weight: known or inferred; of a `clusterer`, clusters counted from 0.
    confidence_ : ndarray of shape (n_samples,)
        Trust in them, from 0 to 1; 1 for known labels. The lead of the first choice over the second.
    clusterer_ : clusterer or None
        The fitted clusterer, where it was used.
    stability_ : float or None
        Without labels: share of the rows whose half alone gives the same class; below 0.9 there is a warning.
    flow_ : flow
        The fitted flow.
    particles_, coupling_, label_map_, classes_, target_classes_ and all others of the flow
        As in :class:`OTDDFlowTransformer`; `class_proportions_` are estimated where labels are missing.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    OTDDFlowTransformer : Where all labels are known.
    RepurposedClassifier : Takes what the frozen model says of the rows as evidence, too.

    References
    ----------
    .. [1] D. Alvarez-Melis, N. Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021, sections
       6.3 and 7.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skflow import PseudoLabelFlow
    >>> X, y = load_digits(return_X_y=True)
    >>> X_ref, y_ref, X_src, y_src = X[:800], y[:800], 16 - X[800:1300], y[800:1300].copy()
    >>> few = y_src.copy()
    >>> few[50:] = -1
    >>> flow = PseudoLabelFlow(target=(X_ref, y_ref), random_state=0).fit(X_src, few)
    >>> print(f"{(flow.pseudo_labels_ == y_src)[50:].mean():.1f}")
    1.0
    >>> flow.transform(X_src).shape
    (500, 64)
    """

    _parameter_constraints: dict = {
        "target": [tuple, Reference, callable, None],
        "clusterer": [HasMethods("fit_predict"), None],
        "flow": [HasMethods(["fit", "transform", "set_params"]), None],
        "unlabelled": "no_validation",
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        target: Target | None = None,
        clusterer: Any = None,
        *,
        flow: Any = None,
        unlabelled: Any = -1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.target = target
        self.clusterer = clusterer
        self.flow = flow
        self.unlabelled = unlabelled
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        confidence: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> PseudoLabelFlow:
        """Find the missing labels, flow the samples towards the target and learn the movement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source domain.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled`, None or NaN where there is none. None: no label at all.
        X_target, y_target : array-like of shape (m_samples, n_features), (m_samples,), default=None
            The target, where the constructor was given none (routable metadata).
        confidence : array-like of shape (n_samples,), default=None
            Trust in the labels in `y`, from 0 to 1, where it is not full.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, see :meth:`OTDDFlowTransformer.fit`.

        Returns
        -------
        self : PseudoLabelFlow

        Raises
        ------
        ValueError
            For parameters out of range, a missing target, one of another width, labels that are no classes, or a
            clusterer that finds no cluster.
        """
        with fresh_fit(self):
            rows = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
            with cores_for(rows):
                y = np.full(len(rows), -1) if y is None else y
                flow = OTDDFlowTransformer() if self.flow is None else clone(self.flow)
                weight = read_weights(sample_weight, rows)
                target = self._read_target(flow, rows, y, X_target, y_target, weight)
                labels, known = split_labels(y, self.unlabelled, target_classes=np.unique(target.y))
                if len(known) != len(rows):
                    raise ValueError(f"y has {len(known)} labels for n_samples={len(rows)} rows of X.")
                if weight is not None and not weight.all():  # rows without weight are as if absent
                    present = weight > 0
                    X, rows, weight = safe_indexing(X, present), rows[present], weight[present]
                    labels, known = labels[present[known]], known[present]
                rng = check_random_state(self.random_state)
                seed = int(rng.randint(2**31 - 1))
                aligned, near = rows, None  # where classes are found, and where neighbours are
                if flow.get_params(deep=False).get("alignment") is not None:
                    weighted = {} if weight is None else {"sample_weight": weight}
                    aligner = as_aligner(flow.alignment, target, rng).fit(rows, merge_labels(labels, known), **weighted)
                    aligned = np.asarray(aligner.transform(rows))
                    near = rows if is_narrow(aligner) else None
                    flow.set_params(alignment=FrozenEstimator(aligner))
                about = {"target": tuple(target), "own": near, "clusterer": self.clusterer, "random_state": seed}
                found = complete_labels(aligned, labels, known, **about)
                self.confidence_ = found.confidence * check_confidence(confidence, len(rows))
                self.pseudo_labels_, self.clusterer_, self.stability_ = found.labels, found.clusterer, found.stability
                params = flow.get_params(deep=False)
                if found.names is not None and params.get("correspondence") == "auto":
                    flow.set_params(correspondence=found.names)
                safeguard = False if known.all() else params.get("safeguard", False)
                own = {"random_state": params.get("random_state"), "verbose": params.get("verbose") or self.verbose}
                own["random_state"] = seed if own["random_state"] is None else own["random_state"]
                own["safeguard"] = params.get("safeguard") if known.all() else False  # it would believe guessed labels
                flow.set_params(target=target, **{name: value for name, value in own.items() if name in params})
                context = self._init_callback_context(max_subtasks=1)
                context.call_on_fit_task_begin(estimator=self, X=rows, y=found.labels)
                weights = self._weights(weight)
                with context.subcontext(task_name="flow").propagate_callback_context(flow):
                    flow.fit(X, self.pseudo_labels_, **({} if weights is None else {"sample_weight": weights}))
                self.flow_, flow._known_ = flow, known
                if safeguard is not False:
                    guard_guessed(flow, rows, self.pseudo_labels_, weights, (known, found.found), safeguard, rng)
                self.__dict__.update(fitted_attributes(flow))
                if not known.all() and hasattr(self, "class_proportions_"):
                    estimate_classes(self, rows, aligned)
                context.call_on_fit_task_end(estimator=self, X=rows, y=found.labels, reconstruction_attributes={})
        return self

    def transform(self, X: ArrayLike | Iterator[ArrayLike], t: float = 1.0) -> np.ndarray | Iterator[np.ndarray]:
        """Carry samples of the source domain along the learnt movement, see :meth:`OTDDFlowTransformer.transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), iterator of such, or dask array
            Samples, seen in `fit` or not; no labels are needed.
        t : float, default=1.0
            How far along.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.flow_.transform(X, t)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Carry rows from where the target's are back, see :meth:`OTDDFlowTransformer.inverse_transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Rows in the target's columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.flow_.inverse_transform(X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of shape (n_features,) or None, default=None
            Names of the source's columns; those seen in `fit` by default.

        Returns
        -------
        ndarray of shape (n_columns,)
        """
        check_is_fitted(self)
        return self.flow_.get_feature_names_out(input_features)

    def _read_target(
        self,
        flow: Any,
        X: np.ndarray,
        y: ArrayLike,
        X_target: ArrayLike | None,
        y_target: ArrayLike | None,
        weight: np.ndarray | None,
    ) -> Reference:
        own = flow.get_params(deep=False).get("target")
        if self.target is not None and own is not None:
            raise ValueError(f"A target was given twice: target={self.target!r}, and to flow={self.flow!r}.")
        wanted, marked = own if self.target is None else self.target, np.asarray(y)
        if marked.shape[:1] != (len(X),):
            raise ValueError(f"y must have one label for each of the {len(X)} rows of X, got the shape {marked.shape}.")
        target = read_target(
            wanted,
            X,
            marked,
            X_target,
            y_target,
            names=getattr(self, "feature_names_in_", None),
            same_columns=flow.get_params(deep=False).get("alignment") is None,
            sample_weight=weight,
        )
        if target is None:
            raise ValueError(f"target=None: {type(self).__name__} has nothing to flow towards. Pass target=(X, y).")
        return target

    def _weights(self, weight: np.ndarray | None) -> np.ndarray | None:
        """Weights of the particles; None where all are the same."""
        if weight is None and (self.confidence_ == 1).all():
            return None
        return (1.0 if weight is None else weight) * np.maximum(self.confidence_, LEAST_WEIGHT)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
