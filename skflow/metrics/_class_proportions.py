"""Proportions of classes among rows without labels."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from .._proportions import PRIOR_SHARE, estimate_proportions
from .._sklearn import Interval, validate_params
from ._tables import read_positive


@validate_params(
    {
        "posterior": ["array-like"],
        "prior": ["array-like"],
        "sample_weight": ["array-like", None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def class_proportions(
    posterior: ArrayLike, prior: ArrayLike, *, sample_weight: ArrayLike | None = None, max_iter: int = 100
) -> np.ndarray:
    """Proportions of classes among rows that a classifier trained under other proportions has judged, by EM [1]_.

    Parameters
    ----------
    posterior : array-like of shape (n_samples, n_classes)
        The classifier's probabilities for the rows.
    prior : array-like of shape (n_classes,)
        Class proportions that it was trained under.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    max_iter : int, default=100
        Iterations at most.

    Returns
    -------
    ndarray of shape (n_classes,)
        The proportions, which sum to one; they are drawn a little to the prior, and none is below a fiftieth of it.

    Raises
    ------
    ValueError
        For probabilities that are negative or do not sum to one, or a `prior` of another length.

    References
    ----------
    .. [1] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
       Probabilities: A Simple Procedure", Neural Computation, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.metrics import class_proportions
    >>> class_proportions(np.eye(2)[[0, 0, 0, 1]], [0.5, 0.5])
    array([0.745, 0.255])
    """
    answers: np.ndarray = check_array(posterior, dtype=np.float64, input_name="posterior")
    shares = read_positive(prior, answers.shape[1], "prior", "classes, the columns of posterior,")
    weights = read_positive(sample_weight, len(answers), "sample_weight", "posterior")
    if answers.min() < 0 or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "posterior must hold probabilities, rows of zero or more that sum to one; got values from "
            f"{answers.min():.3g} to {answers.max():.3g} and sums from {answers.sum(axis=1).min():.3g} to "
            f"{answers.sum(axis=1).max():.3g}."
        )
    if shares.min() == 0:
        raise ValueError(f"prior must be positive for every class; got {shares.tolist()}.")
    return estimate_proportions(answers, shares, weights, prior_share=PRIOR_SHARE, max_iter=max_iter)
