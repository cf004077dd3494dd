"""The contract that both push-forward regressors share."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skflow.pushforward import ImagePushForward, TabularPushForward

REGRESSORS = [
    pytest.param(TabularPushForward(max_epochs=3, random_state=0), id="tabular"),
    pytest.param(ImagePushForward((4, 6), max_epochs=3, random_state=0), id="grey"),
    pytest.param(ImagePushForward((6, 5, 3), max_epochs=3, random_state=0), id="colour"),
]
each_regressor = pytest.mark.parametrize("regressor", REGRESSORS)


def particles(regressor, n_samples=60, dtype=np.float64):
    n_features = int(np.prod(getattr(regressor, "image_shape", (24,))))
    X = np.random.default_rng(0).normal(size=(n_samples, n_features)).astype(dtype)
    labels = np.arange(n_samples) % 3
    return X, (1 - X + 5 * labels[:, None]).astype(dtype), labels


@each_regressor
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype_are_those_of_the_input(regressor, dtype):
    X, Z, labels = particles(regressor, dtype=dtype)
    predicted = clone(regressor).fit(X, Z, labels).predict(X[:7])
    assert predicted.shape == (7, X.shape[1])
    assert predicted.dtype == dtype
    assert np.isfinite(predicted).all()


@each_regressor
def test_same_seed_gives_the_same_bits_and_the_global_generator_is_left_alone(regressor):
    X, Z, labels = particles(regressor)
    first = clone(regressor).fit(X, Z, labels).predict(X)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    second = clone(regressor).fit(X, Z, labels).predict(X)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(first, second)
    other = clone(regressor).set_params(random_state=1).fit(X, Z, labels).predict(X)
    assert not np.array_equal(first, other)


@each_regressor
def test_a_generator_as_random_state_moves_on(regressor):
    X, Z, labels = particles(regressor)
    regressor = clone(regressor).set_params(random_state=np.random.RandomState(0))
    first = regressor.fit(X, Z, labels).predict(X)
    assert not np.array_equal(first, regressor.fit(X, Z, labels).predict(X))


@each_regressor
def test_a_row_does_not_depend_on_its_neighbours(regressor):
    X, Z, labels = particles(regressor)
    fitted = clone(regressor).fit(X, Z, labels)
    many = np.tile(X, (20, 1))  # more rows than a chunk of the inference
    whole = fitted.predict(many)
    order = np.random.default_rng(1).permutation(len(many))
    assert_allclose(fitted.predict(many[order]), whole[order], rtol=1e-9, atol=1e-9)
    assert_allclose(fitted.predict(X[3:4]), whole[3:4], rtol=1e-9, atol=1e-9)
    assert_allclose(fitted.predict(X[::2]), whole[: len(X) : 2], rtol=1e-9, atol=1e-9)
    assert_allclose(fitted.predict(X.astype(np.float32)), whole[: len(X)], rtol=1e-3, atol=1e-3)


@each_regressor
def test_predicting_changes_nothing_and_pickles_agree(regressor):
    X, Z, labels = particles(regressor)
    fitted = clone(regressor).fit(X, Z, labels)
    size = len(pickle.dumps(fitted))
    expected = fitted.predict(X)
    assert len(pickle.dumps(fitted)) == size  # the copies for inference stay behind
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), expected)


@each_regressor
def test_users_arrays_are_left_alone(regressor):
    arrays = particles(regressor)
    for a in arrays:
        a.setflags(write=False)
    copies = [a.copy() for a in arrays]
    clone(regressor).fit(*arrays).predict(arrays[0])
    for a, b in zip(arrays, copies):
        assert_array_equal(a, b)


@each_regressor
def test_labels_of_any_kind_say_the_same(regressor):
    X, Z, labels = particles(regressor)
    expected = clone(regressor).fit(X, Z, labels).predict(X)
    for renamed in (labels - 1, np.array(["a", "b", "c"])[labels], np.array(["a", "b", "c"], dtype=object)[labels]):
        fitted = clone(regressor).fit(X, Z, renamed)
        assert_array_equal(fitted.classes_, np.unique(renamed))
        assert_array_equal(fitted.predict(X), expected)


@each_regressor
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_samples", [1, 2, 10])
def test_few_particles(regressor, n_samples):
    X, Z, labels = particles(regressor, n_samples=n_samples)
    for y in (labels, np.zeros(n_samples, int), np.arange(n_samples), None):
        assert np.isfinite(clone(regressor).fit(X, Z, y).predict(X)).all()


@each_regressor
@pytest.mark.filterwarnings("error")
def test_a_class_with_one_sample_and_constant_features(regressor):
    X, Z, labels = particles(regressor)
    labels[labels == 2] = 0
    labels[5] = 2
    X[:, 3] = 4.0
    Z[:, 3] = 4.0
    predicted = clone(regressor).set_params(max_epochs=30).fit(X, Z, labels).predict(X)
    assert np.isfinite(predicted).all()
    assert_allclose(predicted[:, 3], 4.0, atol=1.0)
    assert np.isfinite(clone(regressor).fit(0 * X, 0 * Z, labels).predict(X)).all()


@each_regressor
def test_held_out_rows_choose_the_epoch(regressor):
    """Where the final positions are noise, the less was learnt the better."""
    X, Z, _ = particles(regressor, n_samples=40)
    Z = np.random.default_rng(1).normal(size=Z.shape)
    long = clone(regressor).set_params(max_epochs=60, dropout=0.0)
    new = np.random.default_rng(2).normal(size=X.shape)
    spread = long.fit(X, Z).predict(new).var(axis=0).sum()
    assert long.n_iter_ == len(long.loss_curve_) == 60
    assert long.set_params(validation_fraction=0.25).fit(X, Z).predict(new).var(axis=0).sum() < 0.5 * spread


@each_regressor
def test_what_is_wrong_is_said(regressor):
    X, Z, labels = particles(regressor)
    with pytest.raises(ValueError, match=rf"Z must have the shape of X, \(60, {X.shape[1]}\); got \(60, 4\)"):
        clone(regressor).fit(X, Z[:, :4], labels)
    with pytest.raises(ValueError, match=r"labels must have shape \(60,\), .* got \(59,\)"):
        clone(regressor).fit(X, Z, labels[1:])
    with pytest.raises(ValueError, match="contains NaN"):
        clone(regressor).fit(np.where(X > 1, np.nan, X), Z, labels)
    with pytest.raises(ValueError, match=r"'n_members' parameter .* Got 0"):
        clone(regressor).set_params(n_members=0).fit(X, Z, labels)
    with pytest.raises(ValueError, match="device='tpu9' is not available here"):
        clone(regressor).set_params(device="tpu9").fit(X, Z, labels)
    with pytest.raises(NotFittedError):
        clone(regressor).predict(X)
    with pytest.raises(ValueError, match="features"):
        clone(regressor).fit(X, Z, labels).predict(X[:, 1:])


@pytest.mark.parametrize("image_shape", [(5, 5), (24,), (3, 8), (2, 2, 2, 3), (4, 6, 2), (-4, -6), "46"])
def test_an_image_shape_that_does_not_fit_is_named(image_shape):
    X = np.zeros((5, 24))
    with pytest.raises(ValueError, match="image_shape"):
        ImagePushForward(image_shape).fit(X, X)
