"""PseudoLabelFlow: flow a dataset whose labels are few or missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import _fit_context, clone
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ._target import Reference
from .base import FLOATS, TARGET_CONSTRAINTS, BaseFlow
from .flow import Particles
from .functionals._distance import BoundOTDD
from .labelling import (
    NeighbourGraph,
    SpectralMixture,
    align,
    balance,
    class_prior,
    confidence_of,
    is_unlabelled,
)

LEAST_CONFIDENCE = 1e-2
"""Weight of a row of which nothing is known beside that of one with a label: particles need some."""


class PseudoLabelFlow(BaseFlow):
    """Moves a dataset with few labels or none towards a reference dataset, by the flow of their OTDD.

    The OTDD needs labels, so the rows without one get pseudo-labels first (section 6.3). Where some labels are known,
    they stay and spread over the neighbour graph. Where none is, the rows are clustered, and the clusters are the
    classes; they are matched with the target's by optimal transport between classes. Particles weigh as much within
    their class as their label can be trusted. From there on it is :class:`OTDDFlowTransformer`.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None, default=None
        The reference dataset, see :class:`OTDDFlowTransformer`. A callable is given `y` as passed to `fit`.
    clusterer : clusterer or None, default=None
        Makes classes of unlabelled rows: any scikit-learn clusterer. Rows that it leaves out as noise (-1) take the
        cluster of their neighbours. None is :class:`~skflow.labelling.SpectralMixture` with as many clusters as the
        target has classes. Not used where some labels are known.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`; with None all labels are labels, and so is -1 where 1 is the only other.
        Text labels have no marker unless it is text, too, or `y` has dtype object.
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping, default="auto"
        Which target class each source class goes to, see :class:`OTDDFlowTransformer`. For clusters "auto" is the
        optimal assignment under the label distances, or, where there are more clusters than target classes, the class
        that most of a cluster's mass goes to; a mapping names the clusters.
    reg, reg_scale, label_weight, label_distance, debias, solver, batch_size
        Of the OTDD to the target, see :class:`OTDDFlowTransformer`.
    dynamics : {"fd", "jd-fl"}, default="fd"
        What moves, see :class:`OTDDFlowTransformer`.
    covariance, class_weight, optimizer, step_size, max_iter, tol, n_iter_no_change, max_particles
        Of the flow, see :class:`OTDDFlowTransformer`.
    pushforward, keep_trajectory, device, random_state, verbose
        As in :class:`OTDDFlowTransformer`; `random_state` also determines the default clusterer.

    Attributes
    ----------
    pseudo_labels_ : ndarray of shape (n_samples,)
        Label of each training row: the known one where it has one, else what has been inferred; clusters, counted
        from 0, where nothing is known.
    confidence_ : ndarray of shape (n_samples,)
        Trust in them, from 0 to 1; 1 for known labels. It is the lead of the first choice over the second.
    clusterer_ : clusterer or None
        The fitted clusterer, where it was used.
    label_map_ : dict
        Target label that each source label, or cluster, goes to.
    particles_, particle_labels_, particle_indices_, trajectory_, objective_, n_iter_, label_distances_, coupling_
        As in :class:`OTDDFlowTransformer`.
    classes_, target_classes_, pushforward_, n_features_in_, feature_names_in_
        As in :class:`OTDDFlowTransformer`.

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
        **{name: rule for name, rule in BaseFlow._parameter_constraints.items() if name != "recluster_every"},
        **TARGET_CONSTRAINTS,
        "dynamics": [StrOptions({"fd", "jd-fl"})],
        "clusterer": [HasMethods("fit_predict"), None],
        "unlabelled": "no_validation",
    }

    def __init__(
        self,
        target: tuple[ArrayLike, ArrayLike] | Reference | Callable[..., tuple] | None = None,
        clusterer: Any = None,
        *,
        unlabelled: Any = -1,
        correspondence: str | Mapping[Any, Any] = "auto",
        reg: float = 0.05,
        reg_scale: str = "relative",
        label_weight: float = 1.0,
        label_distance: str = "gaussian",
        dynamics: str = "fd",
        covariance: str | int = "auto",
        class_weight: str | None = "balanced",
        debias: bool = False,
        solver: str = "auto",
        batch_size: int | None = None,
        optimizer: str = "sgd",
        step_size: float = 0.1,
        max_iter: int = 200,
        tol: float = 1e-3,
        n_iter_no_change: int = 5,
        max_particles: int | None = None,
        pushforward: Any = None,
        keep_trajectory: int = 0,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.target = target
        self.clusterer = clusterer
        self.unlabelled = unlabelled
        self.correspondence = correspondence
        self.reg = reg
        self.reg_scale = reg_scale
        self.label_weight = label_weight
        self.label_distance = label_distance
        self.dynamics = dynamics
        self.covariance = covariance
        self.class_weight = class_weight
        self.debias = debias
        self.solver = solver
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.step_size = step_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.max_particles = max_particles
        self.pushforward = pushforward
        self.keep_trajectory = keep_trajectory
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        confidence: ArrayLike | None = None,
    ) -> PseudoLabelFlow:
        """Find the missing labels, flow the samples towards the target and learn the movement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source domain.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled` where there is none. None: no label at all.
        X_target, y_target : array-like of shape (m_samples, n_features), (m_samples,), default=None
            The target, where the constructor was given none (routable metadata).
        confidence : array-like of shape (n_samples,), default=None
            Trust in the labels in `y`, from 0 to 1, where it is not full.

        Returns
        -------
        self : PseudoLabelFlow

        Raises
        ------
        ValueError
            For parameters out of range, a missing target, one of another width or with other columns than `X`, labels
            that are not classes, a clusterer that finds no cluster, or a `correspondence` that does not fit.
        """
        if y is None:
            X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
            y, missing = np.full(len(X), -1), np.ones(len(X), dtype=bool)
        else:
            X, y = validate_data(self, X, y, dtype=FLOATS)
            missing = is_unlabelled(y, self.unlabelled)
            if not missing.all():
                check_classification_targets(y[~missing].tolist() if y.dtype.kind == "O" else y[~missing])
        pair = self._require_target(X, y, X_target, y_target)
        distance, self.clusterer_ = self._distance_to(pair), None
        if missing.all():
            self._cluster(X, pair)
            if self.correspondence == "auto":
                distance.set_params(correspondence=align(X, self.pseudo_labels_, *pair, self.label_distance))
        else:
            self._complete(X, y, missing)
        if confidence is not None:
            self.confidence_ = self.confidence_ * self._check_confidence(confidence, len(X))
        weights = None if (self.confidence_ == 1).all() else np.maximum(self.confidence_, LEAST_CONFIDENCE)
        self._fit_flow(X, self.pseudo_labels_, distance, weights)
        return self

    def _cluster(self, X: np.ndarray, target: tuple[np.ndarray, np.ndarray]) -> None:
        """Clusters for labels; those whom the clusterer leaves out as noise follow their neighbours."""
        if self.clusterer is None:
            n_clusters = min(len(np.unique(target[1])), len(X))
            self.clusterer_ = SpectralMixture(n_clusters, random_state=check_random_state(self.random_state))
        else:
            self.clusterer_ = clone(self.clusterer)
        found = np.asarray(self.clusterer_.fit_predict(X))
        if (found < 0).all():
            raise ValueError(f"clusterer={self.clusterer!r} found no cluster: all {len(X)} rows are noise.")
        # A cluster's own rows may be amid those of another: half from the neighbours, half from the clusterer.
        self._spread(X, found, found < 0, keep=0.5)

    def _complete(self, X: np.ndarray, y: np.ndarray, missing: np.ndarray) -> None:
        """Known labels stay, the others come from the neighbour graph."""
        if missing.any():
            self._spread(X, y, missing, keep=1.0)
        else:
            self.pseudo_labels_, self.confidence_ = y, np.ones(len(y))

    def _spread(self, X: np.ndarray, labels: np.ndarray, missing: np.ndarray, keep: float) -> None:
        """Set `pseudo_labels_` and `confidence_`; `keep` is the least confidence of the given labels."""
        classes, codes = np.unique(labels[~missing], return_inverse=True)
        evidence = np.zeros((len(X), len(classes)))
        evidence[np.flatnonzero(~missing), codes] = 1
        graph = NeighbourGraph(X.astype(np.float64))
        if keep == 1:
            beliefs = graph.spread(evidence)
            shares = evidence.sum(axis=0) / evidence.sum()
            beliefs = balance(beliefs, class_prior(graph, beliefs, shares))
        else:
            beliefs = graph.spread(evidence, alpha=0.5)
        self.pseudo_labels_, self.confidence_ = classes[beliefs.argmax(axis=1)], confidence_of(beliefs)
        own = beliefs[~missing, codes] / beliefs[~missing].max(axis=1)
        self.pseudo_labels_[~missing] = labels[~missing]
        self.confidence_[~missing] = np.maximum(keep, np.minimum(own, self.confidence_[~missing]))

    def _check_confidence(self, confidence: ArrayLike, n_samples: int) -> np.ndarray:
        confidence = np.asarray(confidence, dtype=float)
        if confidence.shape != (n_samples,):
            raise ValueError(f"confidence must have shape ({n_samples},), one per row of X; got {confidence.shape}.")
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError(f"confidence must lie between 0 and 1; got {confidence.min()} to {confidence.max()}.")
        return confidence

    def _describe(self, bound: BoundOTDD, particles: Particles) -> None:
        self._describe_target(bound, particles)
