"""Data, frozen models and shifts of the accuracy tables: what every figure in them shares.

The data sets are ``.npz`` files with ``X_train, y_train, X_test, y_test`` (``--data DIR``), or are fetched from OpenML
(``--data openml``), where the draw of rows differs, and so do the figures a little.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA = ROOT / ".." / "shared" / "data"

# name: OpenML's id, rows of the data set's own training part, image side
OPENML = {
    "mnist": (554, 60_000, 28),
    "fashion_mnist": (40996, 60_000, 28),
    "kmnist": (41982, 60_000, 28),
    "usps": (41082, 7_291, 16),
}


def add_data_argument(parser):
    """``--data DIR``, the same for every script."""
    parser.add_argument(
        "--data",
        default=str(DEFAULT_DATA),
        metavar="DIR",
        help="folder of the .npz files (default: ../shared/data beside the checkout), or 'openml' to fetch them",
    )


def load_images(name, data=DEFAULT_DATA):
    """Images in [0, 1], ``(n, height, width)`` in float64, and labels from 0: ``X_train, y_train, X_test, y_test``."""
    if str(data) == "openml":
        return _from_openml(name)
    path = Path(data) / f"{name}.npz"
    if not path.exists():
        raise SystemExit(
            f"No file {path.name} in {Path(data).resolve()}. Name the folder that holds the .npz files with "
            "--data DIR, or fetch the data with --data openml."
        )
    with np.load(path, allow_pickle=False) as z:
        return z["X_train"] / 255.0, z["y_train"], z["X_test"] / 255.0, z["y_test"]


def _from_openml(name, n_train=5000, n_test=2000):
    """The data set's own training and test part; of a large one a stratified draw, of USPS all."""
    data_id, split, side = OPENML[name]
    X, y = fetch_openml(data_id=data_id, return_X_y=True, as_frame=False)
    X = (X - X.min()) / (X.max() - X.min())  # USPS comes in [-1, 1], the others in [0, 255]
    X = X.reshape(-1, side, side)
    y = np.unique(y.astype(int), return_inverse=True)[1]  # USPS counts from 1
    parts = [(X[:split], y[:split]), (X[split:], y[split:])]
    if name != "usps":
        parts = [
            train_test_split(X, y, train_size=size, stratify=y, random_state=0)[::2]
            for (X, y), size in zip(parts, (n_train, n_test), strict=True)
        ]
    return *parts[0], *parts[1]


def flat(images):
    """Float32 rows."""
    return images.reshape(len(images), -1).astype("float32")


def load(name, data=DEFAULT_DATA):
    """Flattened float32 images in [0, 1]: ``X_train, y_train, X_test, y_test``."""
    X, y, X_test, y_test = load_images(name, data)
    return flat(X), y, flat(X_test), y_test


def load_usps(data=DEFAULT_DATA, centred=False):
    """USPS at 28×28: resized to the full frame (the paper), or to 20×20 and centred (MNIST's own form)."""
    resize = _centre if centred else _stretch
    X, y, X_test, y_test = load_images("usps", data)
    return flat(resize(X)), y, flat(resize(X_test)), y_test


def _stretch(images):
    return F.interpolate(torch.tensor(images)[:, None], size=(28, 28), mode="bilinear").numpy()[:, 0]


def _centre(images):
    small = np.stack([zoom(image, 20 / 16, order=1) for image in images])
    return np.clip(np.pad(small, ((0, 0), (4, 4), (4, 4))), 0, 1)


class SmallCNN(nn.Module):
    """Two convolutions and three dense layers on 28×28 images (LeNet-5's shape)."""

    def __init__(self, n_classes=10):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(800, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, n_classes),
        )

    def forward(self, x):
        return self.net(x.view(-1, 1, 28, 28))


class FrozenCNN:
    """A trained network as scikit-learn's tools see a classifier: `predict`, `predict_proba`, `score`."""

    def __init__(self, net, classes):
        self.net, self.classes_ = net, classes

    @torch.no_grad()
    def predict_proba(self, X):
        batches = torch.tensor(np.asarray(X, dtype="float32")).split(500)
        return torch.cat([self.net(batch) for batch in batches]).softmax(1).numpy()

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]

    def score(self, X, y):
        return float(np.mean(self.predict(X) == y))


def train_cnn(X, y, n_classes=10, epochs=12, seed=0):
    """A small CNN trained on flattened 28×28 images; on the MNIST training rows it is the frozen model."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = SmallCNN(n_classes)
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        X, y = torch.tensor(X), torch.tensor(y)
        for _ in range(epochs):
            for batch in torch.randperm(len(X)).split(64):
                loss = F.cross_entropy(net(X[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return FrozenCNN(net.eval(), np.arange(n_classes))


def digit_shifts(seed):
    """Yield ``name, X, y, X_test, y_test, X_target, y_target`` for five shifts of scikit-learn's digits.

    The target is one half of the digits. The source is the other half, shifted; a third of it is held out.
    """
    X, y = load_digits(return_X_y=True)
    X = (X / 16.0).astype("float32")
    target, source = train_test_split(np.arange(len(X)), test_size=0.5, random_state=seed, stratify=y)
    train, test = train_test_split(source, test_size=1 / 3, random_state=seed, stratify=y[source])
    permutation = np.random.RandomState(seed + 7).permutation(64)

    def rot90(Z):
        return np.rot90(Z.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy()

    def contrast_noise(Z):
        noise = 0.1 * np.random.RandomState(seed).randn(*Z.shape)
        return np.clip(0.4 * Z + 0.3 + noise, 0, 1).astype("float32")

    shifts = {
        "rot90": rot90,
        "invert": lambda Z: 1 - Z,
        "permute": lambda Z: Z[:, permutation],
        "contrast+noise": contrast_noise,
    }
    for name, shift in shifts.items():
        yield name, shift(X[train]), y[train], shift(X[test]), y[test], X[target], y[target]

    # Class frequencies shift too: of the digits from 5 up, one in four is left.
    random = np.random.RandomState(seed)
    train, test = (rows[(y[rows] < 5) | (random.rand(len(rows)) < 0.25)] for rows in (train, test))
    yield "invert+prior", 1 - X[train], y[train], 1 - X[test], y[test], X[target], y[target]


def hospitals(data):
    """Rows, labels and hospitals of the heart disease data, NaN where a value is missing."""
    with np.load(Path(data) / "heart_disease.npz", allow_pickle=False) as z:
        X, y, domain = z["X"].astype(float), z["y"], z["domain"]
        cholesterol = z["feature_names"].tolist().index("chol")
        names = z["domain_names"].tolist()
    X[X[:, cholesterol] == 0, cholesterol] = np.nan  # zero means missing
    return X, y, domain, names


def few_labels(y, k, seed, unlabelled=-1):
    """`y` with all but `k` rows of each class set to `unlabelled`."""
    random = np.random.RandomState(seed)
    known = np.full(len(y), unlabelled)
    for label in np.unique(y):
        rows = random.choice(np.flatnonzero(y == label), k, replace=False) if k else []
        known[rows] = label
    return known
