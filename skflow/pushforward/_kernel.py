"""Kernel ridge regression in closed form, with each row's prediction as if it had been left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SUBSAMPLE = 500
"""Rows on which a kernel is chosen; a solve costs their number cubed."""

MOST_FITTED = 20_000
"""Rows that coefficients are fitted to. Their kernel with all centres is in memory at once, several times over."""

JITTER = 1e-8
"""What keeps the kernel matrix of centres that coincide positive definite."""

N_LIKELY = 2
"""Kernels that are tried with all strengths of regularisation."""

BLOCK = 4096
"""Rows whose kernel is in memory at once."""


@dataclass(frozen=True)
class Kernel:
    """A function of `gamma` times the squared distance of two rows: Gaussian, or rational quadratic (longer tails).

    Parameters
    ----------
    shape : {"gaussian", "rational"}
    gamma : float
        Of rows that are at distance 1 from their mean on average.
    columns : ndarray of shape (n_features,) or None
        What each column is multiplied by first.
    """

    shape: str
    gamma: float
    columns: np.ndarray | None = None

    def __call__(self, A: Tensor, B: Tensor) -> Tensor:
        """The kernel of all rows of `A` with all rows of `B`."""
        if self.columns is not None:
            columns = torch.as_tensor(self.columns, dtype=A.dtype, device=A.device)
            A, B = A * columns, B * columns
        squares = torch.addmm((A * A).sum(1)[:, None] + (B * B).sum(1), A, B.T, alpha=-2).clamp_(min=0)
        if self.shape == "gaussian":
            return squares.mul_(-self.gamma).exp_()
        return squares.mul_(self.gamma).add_(1).reciprocal_()


class Problem(NamedTuple):
    """Rows, what is to be predicted of them, and how much each counts."""

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray

    def at(self, rows: np.ndarray) -> Problem:
        """The problem of these rows alone."""
        return Problem(*(array[rows] for array in (self.X, self.Y, self.weights)))


@dataclass(frozen=True)
class KernelRegression:
    """The fitted function `mean + kernel(x, centres) @ coefficients`.

    Attributes
    ----------
    left_out : ndarray of shape (n_samples, n_outputs)
        What is predicted of each row by the fit without it.
    """

    kernel: Kernel
    alpha: float
    centres: np.ndarray
    coefficients: np.ndarray
    mean: np.ndarray
    left_out: np.ndarray

    def __call__(self, X: np.ndarray, device: torch.device) -> np.ndarray:
        """Predict, in the dtype of `X`."""
        out = np.empty((len(X), self.coefficients.shape[1]), X.dtype)
        centres, coefficients, mean = (
            torch.as_tensor(array.astype(X.dtype, copy=False), device=device)
            for array in (self.centres, self.coefficients, self.mean)
        )
        for start in range(0, len(X), BLOCK):
            rows = slice(start, start + BLOCK)
            block = torch.as_tensor(X[rows], device=device)
            out[rows] = torch.addmm(mean, self.kernel(block, centres), coefficients).cpu().numpy()
        return out

    def without_training(self) -> KernelRegression:
        """What prediction needs."""
        return replace(self, left_out=np.empty((0, self.coefficients.shape[1])))


def fits(
    problem: Problem, kernel: Kernel, alphas: Sequence[float], centres: np.ndarray, device: torch.device
) -> Iterator[KernelRegression]:
    """Ridge regressions with one kernel, for each strength of regularisation.

    Minimise `Σ_i w_i ‖y_i − f(x_i)‖² + alpha ‖f‖²` over functions that are centred at all rows, or, where there are
    fewer `centres` than rows, at those (Nyström, Williams & Seeger, NeurIPS 2001).
    A row of weight 2 is two rows, and both are left out together.

    Parameters
    ----------
    centres : ndarray of int
        The rows that are centres.
    """
    X, Y, w = (torch.as_tensor(array, device=device) for array in problem)
    mean = (w[:, None] * Y).sum(0) / w.sum()
    solve = _solve_at_all_rows if len(centres) == len(X) else _solve_at_centres
    centred, chosen = Y - mean, X[torch.as_tensor(centres, device=device)]
    for alpha, (coefficients, left_out) in zip(alphas, solve(kernel, X, chosen, centred, w, alphas), strict=True):
        numbers = (chosen, coefficients, mean, left_out + mean)
        yield KernelRegression(kernel, alpha, *(number.cpu().numpy() for number in numbers))


def _solve_at_all_rows(
    kernel: Kernel, X: Tensor, _: Tensor, Y: Tensor, w: Tensor, alphas: Sequence[float]
) -> Iterator[tuple[Tensor, Tensor]]:
    K = kernel(X, X)
    for alpha in alphas:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(K + torch.diag(alpha / w)))
        coefficients = inverse @ Y
        # Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 5.12.
        yield coefficients, Y - coefficients / inverse.diagonal()[:, None]


def _solve_at_centres(
    kernel: Kernel, X: Tensor, centres: Tensor, Y: Tensor, w: Tensor, alphas: Sequence[float]
) -> Iterator[tuple[Tensor, Tensor]]:
    eye = torch.eye(len(centres), dtype=X.dtype, device=X.device)
    root = torch.linalg.cholesky(kernel(centres, centres) + JITTER * eye)
    features = torch.linalg.solve_triangular(root, kernel(centres, X), upper=False)
    weighted = features * w
    gram, moment = weighted @ features.T, weighted @ Y
    for alpha in alphas:
        factor = torch.linalg.cholesky(gram + alpha * eye)
        weight = torch.cholesky_solve(moment, factor)
        leverage = w * torch.linalg.solve_triangular(factor, features, upper=False).square().sum(0)
        left = (Y - features.T @ weight) / (1 - leverage).clamp(min=1e-6)[:, None]
        yield torch.linalg.solve_triangular(root.T, weight, upper=True), Y - left


def best_fit(
    problem: Problem,
    kernels: Sequence[Kernel],
    alphas: Sequence[float],
    loss: Callable[[np.ndarray, np.ndarray], float],
    rng: np.random.RandomState,
    max_centres: int,
    device: torch.device,
    enough: float = np.inf,
) -> KernelRegression | None:
    """The regression with the smallest loss of the left-out rows: the kernel on a subsample, then `alpha` on all rows.

    All kernels are tried with one `alpha`, and the best of them with all.
    Of more than `MOST_FITTED` rows a random draw is fitted. The others are left out of the fit as it is.

    Parameters
    ----------
    loss : callable (rows, left_out) -> float
        Of the predictions for the rows with these numbers.
    enough : float
        The loss above which there is no use in a fit to all rows: None is returned.
    """
    n_samples = len(problem.X)
    few = np.sort(rng.permutation(n_samples)[:SUBSAMPLE])
    part, all_of_part = problem.at(few), np.arange(len(few))

    def tried(some: Iterable[Kernel], strengths: Sequence[float]) -> list[tuple[float, KernelRegression]]:
        found = (fit for kernel in some for fit in fits(part, kernel, strengths, all_of_part, device))
        return [(loss(few, fit.left_out), fit) for fit in found]

    middle = len(alphas) // 2
    ranked = sorted(tried(kernels, alphas[middle : middle + 1]), key=itemgetter(0))
    likely = [fit.kernel for _, fit in ranked[:N_LIKELY]]
    ranked += tried(likely, [*alphas[:middle], *alphas[middle + 1 :]])
    lowest, best = min(ranked, key=itemgetter(0))
    if lowest > enough:
        return None
    if len(few) == n_samples:
        return best
    drawn = rng.permutation(n_samples)
    rows, others = np.sort(drawn[:MOST_FITTED]), drawn[MOST_FITTED:]
    centres = np.searchsorted(rows, np.sort(drawn[: min(max_centres, MOST_FITTED)]))
    near = [alpha for alpha in alphas if 0.05 < alpha / best.alpha < 20]
    best = min(fits(problem.at(rows), best.kernel, near, centres, device), key=lambda fit: loss(rows, fit.left_out))
    left_out = np.empty_like(problem.Y)
    left_out[rows], left_out[others] = best.left_out, best(problem.X[others], device)
    return replace(best, left_out=left_out)
