"""Push-forward for images: a convolutional encoder under the gated head (appendix C)."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._device import has_fast_bfloat16
from .._sklearn import Interval
from .._standard_units import Units, root_mean_square
from ._base import Movement
from ._class_maps import class_means
from ._layers import Dropout, GatedHead
from ._networks import NetPushForward


class ConvolutionalNet(nn.Module):
    """Two convolutions and a hidden layer for each member, under a gated head.

    In training the images of a batch are shifted together, by up to `max_shift` pixels, and on a CPU with a matrix unit
    the encoders multiply in bfloat16, with weights in float32 (Micikevicius et al., "Mixed precision training", 2018).
    """

    generator: torch.Generator | None = None

    def __init__(
        self,
        means: Tensor,
        image_shape: tuple[int, int, int],
        n_members: int,
        width: int,
        rank: int,
        dropout: float,
        max_shift: int,
    ):
        super().__init__()
        self.image_shape, self.max_shift = image_shape, max_shift
        encoders = nn.ModuleList(self._encoder(width, dropout) for _ in range(n_members))
        # Convolutions of few channels run faster on a CPU with the channels last.
        self.encoders = encoders.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = GatedHead(n_members, width, means, rank)

    def _encoder(self, width: int, dropout: float) -> nn.Sequential:
        height, breadth, channels = self.image_shape
        return nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2, dtype=torch.float32),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(32, 32, 5, padding=2, dtype=torch.float32),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            Dropout(dropout),
            nn.Linear(32 * (height // 4) * (breadth // 4), width, dtype=torch.float32),
            nn.ReLU(),
            Dropout(dropout),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(n_samples, n_features)` to the outputs and logits of :class:`GatedHead`."""
        images = x.unflatten(1, self.image_shape).movedim(-1, 1)
        if self.training and self.max_shift:
            images = self._shift(images)
        mixed = self.training and has_fast_bfloat16(images.device)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            codes = torch.stack([encode(images) for encode in self.encoders])
        return self.head(codes.to(x.dtype))

    def _shift(self, images: Tensor) -> Tensor:
        height, breadth, _ = self.image_shape
        shifts = torch.randint(2 * self.max_shift + 1, (2,), generator=self.generator, device=images.device)
        top, left = shifts.tolist()
        padded = F.pad(images, (self.max_shift,) * 4, mode="replicate")
        return padded[:, :, top : top + height, left : left + breadth]


class ImagePushForward(NetPushForward):
    """Map learnt from flowed particles, for flattened images.

    A convolutional encoder, then a label head that gates class means and class-wise low-rank displacements in pixel
    space [1]_ (sec. 7.2, appendix C).

    Parameters
    ----------
    image_shape : tuple (height, width) or (height, width, channels)
        Shape of one image; a row of `X` is such an image, flattened in C order. At least 4×4.
    max_epochs : int, default=20
        Passes over the particles.
    learning_rate : float, default=2e-3
        Peak of the one-cycle schedule.
    weight_decay : float, default=1e-2
    width : int, default=256
        Length of the encoder's codes.
    rank : int, default=8
        Directions of displacement per class.
    n_members : int, default=1
        Size of the ensemble. All members are trained at once and their maps averaged, in place of restarts with the
        best one kept.
    dropout : float, default=0.3
    max_shift : int, default=1
        Pixels by which the start images are shifted at random in training; their final positions stay.
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
    >>> from skflow.pushforward import ImagePushForward
    >>> X = np.random.default_rng(0).random(size=(40, 64))
    >>> push = ImagePushForward((8, 8), max_epochs=2, random_state=0).fit(X, 1 - X)
    >>> push.predict(X[:5]).shape
    (5, 64)
    """

    _parameter_constraints: dict = {
        **NetPushForward._parameter_constraints,
        "image_shape": [tuple, list],
        "max_shift": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        image_shape: tuple[int, ...],
        *,
        max_epochs: int = 20,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        width: int = 256,
        rank: int = 8,
        n_members: int = 1,
        dropout: float = 0.3,
        max_shift: int = 1,
        batch_size: int = 64,
        validation_fraction: float | None = None,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.width = width
        self.rank = rank
        self.n_members = n_members
        self.dropout = dropout
        self.max_shift = max_shift
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check_features(self, n_features: int) -> None:
        shape = self.image_shape
        counts = all(isinstance(side, Integral) and not isinstance(side, bool) for side in shape)
        if not counts or len(shape) not in (2, 3) or min(shape[:2]) < 4 or np.prod(shape) != n_features:
            raise ValueError(
                "image_shape must be (height, width) or (height, width, channels) in whole numbers, at least 4×4, and "
                f"hold the {n_features} features of X; got {self.image_shape!r}."
            )
        if self.max_shift >= min(shape[:2]):
            raise ValueError(f"max_shift={self.max_shift} must be smaller than the sides of the images, {shape[:2]}.")

    def _units(self, rows: Movement) -> Units:
        # The same centre and scale for all pixels, as convolutions expect.
        X = rows.X.astype(np.float64, copy=False)
        first = X[0, 0]
        centre = first + np.average((X - first).mean(axis=1), weights=rows.weights)
        return Units(np.full(X.shape[1], centre), root_mean_square(X - centre, rows.weights) / X.shape[1] ** 0.5)

    def _build(self, rows: Movement) -> tuple[type[nn.Module], dict]:
        parameters = {
            "means": torch.tensor(class_means(rows.Z, rows.labels, rows.weights), dtype=torch.float32),
            "image_shape": (*self.image_shape, 1)[:3],
            "n_members": self.n_members,
            "width": self.width,
            "rank": self.rank,
            "dropout": self.dropout,
            "max_shift": self.max_shift,
        }
        return ConvolutionalNet, parameters
