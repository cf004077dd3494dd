"""Closed-form affine maps: what the push-forward starts from when the two domains are close."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge

# Above this many features a d×d covariance costs more than the rest of the fit.
MAX_FEATURES = 2000


class AffineMap(NamedTuple):
    """The map `x @ weight + bias`."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Apply the map to the rows of `X`."""
        return X @ self.weight + self.bias


def gaussian_map(X: np.ndarray, Z: np.ndarray) -> AffineMap:
    """Optimal transport map between the Gaussians with the moments of `X` and `Z`; it does not look at the pairing."""
    from ot.gaussian import empirical_bures_wasserstein_mapping

    weight, bias = empirical_bures_wasserstein_mapping(X, Z, reg=1e-3)
    return AffineMap(weight, np.ravel(bias))


def least_squares_map(X: np.ndarray, Z: np.ndarray, alpha: float = 1e-3) -> AffineMap:
    """Ridge regression of `Z` on `X`."""
    ridge = Ridge(alpha=alpha * len(X)).fit(X, Z)
    return AffineMap(ridge.coef_.T, ridge.intercept_)


def within_class_variance(R: np.ndarray, labels: np.ndarray) -> float:
    """Unbiased total variance of the rows of `R` around the mean of their class."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), R.shape[1]))
    np.add.at(means, inverse, R)
    centred = R - (means / counts[:, None])[inverse]
    return float((centred**2).sum() / max(len(R) - len(counts), 1))


def base_map(X: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> AffineMap | None:
    """Choose the affine map that the net is a residual on, or None for none.

    The measure is what is left to learn within the classes: the class means are the gated head's start and come for
    free. A Gaussian transport map that leaves less than no map at all says that the domains differ by little more than
    their first two moments, and then it generalises better than anything learnt from labels, since it needs none. A
    least-squares map follows the pairs, but shrinks towards the mean where they are noisy, and an attenuated image is
    out of distribution for the frozen model; so it has to be far better. It is judged on rows that it did not see.

    Parameters
    ----------
    X, Z : ndarray of shape (n_samples, n_features)
        Standardised start and final positions.
    labels : ndarray of shape (n_samples,)
    """
    n_samples, n_features = X.shape
    if n_samples < 4 or n_features > MAX_FEATURES:
        return None
    best, left = None, within_class_variance(Z, labels)
    gaussian = gaussian_map(X, Z)
    if (left_by_gaussian := within_class_variance(Z - gaussian(X), labels)) < left:
        best, left = gaussian, left_by_gaussian
    even, odd = slice(None, None, 2), slice(1, None, 2)
    unseen = np.empty_like(Z)
    unseen[even] = least_squares_map(X[odd], Z[odd])(X[even])
    unseen[odd] = least_squares_map(X[even], Z[even])(X[odd])
    if within_class_variance(Z - unseen, labels) < 0.5 * left:
        best = least_squares_map(X, Z)
    return best
