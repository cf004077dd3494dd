"""How far two tables are apart as clouds of points, the target's class proportions left open."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from .._sklearn import Interval, StrOptions, validate_params
from .._warnings import warn
from ._class_proportions import class_proportions
from ._common_units import LARGEST_REG, in_common_units, squared_length
from ._sinkhorn import self_transport_cost, transport_cost
from ._tables import read_labels, read_positive, read_tables

MARGINAL_TOL = 1e-3
"""Accepted marginal error of a plan, L1; that of the divergence is of the order of its square."""

TOO_MUCH = 20 * MARGINAL_TOL
"""Marginal error from which on :func:`divergence` warns."""


@validate_params(
    {
        "X": ["array-like"],
        "X_target": ["array-like"],
        "y_target": ["array-like", None],
        "class_weight": [StrOptions({"estimated"}), None],
        "posterior": ["array-like", None],
        "sample_weight": ["array-like", None],
        "target_weight": ["array-like", None],
        "reg": [Interval(Real, 0, None, closed="neither")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def divergence(
    X: ArrayLike,
    X_target: ArrayLike,
    y_target: ArrayLike | None = None,
    *,
    class_weight: str | None = None,
    posterior: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    target_weight: ArrayLike | None = None,
    reg: float = 0.05,
    n_components: int | None = 30,
) -> float:
    """Debiased Sinkhorn divergence between two tables, in float64; no label of `X` is needed [1]_.

    ``S(X, X') = T(X, X') - T(X, X) / 2 - T(X', X') / 2``, T being the optimal value of transport under squared
    distances with an entropic term. It is zero where the tables are the same cloud of points, and positive elsewhere.

    Parameters
    ----------
    X, X_target : array-like of shape (n_samples, n_features), (m_samples, n_features)
        Features.
    y_target : array-like of shape (m_samples,), default=None
        Classes of the target's rows; needed with ``class_weight="estimated"``.
    class_weight : {"estimated", None}, default=None
        "estimated": the target's classes are given the proportions that they seem to have in `X`, by
        :func:`class_proportions`. A mere change of class frequencies is then not taken for a movement.
    posterior : array-like of shape (n_samples, n_target_classes), default=None
        Probabilities of the target's classes, in sorted order, for the rows of `X`, by a classifier of the target;
        these the proportions are estimated from. None: by a logistic regression in the principal axes.
    sample_weight, target_weight : array-like of shape (n_samples,), (m_samples,), default=None
        Weights of the rows.
    reg : float, default=0.05
        Entropic regularisation, as a fraction of the target's mean squared distance between two rows, so that it is
        the same for all tables that are compared with one target.
    n_components : int or None, default=30
        Principal axes of the target to compare the tables in, where these have more columns; how far a row is off
        these axes is kept as one more coordinate. None: all columns.

    Returns
    -------
    float
        The divergence, in squared units of the features.

    Raises
    ------
    ValueError
        For tables with other columns, or labels, probabilities or weights that do not fit their rows.

    Warns
    -----
    ConvergenceWarning
        Where `reg` is too small for the plan to converge.

    References
    ----------
    .. [1] J. Feydy et al., "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences", AISTATS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.metrics import divergence
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> abs(round(divergence(X, X), 6))
    0.0
    >>> round(divergence(X + 1, X), 2)  # a shift by sqrt(3)
    3.0
    """
    X, X_target = read_tables(X, X_target)
    weights = read_positive(sample_weight, len(X), "sample_weight", "X")
    target_weights = read_positive(target_weight, len(X_target), "target_weight", "X_target")
    X, X_target, scale = in_common_units(X, X_target)
    project = into_principal_axes(X_target, target_weights, n_components)
    X, X_target = project(X), project(X_target)
    if class_weight == "estimated":
        if y_target is None:
            raise ValueError("class_weight='estimated' needs y_target, the classes of X_target; got None.")
        labels = read_labels(y_target, len(X_target), "y_target", "X_target")
        target_weights = _reweighted(X, X_target, labels, posterior, weights, target_weights)
    elif posterior is not None:
        raise ValueError(f"posterior is for class_weight='estimated' alone; got class_weight={class_weight!r}.")
    value, error = _divergence(X, X_target, weights, target_weights, reg)
    if error > TOO_MUCH:
        warn(
            f"divergence did not converge at reg={reg}: {error:.1%} of the mass is not where it belongs, and the value "
            "may be too low. Raise reg.",
            ConvergenceWarning,
        )
    return squared_length(value, scale)


def _divergence(
    X: np.ndarray, X_target: np.ndarray, weights: np.ndarray, target_weights: np.ndarray, reg: float
) -> tuple[float, float]:
    """The divergence, and the largest marginal error of its three plans."""

    def points(rows: np.ndarray, weights: np.ndarray) -> tuple[Tensor, Tensor]:
        present = weights > 0
        return torch.from_numpy(rows[present]), torch.from_numpy(weights[present])

    (x, a), (y, b) = points(X, weights), points(X_target, target_weights)
    eps = min(reg, LARGEST_REG) * (2 * _variance(X_target, np.full(len(X_target), 1 / len(X_target))) or 1.0)
    parts = (
        transport_cost(x, y, a, b, eps, MARGINAL_TOL),
        self_transport_cost(x, a, eps, MARGINAL_TOL),
        self_transport_cost(y, b, eps, MARGINAL_TOL),
    )
    (between, *own), errors = zip(*parts, strict=True)
    return max(between - sum(own) / 2, 0.0), max(errors)


def _variance(X: np.ndarray, weights: np.ndarray) -> float:
    """Total variance: half the mean squared distance between two rows."""
    return float(weights @ np.square(X - weights @ X).sum(axis=1))


def into_principal_axes(
    X_target: np.ndarray, weights: np.ndarray, n_components: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """What puts rows into the target's first principal axes, and how far each is off them into a last coordinate.

    No two rows are farther apart than they were. Where there are no more columns than that, rows stay as they are.
    """
    d = X_target.shape[1]
    if n_components is None or d <= n_components:
        return lambda rows: rows
    origin = weights @ X_target
    X_target = X_target - origin
    if len(X_target) < d:
        axes = linalg.svd(X_target * np.sqrt(weights)[:, None], full_matrices=False)[2][:n_components].T
    else:
        axes = linalg.eigh((X_target.T * weights) @ X_target, subset_by_index=[d - n_components, d - 1])[1]

    def project(rows: np.ndarray) -> np.ndarray:
        centred = rows - origin
        inside = centred @ axes
        off = np.sqrt(np.square(centred - inside @ axes.T).sum(axis=1))
        return np.column_stack([inside, off])

    return project


def _reweighted(
    X: np.ndarray,
    X_target: np.ndarray,
    labels: np.ndarray,
    posterior: ArrayLike | None,
    weights: np.ndarray,
    target_weights: np.ndarray,
) -> np.ndarray:
    """The target's weights, under the class proportions estimated for `X`."""
    classes, codes = np.unique(labels, return_inverse=True)
    prior = np.bincount(codes, target_weights)
    if prior.min() == 0:
        raise ValueError(f"target_weight leaves nothing of the class {classes[prior.argmin()]!r}.")
    if posterior is None:
        if len(classes) == 1:
            return target_weights
        model = LogisticRegression(max_iter=200, tol=1e-3).fit(
            X_target, codes, sample_weight=target_weights * len(codes)
        )
        posterior = model.predict_proba(X)
    elif np.shape(posterior) != (len(X), len(classes)):
        raise ValueError(
            f"posterior must have the shape ({len(X)}, {len(classes)}), a row for each of X and a column for each "
            f"class of y_target; got {np.shape(posterior)}."
        )
    proportions = class_proportions(posterior, prior, sample_weight=weights)
    return target_weights * (proportions / prior)[codes]
