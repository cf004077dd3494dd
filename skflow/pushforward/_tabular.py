"""Push-forward for tables: class-wise closed-form maps behind a gate, and a smooth map of what they leave."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from .._device import float64_device
from .._sklearn import HasMethods, Interval, StrOptions
from .._standard_units import Units
from ._base import BasePushForward, Movement
from ._class_maps import fit_class_maps, within_class_variance
from ._gate import ClassifierGate, KernelGate, OneClassGate
from ._smooth import fit_smooth, squared_error

MUST_GAIN = 0.1
"""Share of the held-out error that the smooth map has to take away to be used."""

SHARPENED = 4.0
"""Power of the probabilities where rows are replaced: halfway between two classes' rows there is no row at all."""

MUST_GAIN_REPLACED = 0.9
"""The same where the classes' maps replace rows: a smooth map is between the classes where it is not sure."""


class TabularPushForward(BasePushForward):
    """Map learnt from flowed particles in closed form: class-wise movements behind a gate.

    A classifier of the source, the gate, tells how probable each class is for a row; each class has a shift and a
    low-rank ridge regression of the movement; and a row moves by their mean (the gated head of [1]_, sec. 7.2 and
    appendix C, without a net). Kernel ridge regression of what that leaves joins where it lowers the error of left-out
    rows. All strengths of regularisation have the smallest error of left-out rows, which is known in closed form.

    Within the classes, rows either keep what they are and move, ``z = x + movement``, or are replaced by what the
    regressions say, ``z = map(x)``: the first where `Z - X` varies less than `Z` within the classes, so that the rows
    themselves tell more of where they went than the class does. Where nothing moved, the map is the identity.

    Features are centred and divided by one common scale, since the particles moved by Euclidean distances: features
    in different units should be made commensurate before the flow.

    Parameters
    ----------
    gate : classifier or None, default=None
        Any scikit-learn classifier with `predict_proba` or `decision_function`; it is fitted to `X` as it comes, once
        for each of five folds and once for all. None takes kernel ridge regression with calibrated probabilities,
        whose kernel has the smallest log-loss of the left-out rows.
    rank : int or None, default=None
        Directions of displacement of a class, at most. None takes all that lower the error of left-out
        rows; where rows are replaced, two that take away most of it and those that are all but certain.
    smooth : {"auto"} or bool, default="auto"
        Whether kernel ridge regression moves the rows on from where the classes' maps take them. "auto": where it
        takes away a tenth of the error of left-out rows; nine tenths where classes' maps replace rows.
    max_centres : int, default=2500
        Rows that kernels are centred at, at most; more rows than that are fitted with a random draw of centres
        (Nyström), and of more than 20,000 rows these are a draw, too. Time grows with its cube, memory with its square,
        and the time to predict with itself.
    device : {"auto"}, str or torch.device, default="auto"
        Where kernels are computed and solved, in float64.
    random_state : int, RandomState instance or None, default=None
        Draws the rows on which kernels are chosen, the folds of `gate` and the centres.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    oof_ : ndarray of shape (n_samples, n_outputs)
        The map at each row of `X`, as the fit without that row has it; regularisation and kernels are shared by all.
    keeps_rows_ : bool
        Whether rows move, instead of being replaced.
    has_smooth_ : bool
        Whether a smooth map joined.
    ranks_ : ndarray of shape (n_classes,)
        Directions of displacement of each class.
    n_features_in_ : int

    See Also
    --------
    SmoothPushForward : One smooth map, which knows no classes.
    ImagePushForward : Convolutional nets, for images.

    Notes
    -----
    A row of weight 2 counts as two rows in every mean, regression and log-loss. The draws of rows on which kernels are
    chosen know no weights, nor does a `gate` without `sample_weight` in its `fit`.

    References
    ----------
    .. [1] Alvarez-Melis & Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skflow.pushforward import TabularPushForward
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> labels = X[:, 0] > 0
    >>> Z = X + np.where(labels, 3.0, -3.0)[:, None]
    >>> push = TabularPushForward(random_state=0).fit(X, Z, labels)
    >>> push.predict([[2.0, 0.0]]).round(1)
    array([[5., 3.]])
    """

    _parameter_constraints: dict = {
        "gate": [HasMethods(["fit"]), None],
        "rank": [Interval(Integral, 0, None, closed="left"), None],
        "smooth": ["boolean", StrOptions({"auto"})],
        "max_centres": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        gate: Any = None,
        rank: int | None = None,
        smooth: bool | str = "auto",
        max_centres: int = 2500,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.gate = gate
        self.rank = rank
        self.smooth = smooth
        self.max_centres = max_centres
        self.device = device
        self.random_state = random_state

    @property
    def _device(self) -> torch.device:
        return float64_device(self.device)  # of this machine, where the map was learnt on another

    def _learn(self, rows: Movement) -> np.ndarray:
        rng = check_random_state(self.random_state)
        self._source, self._target = Units.of(rows.X, rows.weights), Units.of(rows.Z, rows.weights)
        X = self._source.standardise(rows.X)
        start, goal = rows.X - self._source.centre, rows.Z - self._target.centre
        self.keeps_rows_ = keeps_rows(start, goal, rows.labels, rows.weights)
        movement = (goal - start if self.keeps_rows_ else goal) / self._target.scale

        self._gate = self._make_gate(rows, X, rng)
        replaces = not self.keeps_rows_ and len(self.classes_) > 1
        maps = fit_class_maps(X, movement, rows.labels, rows.weights, self.rank, replaces, self._device)
        left_out = maps.left_out_mean(X, rows.labels, self._sharpened(self._gate.left_out))
        self._maps = maps.without_training()
        self.ranks_ = np.bincount(maps.owners, minlength=len(self.classes_))

        self._smooth = None
        if self.smooth is not False and len(X) > 2:
            rest = movement - left_out
            share = 0.0 if self.smooth is True else MUST_GAIN_REPLACED if replaces else MUST_GAIN
            least = share * squared_error(rest, rows.weights)
            fit = fit_smooth(X, rest, rows.weights, least, rng, self.max_centres, self._device)
            if fit is not None:
                left_out += fit.left_out
                self._smooth = fit.without_training()
        self.has_smooth_ = self._smooth is not None
        return self._assemble(start, left_out)

    def _make_gate(self, rows: Movement, X: np.ndarray, rng: np.random.RandomState) -> Any:
        if len(self.classes_) == 1:
            return OneClassGate(len(X))
        if self.gate is None:
            return KernelGate(X, rows.labels, rows.weights, rng, self.max_centres, self._device)
        return ClassifierGate(self.gate, rows.X, rows.labels, rows.weights, rng)

    def _carry(self, X: np.ndarray) -> np.ndarray:
        start = X - self._source.centre
        standard = (start / self._source.scale).astype(X.dtype)
        gate = self._sharpened(self._gate.predict_proba(X, standard, self._device))
        movement = self._maps(standard, gate)
        if self._smooth is not None:
            movement = movement + self._smooth(standard, self._device)
        return self._assemble(start, movement).astype(X.dtype)

    def _assemble(self, start: np.ndarray, movement: np.ndarray) -> np.ndarray:
        """Rows in the units of `Z`, from centred rows and their standardised movement."""
        out = movement * self._target.scale
        return (start + out if self.keeps_rows_ else out) + self._target.centre

    def _sharpened(self, gate: np.ndarray) -> np.ndarray:
        if self.keeps_rows_:
            return gate
        sharp = gate ** gate.dtype.type(SHARPENED)
        return sharp / sharp.sum(axis=1, keepdims=True)

    def class_probabilities(self, X: ArrayLike) -> np.ndarray:
        """What the gate thinks of the classes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        raw = self._checked(X)
        return self._gate.predict_proba(raw, self._source.standardise(raw).astype(raw.dtype), self._device)


def keeps_rows(start: np.ndarray, goal: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> bool:
    """Whether rows tell more of where they went than the mean does, that of all rows and that of their class.

    They do where `goal - start` varies no more than `goal`, in all and within the classes: in the geometric mean of
    the two ratios.
    """
    if start.shape != goal.shape:
        return False
    scale = max(np.abs(goal).max(initial=0.0), np.abs(start).max(initial=0.0)) or 1.0
    moved, went = (goal - start) / scale, goal / scale
    one_class = np.zeros_like(labels)
    logs = 0.0
    for classes in (labels, one_class):
        of_moved, of_went = (within_class_variance(R, classes, weights) for R in (moved, went))
        if of_moved == 0:
            return True
        if not np.isnan(of_moved):
            logs += np.log(of_moved) - np.log(max(of_went, np.finfo(float).tiny))
    return bool(logs <= 0)
