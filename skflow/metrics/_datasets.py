"""The optimal transport dataset distance and its parts, as plain functions on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from .._inputs import as_numbers, holds_numbers
from .._sklearn import Interval, StrOptions, validate_params
from .._target import TARGET_TYPES
from .._warnings import warn
from ..flow import Particles
from ..functionals import OTDDFunctional
from ..transport import CORRESPONDENCES, LABEL_DISTANCES, histogram_coupling, label_distance_matrix
from ._common_units import LARGEST_REG, in_common_units, squared_length
from ._tables import read_labels, read_tables

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
        "correspondence": [StrOptions(set(CORRESPONDENCES)), Mapping],
        "debias": ["boolean"],
        "target_type": [StrOptions(set(TARGET_TYPES)), None],
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
    target_type: str | None = None,
) -> float:
    """Optimal transport dataset distance between two labelled datasets (eq. 6), computed in float64.

    The square root of the optimal cost under ``||x - x'||^2 + label_weight W2^2(y, y')``: no one half, and zero between
    a dataset and itself, to rounding, as long as `reg` is 0 or `debias` is set.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Features.
    y, y_target : array-like of shape (n_samples,), (m_samples,)
        Labels; their names do not matter to the distance unless `correspondence` says so. Continuous labels, one
        column or several, are their own point distributions: the label distance is their squared difference.
    reg : float, default=0.0
        Entropic regularisation; 0 is exact transport.
    reg_scale : {"relative", "absolute"}, default="relative"
        Whether `reg` is a fraction of the mean ground cost.
    label_weight : float, default=1.0
        Weight of the label distance; 0 compares the features alone. That of continuous labels is in units of the two
        variances, of features and of labels [1]_.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        What stands for a class.
    correspondence : {"coupling", "auto", "assignment", "same"} or mapping, default="coupling"
        Restricts the plan to matched classes, see :class:`~skflow.OTDDFlowTransformer`; "coupling" does not.
    class_weight : {"balanced", None}, default=None
        Weights of the samples: the same for all, or the same mass for all classes.
    debias : bool, default=False
        Sinkhorn divergence.
    target_type : {"classes", "continuous"} or None, default=None
        What the labels are; None asks :func:`sklearn.utils.multiclass.type_of_target`, which takes whole numbers for
        classes.

    Returns
    -------
    float
        The distance, in units of the features.

    Raises
    ------
    ValueError
        For tables with other columns, labels that are not classes, or parameters out of range.

    Warns
    -----
    ConvergenceWarning
        Where `reg` is too small for the plan to converge.

    References
    ----------
    .. [1] N. Courty et al., "Joint distribution optimal transportation for domain adaptation", NeurIPS 2017.

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
    continuous = target_type == "continuous"
    if target_type is None:
        continuous = holds_numbers(y) and holds_numbers(y_target)
    source, target, scale = _in_common_units(X, y, X_target, y_target, continuous)
    particles = Particles.from_arrays(*source, class_weight=class_weight, dtype=torch.float64)
    given, most = reg, LARGEST_REG
    if reg_scale == "absolute":  # no two points are farther apart than twice the largest norm
        farthest = 4 * max(np.square(rows).sum(axis=1).max() for rows, _ in (source, target))
        if continuous:  # nor labels farther apart than all together vary, times their number
            farthest *= len(source[0]) + len(target[0])
        reg, most = reg / scale / scale, most * farthest * (1 + label_weight)
    bound = OTDDFunctional(
        target,
        reg=float(min(reg, most)),
        reg_scale=reg_scale,
        label_weight=float(label_weight),
        label_distance=label_distance,
        label_path=False,
        correspondence=correspondence,
        class_weight=class_weight,
        debias=debias and reg > 0,  # exact transport of a dataset to itself costs nothing
        marginal_tol=1e-7,
    ).bind(particles)
    value = bound.evaluate(particles).value
    if bound.marginal_error > ACCEPTED_ERROR:
        warn(
            f"otdd did not converge at reg={given}: {bound.marginal_error:.1%} of the mass is not where it belongs; "
            "the distance is off by about that share. Raise reg, or set it to 0 for exact transport.",
            ConvergenceWarning,
        )
    return scale * float(value.clamp(min=0).sqrt())


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
        For tables with other columns, or labels that are not classes.
    """
    source, target, scale = _in_common_units(X, y, X_target, y_target)
    particles, reference = (Particles.from_arrays(*side, dtype=torch.float64) for side in (source, target))
    return squared_length(label_distance_matrix(particles, reference, label_distance).numpy(), scale)


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
        For tables with other columns, or labels that are not classes.
    """
    source, target, _ = _in_common_units(X, y, X_target, y_target)
    particles, reference = (
        Particles.from_arrays(*side, class_weight=class_weight, dtype=torch.float64) for side in (source, target)
    )
    distances = label_distance_matrix(particles, reference, label_distance).numpy()
    # The network simplex has absolute tolerances. A number for each row and each column changes no optimum.
    distances = distances - distances.min(axis=1, keepdims=True)
    distances = distances - distances.min(axis=0, keepdims=True)
    unit = distances.max() or 1.0
    return histogram_coupling(distances / unit, particles.mass.numpy(), reference.mass.numpy())


Dataset = tuple[np.ndarray, np.ndarray]


def _in_common_units(
    X: ArrayLike, y: ArrayLike, X_target: ArrayLike, y_target: ArrayLike, continuous: bool = False
) -> tuple[Dataset, Dataset, float]:
    """Both datasets, checked, centred and in units of what is returned beside them."""
    X, X_target = read_tables(X, X_target)
    if continuous:
        labels, labels_target = as_numbers(y, len(X)), as_numbers(y_target, len(X_target), "y_target")
    else:
        labels = read_labels(y, len(X), "y", "X")
        labels_target = read_labels(y_target, len(X_target), "y_target", "X_target")
    X, X_target, scale = in_common_units(X, X_target)
    return (X, labels), (X_target, labels_target), scale
