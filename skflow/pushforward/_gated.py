"""Push-forward for tables: an ensemble of residual MLPs whose label heads gate class-wise low-rank maps."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from ._affine import AffineMap, base_map, class_means
from ._layers import Dropout, EnsembleLinear, GatedHead
from ._regressor import BasePushForward


class GatedNet(nn.Module):
    """Residual MLP under a gated head, optionally on top of a fixed affine map.

    In training each member sees its own noise on the inputs, and, where residuals are given, some of its rows carry
    another row's residual.
    """

    generator: torch.Generator | None = None

    def __init__(
        self,
        means: Tensor,
        n_features: int,
        n_members: int,
        width: int,
        rank: int,
        dropout: float,
        input_noise: float,
        base: AffineMap | None,
    ):
        super().__init__()
        self.n_members, self.input_noise = n_members, input_noise
        self.drop = Dropout(dropout)
        self.embed = EnsembleLinear(n_members, n_features, width)
        # Random Fourier features of an RBF kernel as wide as the standardised data: on few samples kernel machines are
        # hard to beat, so training starts from one.
        nn.init.normal_(self.embed.weight, std=n_features**-0.5)
        nn.init.uniform_(self.embed.bias, 0, 2 * math.pi)
        self.mix = EnsembleLinear(n_members, width, width)
        self.head = GatedHead(n_members, width, means, rank)
        self.register_buffer("weight", None if base is None else torch.tensor(base.weight, dtype=torch.float32))
        self.register_buffer("bias", None if base is None else torch.tensor(base.bias, dtype=torch.float32))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map `(n_samples, n_features)` to the outputs and logits of :class:`GatedHead`."""
        x = x.expand(self.n_members, *x.shape)
        if self.training and residual is not None:
            x = self._exchange(x, residual)
        noise = self.input_noise * torch.empty_like(x).normal_(generator=self.generator) if self.training else 0
        codes = self.drop(torch.cos(self.embed(x + noise)))
        codes = codes + self.drop(F.gelu(self.mix(codes)))
        output, logits = self.head(codes)
        if self.weight is not None:
            # Not of the noisy rows: the net would learn to undo the map's answer to the noise, and attenuate it.
            output = output + (x if self.training else x[0]) @ self.weight + self.bias
        return output, logits

    def _exchange(self, x: Tensor, residual: Tensor) -> Tensor:
        """Give half of the rows the residual of another row."""
        order, chosen = (torch.rand(x.shape[:2], generator=self.generator, device=x.device) for _ in range(2))
        return torch.where(chosen[..., None] < 0.5, x + residual[order.argsort(-1)] - residual, x)


class TabularPushForward(BasePushForward):
    """Map learnt from flowed particles, for rows of numbers.

    An ensemble of residual MLPs [1]_ (sec. 7.2, appendix C) on random Fourier features, which are trained too. A label
    head, trained with cross-entropy on the source labels next to the regression loss, gates class means and class-wise
    low-rank displacements, so that the map generalises as well as a classifier of the source would.

    Where an affine map explains the movement better than the classes do, the net learns the residual on that map. If
    the map is the Gaussian transport map, which says that the two domains are close, the net is also trained on
    particles that exchange their noise: what an affine map back from `Z` leaves of `X`.

    Features are centred and divided by one common scale, since the particles moved by Euclidean distances: features
    in different units should be made commensurate before the flow.

    Parameters
    ----------
    max_epochs : int, default=100
        Passes over the particles.
    learning_rate : float, default=2e-3
        Peak of the one-cycle schedule.
    weight_decay : float, default=1e-2
    width : int, default=256
        Hidden units of each member.
    rank : int, default=8
        Directions of displacement per class.
    n_members : int, default=4
        Size of the ensemble. All members are trained at once and their maps averaged, in place of restarts with the
        best one kept.
    dropout : float, default=0.3
    input_noise : float, default=0.45
        Standard deviation of the noise on the standardised inputs in training.
    batch_size : int, default=64
        At most; smaller where there are few particles.
    validation_fraction : float, default=None
        Share of the particles that is held out; the weights of the epoch that is best on them are kept. None trains on
        all particles for all epochs.
    device : {"auto"}, str or torch.device, default="auto"
    random_state : int, RandomState instance or None, default=None
        An int gives the same bits every time on one device. PyTorch's global generator is left alone.
    verbose : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    base_ : tuple (weight, bias, blind) or None
        The affine map, in standardised coordinates, that the net is a residual on; `blind` where it is the Gaussian
        transport map, which uses neither labels nor pairs.
    n_iter_ : int
        Epochs.
    loss_curve_ : list of float
    n_features_in_ : int

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
    >>> push = TabularPushForward(max_epochs=30, random_state=0).fit(X, Z, labels)
    >>> push.predict([[2.0, 0.0]]).round().shape
    (1, 2)
    """

    _parameter_constraints: dict = {
        **BasePushForward._parameter_constraints,
        "input_noise": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        max_epochs=100,
        learning_rate=2e-3,
        weight_decay=1e-2,
        width=256,
        rank=8,
        n_members=4,
        dropout=0.3,
        input_noise=0.45,
        batch_size=64,
        validation_fraction=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.width = width
        self.rank = rank
        self.n_members = n_members
        self.dropout = dropout
        self.input_noise = input_noise
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _build(self, X: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> tuple[type[nn.Module], dict, list]:
        self.base_ = base_map(X, Z, labels)
        rest = Z if self.base_ is None else Z - self.base_(X)
        extra = []
        if self.base_ is not None and self.base_.blind:  # else what is left of X is not noise but holds its class
            extra = [X - Ridge(alpha=1e-3 * len(X)).fit(Z, X).predict(Z).reshape(X.shape)]
        parameters = {
            "means": torch.tensor(class_means(rest, labels), dtype=torch.float32),
            "n_features": X.shape[1],
            "n_members": self.n_members,
            "width": self.width,
            "rank": self.rank,
            "dropout": self.dropout,
            "input_noise": self.input_noise,
            "base": self.base_,
        }
        return GatedNet, parameters, extra
