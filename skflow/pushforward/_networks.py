"""Nets as push-forward: training with skorch, and inference."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .._device import resolve_device
from .._sklearn import Interval
from .._standard_units import Units
from ._base import BasePushForward, Movement
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

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        x, *targets = self.dataset.tensors
        n, device = len(x), x.device
        if self.shuffle:
            order = torch.randperm(n, generator=self.generator, device=device)
        else:
            order = torch.arange(n, device=device)
        for i in order.split(self.batch_size):
            yield x[i], tuple(target[i] for target in targets)


class _TwoHeadedNet(NeuralNet):
    """Net with two outputs and two losses: unexplained share of the variance, and cross-entropy of the labels."""

    def get_loss(self, y_pred: tuple, y_true: tuple, X: object = None, training: bool = False) -> Tensor:
        output, logits = y_pred
        z, labels, weights = y_true
        if not training:  # the ensemble is judged as it predicts
            logits = logits.softmax(-1).mean(0, keepdim=True).log()
            output = output[None]
        n_members = len(logits)
        regression = (output - z).square().sum(-1)
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.repeat(n_members), reduction="none")
        return (weights * (regression + entropy.unflatten(0, (n_members, -1)))).mean(-1).sum()


def _initialize(net: NeuralNet, generator: torch.Generator, seed: int) -> None:
    """Initialise the weights in float32; `generator` goes on from there.

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
        module = self._copies[X.dtype]
        with torch.inference_mode():
            chunks = [
                module(torch.tensor(X[rows], device=self.device))[0].cpu().numpy()
                for rows in gen_batches(len(X), self.chunk_size)
            ]
        return np.concatenate(chunks)


class NetPushForward(BasePushForward):
    """A push-forward that trains nets; which, is the subclasses' own business."""

    max_epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    validation_fraction: float | None
    device: str | torch.device
    random_state: Any
    verbose: int

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

    def _learn(self, rows: Movement) -> None:
        self._source, self._target = self._units(rows), Units.of(rows.Z, rows.weights)
        Z = self._target.standardise(rows.Z)
        rng, device = check_random_state(self.random_state), resolve_device(self.device)
        seed = rng.randint(np.iinfo(np.int32).max)
        standard = Movement(self._source.standardise(rows.X), Z, rows.labels, rows.weights / rows.weights.mean())
        # Training is the same whatever the caller has switched off or set as default.
        with torch.inference_mode(False), torch.enable_grad():
            net = self._train(standard, device, rng, seed)
        self.n_iter_ = len(net.history)
        self.loss_curve_ = [float(loss) for loss in net.history[:, "train_loss"]]
        self._inference = _Inference(net.module_, device)
        weights_are_finite = all(bool(p.isfinite().all()) for p in net.module_.parameters())
        if not (np.isfinite(self.loss_curve_).all() and weights_are_finite):
            raise ValueError(
                f"The training blew up: the loss of the last epoch is {self.loss_curve_[-1]}. Lower "
                f"learning_rate={self.learning_rate!r} or weight_decay={self.weight_decay!r}."
            )

    def _carry(self, X: np.ndarray) -> np.ndarray:
        Z = self._inference(self._source.standardise(X).astype(X.dtype))
        return (Z * self._target.scale + self._target.centre).astype(X.dtype)

    def _units(self, rows: Movement) -> Units:
        return Units.of(rows.X, rows.weights)

    def _build(self, rows: Movement) -> tuple[type[nn.Module], dict]:
        """Return the module's class and its parameters."""
        raise NotImplementedError

    def _train(self, rows: Movement, device: torch.device, rng: np.random.RandomState, seed: int) -> NeuralNet:
        """Fit the net to standardised particles."""
        module, parameters = self._build(rows)
        train, held_out = self._split(rows.labels, rng)

        def dataset(chosen: np.ndarray) -> TensorDataset:
            X, Z, weights = (
                torch.tensor(array[chosen], dtype=torch.float32, device=device)
                for array in (rows.X, rows.Z, rows.weights)
            )
            return TensorDataset(X, Z, torch.tensor(rows.labels[chosen], device=device), weights)

        early = [EarlyStopping(patience=self.max_epochs, load_best=True)] if len(held_out) else []
        # Few particles make small batches, so that there are some steps in an epoch. PyTorch takes no NumPy integers.
        batch_size, max_epochs = min(int(self.batch_size), max(32, len(train) // 8)), int(self.max_epochs)
        n_steps = max_epochs * -(-len(train) // batch_size)
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
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=_Batches,
            iterator_train__shuffle=True,
            iterator_train__generator=generator,
            iterator_valid=_Batches,
            train_split=predefined_split(dataset(held_out)) if len(held_out) else None,
            callbacks=[("schedule", schedule), *early],
            verbose=int(self.verbose),
            device=device,
            **{f"module__{name}": value for name, value in parameters.items()},
        )
        _initialize(net, generator, seed)
        set_generator(net.module_, generator)
        data = dataset(train)
        # As `net.partial_fit(data)`, which takes KeyboardInterrupt for the end of the training.
        net.notify("on_train_begin", X=data, y=None)
        net.fit_loop(data, y=None)
        net.notify("on_train_end", X=data, y=None)
        set_generator(net.module_, None)  # generators do not pickle everywhere
        return net

    def _split(self, labels: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on, and held-out rows."""
        rows = np.arange(len(labels))
        if self.validation_fraction is None:
            return rows, rows[:0]
        n_held_out = round(self.validation_fraction * len(rows))
        if not 1 <= n_held_out < len(rows):
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} of {len(rows)} particles is {n_held_out} held-out "
                f"rows; there must be at least one, and one to train on."
            )
        n_classes = len(np.unique(labels))
        can_stratify = np.bincount(labels).min() > 1 and n_classes <= min(n_held_out, len(rows) - n_held_out)
        train, held_out = train_test_split(
            rows, test_size=n_held_out, stratify=labels if can_stratify else None, random_state=rng
        )
        return train, held_out
