"""Distances between labelled datasets, and scorers for model selection without truth; plain functions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_X_y
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.multiclass import check_classification_targets

from . import transport
from .functionals import OTDDFunctional, Particles
from .transport import LABEL_DISTANCES

ACCEPTED_ERROR = 1e-3
"""Marginal error (L1, relative to the mass) of a plan from which on :func:`otdd` warns."""

_DATASETS = {"X": ["array-like"], "y": ["array-like"], "X_target": ["array-like"], "y_target": ["array-like"]}
_LABEL_DISTANCE = {"label_distance": [StrOptions(set(LABEL_DISTANCES))]}
_CLASS_WEIGHT = {"class_weight": [StrOptions({"balanced"}), None]}


@validate_params(
    {
        **_DATASETS,
        **_LABEL_DISTANCE,
        **_CLASS_WEIGHT,
        "reg": [Interval(Real, 0, None, closed="left")],
        "reg_scale": [StrOptions({"relative", "absolute"})],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "correspondence": [StrOptions(set(transport.CORRESPONDENCES)), Mapping],
        "debias": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def otdd(
    X: ArrayLike,
    y: ArrayLike,
    X_target: ArrayLike,
    y_target: ArrayLike,
    *,
    reg: float = 0.0,
    reg_scale: str = "relative",
    label_weight: float = 1.0,
    label_distance: str = "gaussian",
    correspondence: str | Mapping[Any, Any] = "coupling",
    class_weight: str | None = None,
    debias: bool = False,
) -> float:
    """Optimal transport dataset distance between two labelled datasets (eq. 6), computed in float64.

    The square root of the optimal cost under ``||x - x'||^2 + label_weight W2^2(y, y')``: no one half, and zero between
    a dataset and itself, to rounding, as long as `reg` is 0 or `debias` is set.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Features.
    y, y_target : array-like of shape (n_samples,), (m_samples,)
        Labels; their names do not matter to the distance unless `correspondence` says so.
    reg : float, default=0.0
        Entropic regularisation; 0 is exact transport.
    reg_scale : {"relative", "absolute"}, default="relative"
        Whether `reg` is a fraction of the mean ground cost.
    label_weight : float, default=1.0
        Weight of the label distance; 0 compares the features alone.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        What stands for a class.
    correspondence : {"coupling", "auto", "assignment", "same"} or mapping, default="coupling"
        Restricts the plan to matched classes, see :class:`~skflow.OTDDFlowTransformer`; "coupling" does not.
    class_weight : {"balanced", None}, default=None
        Weights of the samples: the same for all, or the same mass for all classes.
    debias : bool, default=False
        Sinkhorn divergence.

    Returns
    -------
    float
        The distance, in units of the features.

    Raises
    ------
    ValueError
        For datasets of different widths, labels that are not classes, or parameters out of range.

    Warns
    -----
    ConvergenceWarning
        Where `reg` is too small for the plan to converge.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.metrics import otdd
    >>> X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    >>> round(otdd(X, y, X, y), 6)
    0.0
    >>> round(otdd(X, y, X + 1, y) ** 2, 6)  # features move by sqrt(3), and so do the classes
    6.0
    """
    source, target = _datasets(X, y, X_target, y_target, class_weight)
    functional = OTDDFunctional(
        target,
        reg=reg,
        reg_scale=reg_scale,
        label_weight=label_weight,
        label_distance=label_distance,
        label_path=False,
        correspondence=correspondence,
        class_weight=class_weight,
        debias=debias,
        marginal_tol=1e-9,
    )
    bound = functional.bind(source)
    value = bound.evaluate(source).value
    if bound.marginal_error > ACCEPTED_ERROR:
        warnings.warn(
            f"otdd did not converge at reg={reg}: {bound.marginal_error:.1%} of the mass is not where it belongs. "
            "Raise reg, or set it to 0 for exact transport.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return float(value.clamp(min=0).sqrt())


@validate_params({**_DATASETS, **_LABEL_DISTANCE}, prefer_skip_nested_validation=True)
def label_distances(
    X: ArrayLike, y: ArrayLike, X_target: ArrayLike, y_target: ArrayLike, *, label_distance: str = "gaussian"
) -> np.ndarray:
    """Squared Wasserstein distances between the classes of two datasets (section 3.3), in float64.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Features.
    y, y_target : array-like of shape (n_samples,), (m_samples,)
        Labels.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        What stands for a class. Covariances are the biased ones, divided by the number of samples.

    Returns
    -------
    ndarray of shape (n_classes, n_target_classes)
        ``W2^2``, classes in the order of ``np.unique``, in squared units of the features.

    Raises
    ------
    ValueError
        For datasets of different widths or labels that are not classes.
    """
    source, target = _datasets(X, y, X_target, y_target, None)
    reference = Particles.from_arrays(*target, dtype=torch.float64)
    return transport.label_distance_matrix(source, reference, label_distance).numpy()


@validate_params({**_DATASETS, **_LABEL_DISTANCE, **_CLASS_WEIGHT}, prefer_skip_nested_validation=True)
def class_coupling(
    X: ArrayLike,
    y: ArrayLike,
    X_target: ArrayLike,
    y_target: ArrayLike,
    *,
    label_distance: str = "gaussian",
    class_weight: str | None = None,
) -> np.ndarray:
    """Optimal coupling between the class histograms under the label distances (section 6.4).

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Features.
    y, y_target : array-like of shape (n_samples,), (m_samples,)
        Labels.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        What stands for a class.
    class_weight : {"balanced", None}, default=None
        Class histograms: frequencies, or the same mass for every class.

    Returns
    -------
    ndarray of shape (n_classes, n_target_classes)
        Mass that goes from each class to each target class; sums to one.

    Raises
    ------
    ValueError
        For datasets of different widths or labels that are not classes.
    """
    source, target = _datasets(X, y, X_target, y_target, class_weight)
    reference = Particles.from_arrays(*target, class_weight=class_weight, dtype=torch.float64)
    distances = transport.label_distance_matrix(source, reference, label_distance)
    return transport.class_coupling(distances.numpy(), source.mass.numpy(), reference.mass.numpy())


def _datasets(X, y, X_target, y_target, class_weight) -> tuple[Particles, tuple[np.ndarray, np.ndarray]]:
    X, y = check_X_y(X, y, dtype=np.float64)
    X_target, y_target = check_X_y(X_target, y_target, dtype=np.float64)
    for labels in (y, y_target):
        check_classification_targets(labels)
    if X.shape[1] != X_target.shape[1]:
        raise ValueError(f"X_target has {X_target.shape[1]} features, but X has {X.shape[1]}.")
    source = Particles.from_arrays(X, y, class_weight=class_weight, dtype=torch.float64)
    return source, (X_target, y_target)


def neg_otdd_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Minus the OTDD between the carried rows and the flow's target: larger is better, no model is asked.

    For ``GridSearchCV(scoring=...)``, where the target domain's truth is not known (section 7.3, figure 11: the
    distance is a good proxy of a frozen model's accuracy).

    Parameters
    ----------
    estimator : fitted flow, Pipeline with a flow in it, or RepurposedClassifier
        Whose flow is judged; of several flows the mean.
    X : array-like of shape (n_samples, n_features)
        Rows of the source.
    y : array-like of shape (n_samples,), default=None
        Their labels, with the flow's `unlabelled` marker where there is none; unlabelled rows are left out, and
        without any label only the features are compared.

    Returns
    -------
    float
        The score, in units of the features; entropic at a twentieth of the mean cost, and debiased.

    Raises
    ------
    ValueError
        If `estimator` holds no fitted flow that has a target.
    """
    scores = []
    for flow in _flows_in(estimator):
        labels = None if y is None else np.asarray(y)
        if labels is not None:
            known = np.isin(labels, flow.classes_)
        pair = flow.target(X, labels) if callable(flow.target) else flow.target
        moved, settings = flow.transform(X), {"reg": 0.05, "debias": True, "class_weight": "balanced"}
        if labels is None or not known.any():
            zeros = np.zeros(len(moved), dtype=int)
            settings.update(label_weight=0.0, class_weight=None)
            scores.append(-otdd(moved, zeros, pair[0], np.zeros(len(pair[0]), dtype=int), **settings))
        else:
            settings["correspondence"] = {label: flow.label_map_[label] for label in np.unique(labels[known]).tolist()}
            scores.append(-otdd(moved[known], labels[known], *pair, **settings))
    return float(np.mean(scores))


