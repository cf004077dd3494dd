"""Closed-form affine maps: what the push-forward starts from when the two domains are close."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge

# Above this many features a d×d covariance costs more than the rest of the fit.
MAX_FEATURES = 2000


class AffineMap(NamedTuple):
    """The map `x @ weight + bias`; `blind` says that it was found without the labels and the pairing."""

    weight: np.ndarray
    bias: np.ndarray
    blind: bool = False

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Apply the map to the rows of `X`."""
        return X @ self.weight + self.bias


def gaussian_map(X: np.ndarray, Z: np.ndarray) -> AffineMap:
    """Optimal transport map between the Gaussians with the moments of `X` and `Z`; it does not look at the pairing."""
    from ot.gaussian import empirical_bures_wasserstein_mapping

    weight, bias = empirical_bures_wasserstein_mapping(X, Z, reg=1e-3)
    return AffineMap(weight, np.ravel(bias), blind=True)


def within_class_map(X: np.ndarray, Z: np.ndarray, labels: np.ndarray, alpha: float = 1e-3) -> AffineMap:
    """Ridge regression of `Z` on `X`, both around their class means: what the classes' movements have in common."""
    ridge = Ridge(alpha=alpha * len(X), fit_intercept=False)
    ridge.fit(X - class_means(X, labels)[labels], Z - class_means(Z, labels)[labels])
    weight = np.atleast_2d(ridge.coef_).T  # Ridge flattens what belongs to a single feature
    return AffineMap(weight, Z.mean(0) - X.mean(0) @ weight)


def class_means(R: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of the rows of `R` in each class, `(n_classes, n_features)`; zero where a class has no row."""
    sums = np.zeros((labels.max() + 1, R.shape[1]), R.dtype)
    np.add.at(sums, labels, R)
    return sums / np.maximum(np.bincount(labels), 1)[:, None]


def within_class_variance(R: np.ndarray, labels: np.ndarray) -> float:
    """Unbiased total variance of the rows of `R` around the mean of their class."""
    centred = R - class_means(R, labels)[labels]
    return float(np.square(centred).sum() / max(len(R) - len(np.unique(labels)), 1))


def base_map(X: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> AffineMap | None:
    """Choose the affine map that the net is a residual on, or None for none.

    The Gaussian transport map, where it brings `X` nearer to `Z` than the mean of `Z` is. The domains then differ by
    little more than their first two moments, and it generalises better than anything learnt from labels, since it needs
    none; between domains that are not close it takes classes for one another. A regression within the classes has to
    leave far less of what is left to learn within them (the class means are the gated head's start and come for free):
    it follows the pairs, but shrinks towards the mean where they are noisy, and the frozen model does not know
    attenuated images. It is judged on rows that it did not see.

    Parameters
    ----------
    X, Z : ndarray of shape (n_samples, n_features)
        Standardised start and final positions.
    labels : ndarray of shape (n_samples,)
        Classes, 0 to `n_classes - 1`.
    """
    n_samples, n_features = X.shape
    if n_samples < 4 or n_features > MAX_FEATURES:
        return None
    best, gaussian = None, gaussian_map(X, Z)
    if np.square(Z - gaussian(X)).sum() < np.square(Z - Z.mean(axis=0)).sum():
        best = gaussian
    left = within_class_variance(Z if best is None else Z - best(X), labels)
    by_class = np.argsort(labels, kind="stable")
    halves = by_class[::2], by_class[1::2]
    unseen = np.empty_like(Z)
    for seen, rows in (halves, halves[::-1]):
        unseen[rows] = within_class_map(X[seen], Z[seen], labels[seen])(X[rows])
    if within_class_variance(Z - unseen, labels) < 0.5 * left:
        best = within_class_map(X, Z, labels)
    return best
