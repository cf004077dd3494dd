"""OTDDFlowTransformer: flow a labelled dataset towards the reference dataset of a frozen model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import with_callbacks
from sklearn.utils import Tags

from ._flow import BaseFlow
from ._fresh_fit import fresh_fit
from ._lossy_alignment import drop_lossy_alignment, try_alignment
from ._sklearn import fit_context
from ._target import Reference
from ._unfinished import UnfinishedFit


class OTDDFlowTransformer(BaseFlow):
    """Moves a labelled dataset towards a reference dataset by the gradient flow of their OTDD.

    `fit` lets the training samples flow along the negative gradient of the squared optimal transport dataset distance
    (section 4, algorithm 1) and learns that movement as a map; `transform` applies the map to unseen, unlabelled
    samples. Ahead of a classifier that was trained on the reference dataset and stays frozen, it brings the data to
    the model.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None, default=None
        The reference dataset. A callable ``(X, y) -> (X_target, y_target)`` is given
        the training data. With None the target is passed to `fit`. A tuple is copied by :func:`sklearn.base.clone`, a
        :class:`Reference` is not. Distances are Euclidean: where columns differ by orders of magnitude, scale them
        first (a scaler ahead of the flow, and the target scaled by it too).
    alignment : "auto", str, Invariance, DomainAligner or None, default="auto"
        The global map that comes first, and carries what it explains of the shift: "auto" or a name is the `invariance`
        of a :class:`DomainAligner`, which may also be passed itself. The flow moves what is left, in the target's
        columns, which may be others than the source's. None leaves it all to the flow.
    reg : float, default=0.05
        Entropic regularisation, the paper's lambda (section 3.2), as a fraction of the mean ground cost between source
        and target at the start. 0 is exact transport. Small values follow single samples of the target, large ones its
        class means.
    label_weight : float, default=1.0
        Weight of the label distance in the ground cost ``||x - x'||^2 + label_weight W2^2(y, y')`` (section 3.3).
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        What stands for a class: a Gaussian with full or diagonal covariance, its mean, or its samples (section 6.1).
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping, default="auto"
        Which target class each source class goes to. "coupling": the paper's soft one, from the plan. "assignment":
        the class-to-class assignment that minimises the label distances. "same": the class of the same name. A mapping
        ``{source label: target label}``. "auto": "same" where every source label is a target label, else "assignment"
        where the target has enough classes, else "coupling".
    class_weight : {"balanced", "estimated", None}, default="balanced"
        "balanced" gives all classes the same mass, None all samples the same weight. With "estimated" source samples
        have the same weight, and each class of the target the share that the source has of it.
    mass : "auto" or float in (0, 1], default="auto"
        Share of the source's samples that belong to the target and flow; the others are left where the alignment takes
        them. "auto" lets the data tell, where an alignment was found: samples far from all of the target's, and classes
        without a counterpart, are left alone. 1.0 takes all.
    solver : str or a solver, default="auto"
        Algorithm that solves the transport problem: "auto", "dense", "tiled", "hierarchical", "sharded", "geomloss",
        "fused", "exact", or a configured one, of :mod:`skflow.transport`. "dense" holds
        the plan; "tiled" makes it tile by tile, in memory that grows with the number of samples, not its square;
        "hierarchical" finds a nearly optimal one block by block, in nearly linear time. "auto" is "dense" where its
        matrix takes no more than half of the free memory, else "tiled"; without regularisation it is "exact", POT in
        float64. Beyond 16,384 samples a side (8,192 without regularisation, 65,536 on a GPU), and sqrt(K) times as many
        where K classes of like sizes are matched, it is "hierarchical". "sharded" is "tiled" with the rows shared out
        over the processes of :mod:`torch.distributed`, each of which fits the same flow to the same data. "geomloss"
        and "fused" are geomloss on KeOps and flash-sinkhorn on a GPU, where installed.
    batch_size : int or None, default=None
        Mini-batches: at every step source and target are split at random into stratified batches of that many samples,
        and plans go from batch to batch. Faster by as many times as there are batches, for a plan that is blurred.
    dynamics : {"fd", "jd-fl", "jd-vl"} or Dynamics, default="fd"
        What moves (section 6.1). "fd": the features; a class's distribution is that of its moved samples (algorithm 1).
        "jd-fl": also the classes' means and covariances, by gradients of their own (algorithm 2). "jd-vl": every
        particle moves with a label distribution of its own, and clusters of these become the classes, which so may
        merge, split and vanish (algorithm 3); `correspondence` must be "auto" or "coupling", which are then the same.
        Configured: :class:`~skflow.flow.JointFixedLabels`, :class:`~skflow.flow.JointVariableLabels`.
    optimizer : {"sgd", "momentum", "adam", "auto"} or Optimizer, default="sgd"
        "sgd" is explicit Euler (eq. 16). "auto" comes to the same end in fewer steps: it knows a bound on the
        objective's curvature, goes to the minimum that this implies, and accelerates. Such a flow is a way to the
        end, not a curve in time.
    step_size : float, default=0.1
        ``x += step_size * velocity`` with the velocity ``-(1/a_i) dF/dx_i``, in every optimizer but "auto", which
        has no use for it here.
    max_iter : int, default=200
        Largest number of steps.
    tol : float, default=1e-3
        The flow has converged when the objective has fallen by less than this fraction for a few steps, 5 unless the
        optimizer is configured otherwise. 0 takes all of `max_iter` steps.
    max_particles : int or None, default=None
        Size of a stratified subsample that flows; the push-forward carries the rest.
    pushforward : regressor or None, default=None
        Learns ``x_0 -> x_T`` from the particles (section 7.2). None is
        :class:`~skflow.pushforward.TabularPushForward`; for images pass
        ``ImagePushForward(image_shape=(height, width))``. Any regressor with `fit` and `predict` on several outputs
        will do; labels are passed to those whose `fit` has a parameter `labels`.
    fit_inverse_transform : bool, default=False
        Whether a map back is learnt too, for :meth:`inverse_transform`.
    safeguard : bool, "labels", "divergence" or fitted classifier, default=True
        Whether held-out rows decide how much of the map is used: rows may be left as they are, aligned, or aligned and
        moved by a share of the flow. The simplest choice that is as good as the best is taken. A classifier, in a
        :class:`~sklearn.frozen.FrozenEstimator`, is the model that the rows are for: its answers are compared with the
        labels. True and "labels" take quick models of the target instead. With "divergence" the Sinkhorn divergence
        from the target decides, which no wrong label can mislead: the simplest candidate that is as near as two parts
        of the target are to one another. True takes it, too, where few of the labels are known. Without any, an
        alignment in all columns whose verdict is "not found" moves nothing, unless the way back speaks for it: models
        that learn from answers about aligned rows make far fewer errors on the target.
    keep_trajectory : int, default=0
        Number of frames kept in `trajectory_`, the first and the last included.
    device : str or torch.device, default="auto"
        Where the flow runs; "auto" is a CUDA device where there is one.
    random_state : int, RandomState instance or None, default=None
        Determines the subsample and the push-forward. The flow itself is deterministic without noise.
    verbose : int, default=0
        Whether to print the objective now and then.

    Attributes
    ----------
    particles_ : ndarray of shape (n_particles, n_features)
        Final features of the particles, in the target's columns, in the order of the training samples.
    particle_labels_ : ndarray of shape (n_particles,)
        Their labels, in the source's own names; in "jd-vl" those at the end, where new classes have new names.
    particle_indices_ : ndarray of shape (n_particles,)
        The training samples that they are.
    trajectory_ : ndarray of shape (keep_trajectory, n_particles, n_features)
        Frames, evenly spread over the flow.
    objective_ : ndarray of shape (n_iter + 1,)
        Squared OTDD (regularised) at the start and after each step.
    n_iter_ : int
        Number of steps.
    label_distances_ : ndarray of shape (n_classes, n_target_classes)
        Squared label distances between the flowed classes and the target's.
    coupling_ : ndarray of shape (n_classes, n_target_classes)
        Mass that the final plan moves between classes.
    label_map_ : dict
        Target label that each source label goes to (most of its mass, where the coupling is soft).
    classes_, target_classes_ : ndarray
        Labels of source (in "jd-vl" at the end of the flow) and target.
    class_proportions_ : list of ClassShare
        For each class its `label`, its share of the `source` and of the `target`, and the `standard_error` of the
        former; ``pandas.DataFrame(flow.class_proportions_)`` is a table of it.
    row_mass_ : ndarray of shape (n_samples,)
        Mass of each training sample that the target has a place for: 1, or 0 where it is left alone.
    unmatched_rows_ : ndarray of bool of shape (n_samples,)
        The training samples that are left alone.
    unmatched_classes_ : dict
        Labels of the classes without a counterpart, lists under "source" and "target".
    aligner_ : DomainAligner or None
        The fitted alignment; None where there is none, or where the safeguard dropped one that loses content.
    pushforward_ : regressor
        The map learnt from the aligned rows to where they end.
    decision_ : Decision or None
        What the safeguard chose, its table of candidates, and one sentence that says why.
    inverse_pushforward_ : regressor
        The map back, with `fit_inverse_transform`.
    target_ : Reference
        The reference dataset, checked.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    Reference : A target that clones share.
    skflow.metrics.otdd : The distance itself.

    References
    ----------
    .. [1] D. Alvarez-Melis, N. Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> from skflow import OTDDFlowTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> X_ref, y_ref, X_src, y_src = X[:800], y[:800], 16 - X[800:], y[800:]
    >>> model = SVC().fit(X_ref, y_ref)
    >>> print(f"{model.score(X_src[500:], y_src[500:]):.1f}")
    0.1
    >>> flow = OTDDFlowTransformer(target=(X_ref, y_ref), random_state=0)
    >>> pipe = make_pipeline(flow, FrozenEstimator(model)).fit(X_src[:500], y_src[:500])
    >>> print(f"{pipe.score(X_src[500:], y_src[500:]):.1f}")
    1.0
    """

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> OTDDFlowTransformer:
        """Flow the samples towards the target and learn the movement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source domain.
        y : array-like of shape (n_samples,)
            Their labels, of any kind; -1 is a label like any other.
        X_target, y_target : array-like of shape (m_samples, n_features), (m_samples,), default=None
            The target, where the constructor was given none (routable metadata). A search cuts metadata as long as `X`
            to its training folds: there, pass the constructor a :class:`Reference`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples (routable metadata), which share out the mass of a class under
            ``class_weight="balanced"``. A weight of zero leaves a sample out, a weight of two counts it twice.

        Returns
        -------
        self : OTDDFlowTransformer

        Raises
        ------
        ValueError
            For parameters out of range, a missing target, one of another width or with other columns than `X`, labels
            that are not classes, or a `correspondence` that does not fit the labels.
        """
        with fresh_fit(self):
            rows, labels, weight = self._read_source(X, y, y_target, sample_weight)
            target = self._read_target(rows, labels, X_target, y_target, weight)
            if target is None:
                raise ValueError(
                    f"target=None: {type(self).__name__} has nothing to flow towards. Pass target=(X, y), or X_target "
                    "and y_target to fit."
                )
            distance = self._distance_to(target)
            self._fit_flow(rows, labels, distance, target, weight, distance)
        return self

    def _check_alignment(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None, target: Reference
    ) -> None:
        try_alignment(self, X, y, sample_weight, target)

    def _check_fit(self, fit: UnfinishedFit) -> None:
        drop_lossy_alignment(self, fit.X, fit.y, fit.sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
