"""Spectra by another instrument: each change is undone without pairs or labels, and nothing is made of nothing."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from sklearn.cross_decomposition import PLSRegression

from skflow import DomainAligner, Reference
from skflow.alignment import Spectral

CHANNELS = np.arange(60)


def spectra(n, seed):
    """Mixtures of five bands in scattering samples, with noise, and how much of the third there is."""
    rng = np.random.default_rng(seed)
    bands = np.array([np.exp(-(((CHANNELS - c) / w) ** 2) / 2) for c, w in zip((8, 18, 27, 40, 52), (5, 4, 6, 3, 5))])
    amounts = rng.uniform(0.2, 1.2, (n, 5))
    X = rng.normal(1, 0.15, (n, 1)) * (amounts @ bands) + rng.normal(0, 0.2, (n, 1))
    return X + 2e-3 * rng.normal(size=X.shape), amounts[:, 2]


def warped(X, shift):
    return CubicSpline(CHANNELS, X, axis=1)(CHANNELS + shift)


CHANGES = {
    "none": lambda X: X,
    "shift": lambda X: warped(X, 0.8),
    "resolution": lambda X: gaussian_filter1d(X, 1.5, axis=1),
    "slope": lambda X: X + 0.1 + 0.2 * CHANNELS / 60,
    "gain": lambda X: 1.2 * X,
    "all": lambda X: 0.9 * gaussian_filter1d(warped(X, -0.6), 1.0, axis=1) + 0.1 - 0.1 * CHANNELS / 60,
}
X_REF, Y_REF = spectra(120, 0)
X_SRC, _ = spectra(80, 1)
X_NEW, Y_NEW = spectra(150, 2)
MODEL = PLSRegression(8, scale=False).fit(X_REF, Y_REF)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_undone_without_labels(change):
    change = CHANGES[change]
    aligner = DomainAligner(Reference(X_REF, Y_REF), invariance=Spectral(), random_state=0).fit(change(X_SRC))
    assert MODEL.score(aligner.transform(change(X_NEW)), Y_NEW) > MODEL.score(X_NEW, Y_NEW) - 0.03
    inside = slice(3, -3)
    error = np.sqrt(np.square(aligner.transform(change(X_NEW)) - X_NEW)[:, inside].mean())
    assert error < 0.2 * X_NEW.std(axis=0).mean()


def test_changes_harm_where_nothing_is_done():
    for name in ("shift", "resolution", "slope", "gain", "all"):
        assert MODEL.score(CHANGES[name](X_NEW), Y_NEW) < MODEL.score(X_NEW, Y_NEW) - 0.02


def test_units_and_offsets_do_not_matter():
    change = CHANGES["gain"]
    carried = []
    for unit in (1.0, 1e4):
        aligner = DomainAligner(Reference(unit * X_REF, Y_REF), invariance=Spectral(), random_state=0)
        carried.append(aligner.fit(unit * change(X_SRC)).transform(unit * change(X_NEW)) / unit)
    np.testing.assert_allclose(carried[0], carried[1], atol=1e-3)


def test_of_two_rows_the_mean_alone_is_known():
    aligner = DomainAligner(Reference(X_REF, None), invariance=Spectral(), random_state=0).fit(X_SRC[:2] + 1)
    moved = aligner.transform(X_NEW) - X_NEW
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)
    assert -1.5 < moved.mean() < -0.5


def test_to_flat_spectra_rows_are_shifted():
    flat = DomainAligner(Reference(np.ones((30, 60)), None), invariance=Spectral(), random_state=0).fit(X_SRC)
    np.testing.assert_allclose(flat.transform(X_SRC).mean(0), 1.0, atol=1e-8)


@pytest.mark.parametrize(("parameter", "value"), [("degree", -1), ("n_components", 0), ("margin", 0.5)])
def test_parameters_are_checked(parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}'"):
        DomainAligner(Reference(X_REF, None), invariance=Spectral(**{parameter: value})).fit(X_SRC)
