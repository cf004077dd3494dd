"""Class-wise affine maps in closed form: a shift and a low-rank ridge regression for each class."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

STRENGTHS = np.concatenate([10.0 ** np.arange(-10, -5, 2), 10.0 ** np.arange(-5, 1.1, 0.5)])
"""Of the ridge, in units of the total variance of the rows times their number."""

ONE_POINT = 1e-10
"""Extent of a class, in standardised rows, up to which it is one point, and what is left is rounding."""

# Where a row is replaced, what the regression says wrongly of it has nothing of the row itself to stand against, and a
# frozen classifier is misled. So the leading directions need not explain all, and further ones nearly that.
N_LEADING, LEADING, CERTAIN = 2, 0.6, 0.99
"""Leading directions, and the shares of variance in left-out rows that these and the others must explain."""

N_FOLDS = 5


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
    X: np.ndarray,
    Y: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    rank: int | None,
    replaces: bool,
    device: torch.device,
) -> ClassMaps:
    """Fit a map to each class, with the regularisation and the rank that predict its left-out rows best.

    Parameters
    ----------
    X, Y : ndarray of shape (n_samples, n_features) and (n_samples, n_outputs)
        Standardised rows and what is to be learnt of them.
    rank : int or None
        At most so many directions for a class.
    replaces : bool
        Whether the maps say where rows are, and not how far they move.
    """
    means, shifts = class_means(X, labels, weights), class_means(Y, labels, weights)
    left_out, into, out, owners = np.empty_like(Y), [], [], []
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    for k, rows in enumerate(by_class):
        x, y, w = (torch.as_tensor(R, device=device) for R in (X[rows] - means[k], Y[rows] - shifts[k], weights[rows]))
        found = _in_own_span(x, y, w, rank, replaces)
        first, second, third = (tensor.cpu().numpy() for tensor in found)
        left_out[rows] = shifts[k] + third
        into.append(first)
        out.append(second)
        owners.append(np.full(len(second), k))
    shrunk = _shrunk(shifts, Y - left_out, labels, weights)
    left_out += (shrunk - shifts)[labels]
    return ClassMaps(means, shrunk, np.concatenate(into, 1), np.concatenate(out), np.concatenate(owners), left_out)


def _shrunk(means: np.ndarray, errors: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Class means, those that are uncertain drawn towards the mean of all (James-Stein, by the moments).

    A class of few rows would otherwise go where those rows went.

    Parameters
    ----------
    errors : ndarray of shape (n_samples, n_outputs)
        Of the left-out rows, by the map of their class: what is noise in its rows, and so in its mean.
    """
    counts, overall = np.bincount(labels, weights), np.average(means[labels], axis=0, weights=weights)
    several = (np.bincount(labels) > 1)[labels]  # a row that is a class of its own has no error
    if len(means) == 1 or not several.any():
        return np.broadcast_to(overall, means.shape).copy()
    noise = np.average(np.square(errors[several]).sum(axis=1), weights=weights[several])
    spread = np.average(np.square(means - overall).sum(axis=1), weights=counts)
    between = max(spread - noise * (len(counts) - 1) / counts.sum(), 0.0)
    uncertain = noise / counts
    share = between / np.where(uncertain > 0, between + uncertain, 1.0)
    return overall + np.where(uncertain > 0, share, 1.0)[:, None] * (means - overall)


