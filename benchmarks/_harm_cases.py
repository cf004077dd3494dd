"""Shifts of small data sets, and the frozen models of what they were before: what ``no_harm.py`` is measured on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter, rotate, sobel
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from _protocol import hospitals, load, load_usps

MODELS = {
    "logistic": LogisticRegression(max_iter=1000),
    "SVC": SVC(C=5.0),
    "neighbours": KNeighborsClassifier(5),
    "forest": RandomForestClassifier(100, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
}
TABLES = {"cancer": load_breast_cancer, "wine": load_wine}


@dataclass
class Home:
    """The data that the frozen models know."""

    X: np.ndarray
    y: np.ndarray
    names: tuple[str, ...] = tuple(MODELS)

    @cached_property
    def models(self):
        return {name: clone(MODELS[name]).fit(self.X, self.y) for name in self.names}


@dataclass
class Case:
    """One shift: rows of the source, training rows and unseen ones, and where the models are at home."""

    data: str
    shift: str
    kind: str
    """"none", "geometric" (one map for all rows), "frequencies", "other", or "hospital"."""
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    home: Home = field(repr=False)

    @property
    def name(self):
        return f"{self.data} {self.shift}"


def shifted(data, shifts, X, y, seed, names, sizes=(0.5, 1 / 3)):
    """Cases of one data set: `shifts` are ``{name: (kind, function of rows)}``; home is one share of the rows."""
    at_home, source = train_test_split(np.arange(len(X)), test_size=sizes[0], random_state=seed, stratify=y)
    train, test = train_test_split(source, test_size=sizes[1], random_state=seed, stratify=y[source])
    home, random = Home(X[at_home], y[at_home], names), np.random.RandomState(seed)
    for name, (kind, shift) in shifts.items():
        rows = train, test
        if name == "frequencies":  # of the upper half of the classes, one row in four is left
            few = y >= (y.max() + 1) / 2
            rows = tuple(part[~few[part] | (random.rand(len(part)) < 0.25)] for part in rows)
        if name in ("missing here", "missing there"):
            gone = int(random.randint(y.max() + 1))
            there = Home(*(part[home.y != gone] for part in (home.X, home.y)), names)
            here = tuple(part[y[part] != gone] for part in rows)
            a, b = here if name == "missing here" else rows
            yield Case(data, name, kind, X[a], y[a], X[b], y[b], home if name == "missing here" else there)
            continue
        yield Case(data, name, kind, shift(X[rows[0]]), y[rows[0]], shift(X[rows[1]]), y[rows[1]], home)


def same(Z):
    return Z


def digits(seed, names=tuple(MODELS)) -> Iterator[Case]:
    X, y = load_digits(return_X_y=True)
    X = (X / 16.0).astype("float32")
    random = np.random.RandomState(seed)
    order, gain = random.permutation(64), random.uniform(0.4, 1.6, 64).astype("float32")
    shifts = {
        "none": ("none", same),
        "rot90": ("geometric", lambda Z: np.rot90(Z.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy()),
        "invert": ("geometric", lambda Z: 1 - Z),
        "permute": ("geometric", lambda Z: Z[:, order]),
        "gain": ("geometric", lambda Z: Z * gain),
        "blur": ("other", lambda Z: _images(Z, lambda image: gaussian_filter(image, 0.7))),
        "contrast+noise": (
            "other",
            lambda Z: np.clip(0.4 * Z + 0.3 + 0.1 * random.randn(*Z.shape), 0, 1).astype("float32"),
        ),
        "frequencies": ("frequencies", same),
        "missing here": ("frequencies", same),
    }
    yield from shifted("digits", shifts, X, y, seed, names)


def tables(seed, names=tuple(MODELS), loaders=None) -> Iterator[Case]:
    for data, loader in (loaders or TABLES).items():
        X, y = loader(return_X_y=True)
        random, d = np.random.RandomState(seed), X.shape[1]
        turn = np.linalg.qr(random.randn(d, d))[0]
        unit, offset = np.exp(0.5 * random.randn(d)), random.randn(d)
        mix = np.eye(d) + 0.3 * random.randn(d, d) / np.sqrt(d)
        noisy = random.permutation(d) < d // 2
        shifts = {
            "none": ("none", same),
            "rotation": ("geometric", lambda Z, turn=turn: Z @ turn),
            "units": ("geometric", lambda Z, unit=unit, offset=offset: Z * unit + offset),
            "frequencies": ("frequencies", same),
            "covariance": ("geometric", lambda Z, mix=mix: Z @ mix),
            "half noisy": ("other", lambda Z, noisy=noisy, random=random: Z + noisy * random.randn(*Z.shape)),
        }
        at_home = train_test_split(np.arange(len(X)), test_size=0.6, random_state=seed, stratify=y)[0]
        yield from shifted(data, shifts, StandardScaler().fit(X[at_home]).transform(X), y, seed, names, (0.6, 0.4))


def heart(seed, data, names=tuple(MODELS)) -> Iterator[Case]:
    """Twelve ordered pairs of hospitals; half of the rows of the one that is not at home are unseen."""
    X, y, domain, hospital = hospitals(data)
    for s in range(len(hospital)):
        at_home = domain == s
        prepare = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(X[at_home])
        home = Home(prepare.transform(X[at_home]), y[at_home], names)
        for t in range(len(hospital)):
            if s != t:
                rows, labels = prepare.transform(X[domain == t]), y[domain == t]
                parts = train_test_split(rows, labels, test_size=0.5, random_state=seed, stratify=labels)
                X_train, X_test, y_train, y_test = parts
                yield Case("heart", f"{hospital[s]}→{hospital[t]}", "hospital", X_train, y_train, X_test, y_test, home)


def fashion(seed, data, names=tuple(MODELS), n=1000) -> Iterator[Case]:
    X, y, X_test, y_test = load("fashion_mnist", data)
    rows = np.random.RandomState(seed).permutation(len(X))
    home = Home(X[rows[:n]], y[rows[:n]], names)
    train, test = rows[n : 2 * n], slice(n)
    shifts = {
        "none": ("none", same),
        "rot30": ("geometric", lambda image: rotate(image, 30, reshape=False, order=1)),
        "edges": ("other", lambda image: np.clip(np.hypot(sobel(image, 0), sobel(image, 1)) / 4, 0, 1)),
        "blur": ("other", lambda image: gaussian_filter(image, 1.5)),
        "invert": ("geometric", lambda image: 1 - image),
    }
    for name, (kind, shift) in shifts.items():
        moved = [Z if shift is same else _images(Z, shift) for Z in (X[train], X_test[test])]
        yield Case("fashion", name, kind, moved[0], y[train], moved[1], y_test[test], home)


def usps(seed, data, names=tuple(MODELS), n=1000) -> Iterator[Case]:
    sides = {"USPS": load_usps(data), "MNIST": load("mnist", data)}
    for source, there in (("USPS", "MNIST"), ("MNIST", "USPS")):
        (X, y, X_test, y_test), (X_home, y_home, _, _) = sides[source], sides[there]
        rows, at_home = (np.random.RandomState(seed).permutation(len(Z))[:n] for Z in (X, X_home))
        home = Home(X_home[at_home], y_home[at_home], names)
        yield Case("images", f"{source}→{there}", "other", X[rows], y[rows], X_test[:n], y_test[:n], home)


def letters(seed, data, names=tuple(MODELS)) -> Iterator[Case]:
    """Letters A to J, turned by 90°."""
    X, y, X_test, y_test = load("nist_letters", data)
    (X, y), (X_test, y_test) = ((Z[of < 10], of[of < 10]) for Z, of in ((X, y), (X_test, y_test)))
    at_home, train = train_test_split(np.arange(len(X)), test_size=0.5, random_state=seed, stratify=y)

    def turned(Z):
        return np.rot90(Z.reshape(-1, 28, 28), axes=(1, 2)).reshape(-1, 784).copy()

    home = Home(X[at_home], y[at_home], names)
    yield Case("letters", "rot90", "geometric", turned(X[train]), y[train], turned(X_test), y_test, home)


def _images(Z, change):
    side = int(np.sqrt(Z.shape[1]))
    return np.stack([change(row.reshape(side, side)).ravel() for row in Z]).astype("float32")
