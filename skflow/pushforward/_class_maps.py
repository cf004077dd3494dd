"""Class-wise affine maps in closed form: a shift and a low-rank ridge regression for each class."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

STRENGTHS = np.concatenate([10.0 ** np.arange(-10, -5, 2), 10.0 ** np.arange(-5, 1.1, 0.5)])
"""Of the ridge, in units of the total variance of the rows times their number."""


@dataclass(frozen=True)
class ClassMaps:
    """Where class `k` goes: `shifts[k] + (x - means[k]) @ into[:, k's] @ out[k's]`.

    Attributes
    ----------
    means : ndarray of shape (n_classes, n_features)
    shifts : ndarray of shape (n_classes, n_outputs)
    into : ndarray of shape (n_features, n_directions)
    out : ndarray of shape (n_directions, n_outputs)
    owners : ndarray of shape (n_directions,)
        The class of each direction.
    left_out : ndarray of shape (n_samples, n_outputs)
        Where each row goes by the map of its own class, fitted without it.
    """

    means: np.ndarray
    shifts: np.ndarray
    into: np.ndarray
    out: np.ndarray
    owners: np.ndarray
    left_out: np.ndarray = field(repr=False)

    def __call__(self, X: np.ndarray, gate: np.ndarray) -> np.ndarray:
        """Mean of the classes' maps, each with its probability: `gate` is (n_samples, n_classes)."""
        into, out, shifts = (a.astype(X.dtype, copy=False) for a in (self.into, self.out, self.shifts))
        offsets = np.einsum("rd,dr->r", self.means[self.owners], self.into).astype(X.dtype)
        return gate @ shifts + (gate[:, self.owners] * (X @ into - offsets)) @ out

    def left_out_mean(self, X: np.ndarray, labels: np.ndarray, gate: np.ndarray) -> np.ndarray:
        """:meth:`__call__` for the training rows, each without what it taught the map of its own class."""
        rows, own = np.arange(len(X)), np.zeros_like(gate)
        own[rows, labels] = gate[rows, labels]
        return self(X, gate - own) + own.sum(axis=1, keepdims=True) * self.left_out

    def without_training(self) -> ClassMaps:
        """What prediction needs."""
        return replace(self, left_out=np.empty((0, self.out.shape[1])))


def class_means(R: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of the rows of `R` in each class, `(n_classes, n_features)`; zero where a class has no row."""
    weights = np.ones(len(R)) if weights is None else weights
    sums = np.zeros((labels.max() + 1, R.shape[1]))
    np.add.at(sums, labels, weights[:, None] * R)
    return sums / np.maximum(np.bincount(labels, weights), np.finfo(float).tiny)[:, None]


def within_class_variance(R: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Unbiased total variance of the rows of `R` around the mean of their class; NaN where each class is one row."""
    left = weights @ np.square(R - class_means(R, labels, weights)[labels]).sum(axis=1)
    spare = weights.sum() - len(np.unique(labels))
    return float(left / spare) if spare > 1e-9 else float("nan")


def fit_class_maps(
    X: np.ndarray, Y: np.ndarray, labels: np.ndarray, weights: np.ndarray, rank: int | None
) -> ClassMaps:
    """Fit a map to each class, with the regularisation and the rank that predict its left-out rows best.

    Parameters
    ----------
    X, Y : ndarray of shape (n_samples, n_features) and (n_samples, n_outputs)
        Standardised rows and what is to be learnt of them.
    rank : int or None
        At most so many directions for a class.
    """
    means, shifts = class_means(X, labels, weights), _shrunk_shifts(Y, labels, weights)
    left_out, into, out, owners = np.empty_like(Y), [], [], []
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    for k, rows in enumerate(by_class):
        first, second, left_out[rows] = _ridge(X[rows] - means[k], Y[rows] - shifts[k], weights[rows], rank)
        left_out[rows] += shifts[k]
        into.append(first)
        out.append(second)
        owners.append(np.full(len(second), k))
    return ClassMaps(means, shifts, np.concatenate(into, 1), np.concatenate(out), np.concatenate(owners), left_out)


def _shrunk_shifts(Y: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Class means of `Y`, those of few rows drawn towards the mean of all (James-Stein, by the moments).

    A class of one row would otherwise go where that row went.
    """
    means, counts = class_means(Y, labels, weights), np.bincount(labels, weights)
    overall = np.average(Y, axis=0, weights=weights)
    within = within_class_variance(Y, labels, weights)
    if len(counts) == 1 or np.isnan(within):
        return np.broadcast_to(overall, means.shape).copy()
    spread = np.average(np.square(means - overall).sum(axis=1), weights=counts)
    between = max(spread - within * (len(counts) - 1) / counts.sum(), 0.0)
    share = between / np.maximum(between + within / counts, np.finfo(float).tiny)
    return overall + share[:, None] * (means - overall)


def _ridge(
    X: np.ndarray, Y: np.ndarray, weights: np.ndarray, rank: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reduced-rank ridge regression of `Y` on centred `X`: two factors, and the predictions of the left-out rows.

    With X = U S V', the fit is U diag(s²/(s² + λ)) U'Y; a row left out is predicted by its residual over one minus its
    leverage (Allen's PRESS). Directions of `Y` are the principal ones of the fit (Izenman, 1975), as many as lower
    the error of the left-out rows.
    """
    root = np.sqrt(weights)[:, None]
    U, s = _left_singular(root * X)
    intercept = weights / weights.sum()
    # What the intercept alone says of a row that it did not see: the mean of the others.
    alone = np.maximum(1 - intercept, 1e-9)[:, None]
    base = np.where(alone > 1e-6, Y - Y / alone, 0.0)
    UY, squares, best = U.T @ (root * Y), np.square(U), (np.inf, 0.0, base)
    for strength in STRENGTHS * np.square(s).sum() if len(s) else []:
        shrink = s**2 / (s**2 + strength)
        leverage = squares @ shrink + intercept
        residual = (Y - (U @ (shrink[:, None] * UY)) / root) / np.maximum(1 - leverage, 1e-9)[:, None]
        error = float(weights @ np.square(residual).sum(axis=1))
        if error < best[0]:
            best = (error, strength, Y - residual)
    _, strength, left_out = best
    if len(s) == 0 or best[0] >= weights @ np.square(Y - base).sum(axis=1):
        return np.zeros((X.shape[1], 0)), np.zeros((0, Y.shape[1])), base
    directions = np.linalg.svd((s**2 / (s**2 + strength))[:, None] * UY, full_matrices=False)[2]
    before, after = (root * (Y - base)) @ directions.T, (root * (Y - left_out)) @ directions.T
    gains = np.cumsum(np.square(before).sum(axis=0) - np.square(after).sum(axis=0))
    n_kept = min(int(gains.argmax()) + 1 if gains.max() > 0 else 0, len(gains) if rank is None else rank)
    kept = directions[:n_kept]
    into = (root * X).T @ (U @ ((UY @ kept.T) / (s**2 + strength)[:, None]))
    return into, kept, base + ((left_out - base) @ kept.T) @ kept


def _left_singular(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors and singular values of `X`, from the smaller of its two Gram matrices."""
    wide = X.shape[0] <= X.shape[1]
    values, vectors = torch.linalg.eigh(torch.as_tensor(X @ X.T if wide else X.T @ X))
    s = np.sqrt(np.maximum(values.numpy(), 0.0))
    kept = s > 1e-7 * s.max(initial=0.0)
    U = vectors.numpy()[:, kept] if wide else X @ (vectors.numpy()[:, kept] / s[kept])
    return U, s[kept]