def _in_own_span(
    X: Tensor, Y: Tensor, weights: Tensor, rank: int | None, replaces: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`_ridge` of few rows in the coordinates of their span, where it is the same and has fewer columns."""
    wide = len(X) < min(X.shape[1], Y.shape[1])
    if not wide:
        return _ridge(X, Y, weights, rank, replaces)
    (axes, rows), (axes_out, goals) = (torch.linalg.qr(Z.T) for Z in (X, Y))
    into, out, left_out = _ridge(rows.T.contiguous(), goals.T.contiguous(), weights, rank, replaces)
    return axes @ into, out @ axes_out.T, left_out @ axes_out.T


def _ridge(X: Tensor, Y: Tensor, weights: Tensor, rank: int | None, replaces: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Reduced-rank ridge regression of `Y` on centred `X`: two factors, and predictions without each row.

    With X = U S V', the fit is U diag(s²/(s² + λ)) U'Y; a row left out is predicted by its residual over one minus its
    leverage (Allen's PRESS). Directions of `Y` are the principal ones of the fit (Izenman, 1975), those that
    lower the error of left-out rows.
    """
    root = weights.sqrt()[:, None]
    U, s = _left_singular(root * X)
    intercept = weights / weights.sum()
    # What the intercept alone says of a row that it did not see: the mean of the others.
    alone = (1 - intercept)[:, None]
    base = torch.where(alone > 1e-6, Y - Y / alone.clamp(min=1e-6), torch.zeros_like(Y))
    least, strength, left_out = _squared(root * (Y - base)), None, base
    moment, squares = U.T @ (root * Y), U.square()
    for candidate in (STRENGTHS * float(s.square().sum())).tolist() if len(s) else []:
        shrink = s**2 / (s**2 + candidate)
        leverage = squares @ shrink + intercept
        residual = (Y - (U @ (shrink[:, None] * moment)) / root) / (1 - leverage).clamp(min=1e-9)[:, None]
        error = _squared(root * residual)
        if error < least:
            least, strength, left_out = error, candidate, Y - residual
    if strength is None:
        return X.new_zeros(X.shape[1], 0), X.new_zeros(0, Y.shape[1]), base
    directions = _directions(s, moment, strength)
    before, after = (root * (Y - base)) @ directions.T, (root * (Y - left_out)) @ directions.T
    explained = 1 - after.square().sum(0) / before.square().sum(0).clamp(min=torch.finfo(X.dtype).tiny)
    needed = torch.zeros_like(explained)
    if replaces:
        needed[:N_LEADING], needed[N_LEADING:] = LEADING, CERTAIN
    kept = directions[explained > needed][:rank]
    into = (root * X).T @ (U @ ((moment @ kept.T) / (s**2 + strength)[:, None]))
    return into, kept, _by_folds(X, Y, weights, strength, len(kept))


def _by_folds(X: Tensor, Y: Tensor, weights: Tensor, strength: float, n_directions: int) -> Tensor:
    """Predictions of each row by a fit to the other folds, with the strength and the rank of the whole.

    Directions are not those of a row left out unless they are found without it.
    """
    out, fold = torch.empty_like(Y), torch.arange(len(X), device=X.device) % N_FOLDS
    for f in range(min(N_FOLDS, len(X))):
        held, rest = fold == f, fold != f
        w = weights[rest, None]
        x, y = ((w * R[rest]).sum(0) / w.sum() for R in (X, Y))
        rows, goals = w.sqrt() * (X[rest] - x), w.sqrt() * (Y[rest] - y)
        U, s = _left_singular(rows)
        moment = U.T @ goals
        kept = _directions(s, moment, strength)[:n_directions]
        into = rows.T @ (U @ ((moment @ kept.T) / (s**2 + strength)[:, None]))
        out[held] = y + ((X[held] - x) @ into) @ kept
    return out


def _directions(s: Tensor, moment: Tensor, strength: float) -> Tensor:
    """Principal directions of the fitted values, the largest first."""
    fitted = (s**2 / (s**2 + strength))[:, None] * moment
    axes, lengths = _left_singular(fitted)
    return (axes.T @ fitted / lengths[:, None])[lengths.argsort(descending=True)]


def _squared(R: Tensor) -> float:
    return float(R.square().sum())


def _left_singular(X: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors and singular values of `X`, from the smaller of its two Gram matrices."""
    wide = X.shape[0] <= X.shape[1]
    values, vectors = torch.linalg.eigh(X @ X.T if wide else X.T @ X)
    s = values.clamp(min=0).sqrt()
    kept = s > max(1e-7 * float(s.max()), ONE_POINT) if len(s) else s > 0
    return (vectors[:, kept] if wide else X @ (vectors[:, kept] / s[kept])), s[kept]
