"""What both push-forward regressors share: validation, scaling, training with skorch, and inference."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .._threads import shared_cores
from .._device import resolve_device
from ._layers import set_generator

_GLOBAL_GENERATOR = threading.Lock()


class _Batches:
    """Shuffled batches taken by index from whole tensors; a DataLoader collates row by row, slower than the net."""

    def __init__(
        self,
        dataset: TensorDataset,
        batch_size: int,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ):
        self.dataset, self.batch_size, self.shuffle, self.generator = dataset, batch_size, shuffle, generator

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor | dict, tuple[Tensor, Tensor]]]:
        x, z, labels, *extra = self.dataset.tensors
        n, device = len(x), x.device
        if self.shuffle:
            order = torch.randperm(n, generator=self.generator, device=device)
        else:
            order = torch.arange(n, device=device)
        for i in order.split(self.batch_size):
            yield (x[i], *(e[i] for e in extra)), (z[i], labels[i])


class _TwoHeadedNet(NeuralNet):
    """Net with two outputs and two losses: unexplained share of the variance, and cross-entropy of the labels."""

    def infer(self, x: tuple, **fit_params: object) -> tuple[Tensor, Tensor]:
        return self.module_(*x)

    def get_loss(self, y_pred: tuple, y_true: tuple, X: object = None, training: bool = False) -> Tensor:
        output, logits = y_pred
        z, labels = y_true
        if not training:  # the ensemble is judged as it predicts
            logits = logits.softmax(-1).mean(0, keepdim=True).log()
            output = output[None]
        n_members = len(logits)
        regression = (output - z).square().sum(-1).mean(-1).sum()
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.repeat(n_members)) * n_members
        return regression + entropy


def _initialize(net: NeuralNet, generator: torch.Generator, seed: int) -> None:
    """Initialise the weights; `generator` goes on from there.

    PyTorch's layers initialise themselves from the global generator, so one thread at a time may seed it, and leaves it
    as it was. Training does not touch it: fits in threads beside one another are the same as fits in a row.
    """
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net.initialize()
        if generator.device.type == "cpu":
            generator.set_state(torch.get_rng_state())
        else:
            generator.manual_seed(seed)


class _Inference:
    """A trained module as a function of arrays, in the dtype of its input.

    Float64 rows go through a float64 copy of the net: in float32 the rounding of a matrix product depends on how many
    rows it has, and predictions on a subset would differ from those on the whole. Copies are made once and not pickled.
    """

    def __init__(self, module: nn.Module, device: torch.device, chunk_size: int = 1024):
        self.module, self.device, self.chunk_size = module.eval().cpu(), device, chunk_size
        self._copies: dict[np.dtype, nn.Module] = {}

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_copies": {}}

    def __call__(self, X: np.ndarray) -> np.ndarray:
        if X.dtype not in self._copies:
            dtype = torch.float64 if X.dtype == np.float64 else torch.float32
            self._copies[X.dtype] = copy.deepcopy(self.module).to(self.device, dtype)
        module, out = self._copies[X.dtype], np.empty_like(X)
        with torch.inference_mode():
            for rows in gen_batches(len(X), self.chunk_size):
                out[rows] = module(torch.tensor(X[rows], device=self.device))[0].cpu().numpy()
        return out


class BasePushForward(RegressorMixin, BaseEstimator):
    """Learns `h: x_0 -> x_T` from particles; the nets are the subclasses' own."""

    _parameter_constraints: dict = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "rank": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, Z: ArrayLike, labels: ArrayLike | None = None) -> BasePushForward:
        """Learn the map from the particles.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Start positions of the particles.
        Z : array-like of shape (n_samples, n_features)
            Their final positions.
        labels : array-like of shape (n_samples,), default=None
            Classes of the particles, of any kind. None learns a map without a label head.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the shapes do not match, or a parameter is out of range.
        """
        X, Z = validate_data(self, X, Z, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        if Z.shape != X.shape:
            raise ValueError(f"Z must have the shape of X, {X.shape}; got {Z.shape}.")
        self._check_features(X.shape[1])
        labels = np.zeros(len(X), int) if labels is None else np.asarray(labels)
        if labels.shape != (len(X),):
            raise ValueError(f"labels must have shape ({len(X)},), one per row of X; got {labels.shape}.")
        encoder = LabelEncoder()
        labels = encoder.fit_transform(labels)
        self.classes_ = encoder.classes_

        # One scale for all features, here and for Z: the particles moved by Euclidean distances. (Each feature to unit
        # variance would blow up pixels that are hardly ever on; it is for the user to make features commensurate.)
        self.input_mean_ = self._centre(X)
        self.input_scale_ = float(np.sqrt(np.square(X - self.input_mean_).mean())) or 1.0
        X = self._standardise(X)
        self.target_mean_ = Z.mean(axis=0, dtype=np.float64)
        self.target_scale_ = float(np.sqrt(Z.var(axis=0, dtype=np.float64).sum())) or 1.0
        Z = (Z - self.target_mean_) / self.target_scale_

        rng = check_random_state(self.random_state)
        device = resolve_device(self.device)
        seed = rng.randint(np.iinfo(np.int32).max)
        with shared_cores():
            net = self._train(X, Z, labels, device, rng, seed)
        self.n_iter_ = len(net.history)
        self.loss_curve_ = [float(loss) for loss in net.history[:, "train_loss"]]
        self._inference = _Inference(net.module_, device)
        return self

    def _train(
        self,
        X: np.ndarray,
        Z: np.ndarray,
        labels: np.ndarray,
        device: torch.device,
        rng: np.random.RandomState,
        seed: int,
    ) -> NeuralNet:
        """Fit the net to standardised particles."""
        module, parameters, extra = self._build(X, Z, labels)

        def dataset(rows: np.ndarray) -> TensorDataset:
            floats = [torch.tensor(a[rows], dtype=torch.float32, device=device) for a in (X, Z, *extra)]
            return TensorDataset(*floats[:2], torch.tensor(labels[rows], device=device), *floats[2:])

        train, split, callbacks = np.arange(len(X)), None, []
        if self.validation_fraction is not None:
            stratify = labels if np.bincount(labels).min() > 1 else None
            train, held_out = train_test_split(
                train, test_size=self.validation_fraction, stratify=stratify, random_state=rng
            )
            split = predefined_split(dataset(held_out))
            callbacks = [EarlyStopping(patience=self.max_epochs, load_best=True)]
        # Few particles make small batches, so that there are some steps in an epoch.
        batch_size = min(self.batch_size, max(32, len(train) // 8))
        n_steps = self.max_epochs * -(-len(train) // batch_size)
        # Annealing to zero does what stopping early would do, and needs no held-out particles.
        schedule = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR, max_lr=self.learning_rate, total_steps=n_steps, step_every="batch"
        )
        generator = torch.Generator(device)
        net = _TwoHeadedNet(
            module,
            criterion=nn.MSELoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.weight_decay,
            optimizer__fused=True,
            lr=self.learning_rate,
            max_epochs=self.max_epochs,
            batch_size=batch_size,
            iterator_train=_Batches,
            iterator_train__shuffle=True,
            iterator_train__generator=generator,
            iterator_valid=_Batches,
            train_split=split,
            callbacks=[("schedule", schedule), *callbacks],
            verbose=int(self.verbose),
            device=device,
            **{f"module__{name}": value for name, value in parameters.items()},
        )
        _initialize(net, generator, seed)
        set_generator(net.module_, generator)
        net.partial_fit(dataset(train), y=None)
        set_generator(net.module_, None)  # generators do not pickle everywhere
        return net

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Carry samples along.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the dtype of `X` where that is float32 or float64, and computed in it; else in float64.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        with shared_cores():
            Z = self._inference(self._standardise(X))
        Z *= self.target_scale_
        Z += self.target_mean_
        return Z

    def _check_features(self, n_features: int) -> None:
        """Raise ValueError if the rows are not what the net takes."""

    def _centre(self, X: np.ndarray) -> np.ndarray:
        return X.mean(axis=0, dtype=np.float64)

    def _standardise(self, X: np.ndarray) -> np.ndarray:
        return (X - self.input_mean_.astype(X.dtype)) / X.dtype.type(self.input_scale_)

    def _build(self, X: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> tuple[type[nn.Module], dict, list]:
        """Return the module's class, its parameters, and what it takes beside `X` in training."""
        raise NotImplementedError
