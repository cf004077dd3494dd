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
from sklearn.utils import check_X_y
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.multiclass import check_classification_targets

from . import transport
from ._scorers import agreement_scorer, confidence_scorer, neg_otdd_scorer
from .flow import Particles
from .functionals import OTDDFunctional
from .transport import LABEL_DISTANCES

ACCEPTED_ERROR = 1e-3
"""Marginal error (L1, relative to the mass) of a plan from which on :func:`otdd` warns."""

__all__ = [
    "agreement_scorer",
    "class_coupling",
    "confidence_scorer",
    "label_distances",
    "neg_otdd_scorer",
    "otdd",
]

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
    return transport.histogram_coupling(distances.numpy(), source.mass.numpy(), reference.mass.numpy())


def _datasets(X, y, X_target, y_target, class_weight) -> tuple[Particles, tuple[np.ndarray, np.ndarray]]:
    X, y = check_X_y(X, y, dtype=np.float64)
    X_target, y_target = check_X_y(X_target, y_target, dtype=np.float64)
    for labels in (y, y_target):
        check_classification_targets(labels)
    if X.shape[1] != X_target.shape[1]:
        raise ValueError(f"X_target has {X_target.shape[1]} features, but X has {X.shape[1]}.")
    source = Particles.from_arrays(X, y, class_weight=class_weight, dtype=torch.float64)
    return source, (X_target, y_target)
