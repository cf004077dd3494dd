"""Push-forward for images: a convolutional encoder under the gated head (appendix C)."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ._layers import GatedHead
from ._regressor import BasePushForward, class_means


class ConvolutionalNet(nn.Module):
    """Two convolutions and a hidden layer for each member, under a gated head."""

    def __init__(
        self,
        means: Tensor,
        image_shape: tuple[int, int, int],
        n_members: int,
        width: int,
        rank: int,
        dropout: float,
    ):
        super().__init__()
        self.image_shape = image_shape
        self.encoders = nn.ModuleList(self._encoder(width, dropout) for _ in range(n_members))
        self.head = GatedHead(n_members, width, means, rank)

    def _encoder(self, width: int, dropout: float) -> nn.Sequential:
        height, breadth, channels = self.image_shape
        return nn.Sequential(
            nn.Conv2d(channels, 16, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * (height // 4) * (breadth // 4), width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(n_samples, n_features)` to the outputs and logits of :class:`GatedHead`."""
        images = x.unflatten(1, self.image_shape).movedim(-1, 1).contiguous()
        return self.head(torch.stack([encode(images) for encode in self.encoders]))


class ImagePushForward(BasePushForward):
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
    n_members : int, default=2
        Size of the ensemble. All members are trained at once and their maps averaged, in place of restarts with the
        best one kept.
    dropout : float, default=0.3
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

    _parameter_constraints: dict = {**BasePushForward._parameter_constraints, "image_shape": [tuple, list]}

    def __init__(
        self,
        image_shape,
        *,
        max_epochs=20,
        learning_rate=2e-3,
        weight_decay=1e-2,
        width=256,
        rank=8,
        n_members=2,
        dropout=0.3,
        batch_size=64,
        validation_fraction=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.width = width
        self.rank = rank
        self.n_members = n_members
        self.dropout = dropout
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check_features(self, n_features: int) -> None:
        shape = tuple(self.image_shape)
        if len(shape) not in (2, 3) or min(shape[:2]) < 4 or np.prod(shape) != n_features:
            raise ValueError(
                "image_shape must be (height, width) or (height, width, channels), at least 4×4, and hold the "
                f"{n_features} features of X; got {self.image_shape!r}."
            )

    def _fit_input_scaler(self, X: np.ndarray) -> StandardScaler:
        # One mean and scale for all pixels: convolutions expect neighbours to be comparable.
        scaler = super()._fit_input_scaler(X)
        mean, scale = X.mean(dtype=np.float64), X.std(dtype=np.float64) or 1.0
        scaler.mean_, scaler.scale_ = np.full_like(scaler.mean_, mean), np.full_like(scaler.scale_, scale)
        return scaler

    def _build(self, X: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> tuple[type[nn.Module], dict, list]:
        parameters = {
            "means": class_means(Z, labels),
            "image_shape": (*self.image_shape, 1)[:3],
            "n_members": self.n_members,
            "width": self.width,
            "rank": self.rank,
            "dropout": self.dropout,
        }
        return ConvolutionalNet, parameters, []