def confidence_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Mean probability of the class that a classifier gives to each row: how sure it is of the carried rows.

    Parameters
    ----------
    estimator : fitted classifier with `predict_proba`
        A flow and a frozen model in a Pipeline, or a RepurposedClassifier.
    X : array-like of shape (n_samples, n_features)
        Rows of the source.
    y : None
        Ignored.

    Returns
    -------
    float
        From ``1 / n_classes`` to 1. A model can be sure and wrong: look at :func:`agreement_scorer`, too.
    """
    return float(estimator.predict_proba(X).max(axis=1).mean())


def agreement_scorer(estimator: Any, X: ArrayLike, y: ArrayLike | None = None) -> float:
    """Share of rows that a classifier gives the class that it gives to their nearest neighbour in the source.

    Classes do not change within dense regions; where the answers to the carried rows do, the flow has torn them. The
    share is set against the one that would come by chance, so that a model that always says the same scores 0.

    Parameters
    ----------
    estimator : fitted classifier
        A flow and a frozen model in a Pipeline, or a RepurposedClassifier.
    X : array-like of shape (n_samples, n_features)
        Rows of the source, two or more.
    y : None
        Ignored.

    Returns
    -------
    float
        At most 1, about 0 by chance (Cohen's kappa).
    """
    answers = np.unique(estimator.predict(X), return_inverse=True)[1]
    neighbour = NearestNeighbors(n_neighbors=1).fit(X).kneighbors(return_distance=False)[:, 0]
    by_chance = np.sum((np.bincount(answers) / len(answers)) ** 2)
    return float((np.mean(answers == answers[neighbour]) - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _flows_in(estimator: Any) -> list:
    """The flows of a flow, a pipeline or a repurposed classifier."""
    candidates = getattr(estimator, "flows_", None) or [step for _, step in getattr(estimator, "steps", [])]
    flows = [step for step in (candidates or [estimator]) if hasattr(step, "pushforward_")]
    if not flows or any(getattr(flow, "target", None) is None for flow in flows):
        raise ValueError(f"estimator={estimator!r} holds no fitted flow with a target.")
    return flows
