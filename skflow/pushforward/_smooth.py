"""Push-forward by one smooth map: kernel ridge regression of the movement."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._device import float64_device
from .._sklearn import Interval
from .._standard_units import Units, root_mean_square
from ._base import BasePushForward, Movement
from ._kernel import Kernel, KernelRegression, Problem, best_fit

KERNELS = tuple(Kernel("gaussian", gamma) for gamma in (0.03, 0.2, 1.0))
ALPHAS = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)


def squared_error(R: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean of the rows' squared lengths."""
    return float(np.average(np.square(R).sum(axis=1), weights=weights))


def fit_smooth(
    X: np.ndarray,
    Y: np.ndarray,
    weights: np.ndarray,
    least_gain: float,
    rng: np.random.RandomState,
    max_centres: int,
    device: torch.device,
) -> KernelRegression | None:
    """The kernel regression that predicts left-out rows of `Y` best; None where it gains no more than `least_gain`."""
    before = squared_error(Y, weights)
    if before == 0 and least_gain == 0:
        return None

    def loss(rows: np.ndarray, left_out: np.ndarray) -> float:
        return squared_error(Y[rows] - left_out, weights[rows])

    enough = before - 0.3 * least_gain if least_gain else np.inf  # all rows will do better than few
    fit = best_fit(Problem(X, Y, weights), KERNELS, ALPHAS, loss, rng, max_centres, device, enough)
    if fit is None:
        return None
    return fit if before - loss(np.arange(len(X)), fit.left_out) > least_gain else None


class SmoothPushForward(BasePushForward):
    """Map learnt from flowed particles in closed form: kernel ridge regression of the movement.

    It knows no classes, so that what is alike moves alike: it keeps more of what the labels do not speak of than
    :class:`TabularPushForward`, and corrects classes less. Where the columns of `Z` are those of `X`, the movement
    `Z - X` is regressed, and is zero far from the rows of the fit up to its mean; else `Z` is.

    Parameters
    ----------
    max_centres : int, default=2500
        Rows that the kernel is centred at, at most; more rows than that are fitted with a random draw of centres
        (Nyström), and of more than 20,000 rows these are a draw, too.
    device : {"auto"}, str or torch.device, default="auto"
        Where kernels are computed and solved, in float64.
    random_state : int, RandomState instance or None, default=None
        Draws the rows on which the kernel is chosen, and the centres.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of the labels, which the map makes no use of.
    oof_ : ndarray of shape (n_samples, n_outputs)
        The map at each row of `X`, as the fit without that row has it.
    n_features_in_ : int

    Notes
    -----
    A row of weight 2 counts as two rows, but in the draw of rows on which the kernel is chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.pushforward import SmoothPushForward
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> push = SmoothPushForward(random_state=0).fit(X, X + np.sin(X))
    >>> push.predict([[1.0, 0.0]]).round(1) + 0.0
    array([[1.8, 0. ]])
    """

    _parameter_constraints: dict = {
        "max_centres": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        max_centres: int = 2500,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.max_centres = max_centres
        self.device = device
        self.random_state = random_state

    @property
    def _device(self) -> torch.device:
        return float64_device(self.device)  # of this machine, where the map was learnt on another

    def _learn(self, rows: Movement) -> np.ndarray:
        rng = check_random_state(self.random_state)
        self._source, self._target = Units.of(rows.X, rows.weights), Units.of(rows.Z, rows.weights)
        start, movement = rows.X - self._source.centre, rows.Z - self._target.centre
        self._moves = start.shape == movement.shape
        if self._moves:
            movement = movement - start
        self._scale = root_mean_square(movement, rows.weights)
        X = self._source.standardise(rows.X)
        fit = fit_smooth(X, movement / self._scale, rows.weights, 0.0, rng, self.max_centres, self._device)
        self._regression = None if fit is None else fit.without_training()
        return self._assemble(start, np.zeros_like(movement) if fit is None else fit.left_out)

    def _carry(self, X: np.ndarray) -> np.ndarray:
        start = X - self._source.centre
        if self._regression is None:
            movement = np.zeros((len(X), len(self._target.centre)))
        else:
            movement = self._regression((start / self._source.scale).astype(X.dtype), self._device)
        return self._assemble(start, movement).astype(X.dtype)

    def _assemble(self, start: np.ndarray, movement: np.ndarray) -> np.ndarray:
        out = movement * self._scale
        return (start + out if self._moves else out) + self._target.centre
