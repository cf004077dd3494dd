"""The contract that all push-forward regressors share."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skflow.pushforward import ImagePushForward, SmoothPushForward, TabularPushForward

NETS = [
    pytest.param(ImagePushForward((4, 6), max_epochs=np.int64(3), random_state=0), id="grey"),
    pytest.param(ImagePushForward((6, 5, 3), max_epochs=3, batch_size=np.int64(8), random_state=0), id="colour"),
]
CLOSED_FORMS = [
    pytest.param(TabularPushForward(random_state=0), id="tabular"),
    pytest.param(SmoothPushForward(random_state=0), id="smooth"),
]
each_net = pytest.mark.parametrize("regressor", NETS)
each_closed_form = pytest.mark.parametrize("regressor", CLOSED_FORMS)
each_regressor = pytest.mark.parametrize("regressor", NETS + CLOSED_FORMS)


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


@each_net
def test_another_seed_is_another_net(regressor):
    X, Z, labels = particles(regressor)
    first = clone(regressor).fit(X, Z, labels).predict(X)
    other = clone(regressor).set_params(random_state=1).fit(X, Z, labels).predict(X)
    assert not np.array_equal(first, other)


@each_net
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
    if isinstance(regressor, ImagePushForward):
        regressor = clone(regressor).set_params(max_epochs=10)
    predicted = clone(regressor).fit(X, Z, labels).predict(X)
    assert np.isfinite(predicted).all()
    assert_allclose(predicted[:, 3], 4.0, atol=1.0)
    assert np.isfinite(clone(regressor).fit(0 * X, 0 * Z, labels).predict(X)).all()


@each_net
def test_held_out_rows_choose_the_epoch(regressor):
    """Where the final positions are noise, the less was learnt the better."""
    X, Z, _ = particles(regressor, n_samples=40)
    Z = np.random.default_rng(1).normal(size=Z.shape)
    long = clone(regressor).set_params(max_epochs=40, dropout=0.0)
    new = np.random.default_rng(2).normal(size=X.shape)
    spread = long.fit(X, Z).predict(new).var(axis=0).sum()
    assert long.n_iter_ == len(long.loss_curve_) == 40
    assert long.set_params(validation_fraction=0.25).fit(X, Z).predict(new).var(axis=0).sum() < 0.5 * spread


@each_regressor
def test_what_is_wrong_is_said(regressor):
    X, Z, labels = particles(regressor)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"):
        clone(regressor).fit(X, Z[1:], labels)
    with pytest.raises(ValueError, match=r"labels must have shape \(60,\), .* got \(59,\)"):
        clone(regressor).fit(X, Z, labels[1:])
    with pytest.raises(ValueError, match="contains NaN"):
        clone(regressor).fit(np.where(X > 1, np.nan, X), Z, labels)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        clone(regressor).fit(X, np.where(Z > 1, np.nan, Z), labels)
    with pytest.raises(ValueError, match="device='tpu9' is not available here"):
        clone(regressor).set_params(device="tpu9").fit(X, Z, labels)
    with pytest.raises(ValueError, match="device='meta' holds no numbers"):
        clone(regressor).set_params(device="meta").fit(X, Z, labels)
    with pytest.raises(NotFittedError):
        clone(regressor).predict(X)
    with pytest.raises(ValueError, match="features"):
        clone(regressor).fit(X, Z, labels).predict(X[:, 1:])


@pytest.mark.parametrize(
    "image_shape", [(5, 5), (24,), (3, 8), (2, 2, 2, 3), (4, 6, 2), (-4, -6), (4.0, 6.0), (True, 24)]
)
def test_an_image_shape_that_does_not_fit_is_named(image_shape):
    X = np.zeros((5, 24))
    with pytest.raises(ValueError, match="image_shape"):
        ImagePushForward(image_shape).fit(X, X)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("rank", -1, "rank"),
        ("smooth", "autp", "Did you mean 'auto'"),
        ("max_centres", 0, "max_centres"),
        ("gate", 3, "gate"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameter, value, message):
    X = np.zeros((5, 2))
    with pytest.raises(ValueError, match=message):
        TabularPushForward(**{parameter: value}).fit(X, X)


@each_regressor
def test_other_columns_and_a_single_one(regressor):
    X, Z, labels = particles(regressor)
    fitted = clone(regressor).fit(X, Z[:, :5], labels)
    assert fitted.predict(X[:7]).shape == (7, 5)
    assert clone(regressor).fit(X, Z[:, 0], labels).predict(X[:7]).shape == (7,)


@each_regressor
@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode, "float64"])
def test_surroundings_of_torch_change_no_bit(regressor, surroundings):
    X, Z, labels = particles(regressor)
    expected = clone(regressor).fit(X, Z, labels).predict(X)
    if surroundings == "float64":
        torch.set_default_dtype(torch.float64)
        try:
            found = clone(regressor).fit(X, Z, labels).predict(X)
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        with surroundings():
            found = clone(regressor).fit(X, Z, labels).predict(X)
    assert_array_equal(found, expected)


@each_regressor
def test_numpy_may_raise_on_all_floating_point_errors(regressor):
    X, Z, labels = particles(regressor)
    with np.errstate(all="raise"):
        clone(regressor).fit(X, Z, labels).predict(X)


@each_regressor
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30])
def test_units_change_nothing(regressor, scale):
    X, Z, labels = particles(regressor)
    expected = clone(regressor).fit(X, Z, labels).predict(X)
    found = clone(regressor).fit(scale * X, scale * Z, labels).predict(scale * X)
    assert_allclose(found / scale, expected, rtol=1e-4, atol=1e-4)


@each_regressor
def test_offsets_change_nothing(regressor):
    X, Z, labels = particles(regressor)
    offset = 1e9 if isinstance(regressor, ImagePushForward) else 1e9 * np.arange(X.shape[1])
    expected = clone(regressor).fit(X, Z, labels).predict(X)
    found = clone(regressor).fit(X + offset, Z + offset, labels).predict(X + offset) - offset
    assert_allclose(found, expected, atol=1e-3)


@each_regressor
def test_a_row_of_weight_zero_is_no_row(regressor):
    X, Z, labels = particles(regressor)
    weights = np.where(np.arange(len(X)) < 50, 1.0, 0.0)
    weighted = clone(regressor).fit(X, Z, labels, sample_weight=weights)
    assert_array_equal(weighted.predict(X), clone(regressor).fit(X[:50], Z[:50], labels[:50]).predict(X))
    with pytest.raises(ValueError, match="[Ss]ample weights"):
        clone(regressor).fit(X, Z, labels, sample_weight=0 * weights)


@each_regressor
@pytest.mark.parametrize("fails", [KeyboardInterrupt, ValueError])
def test_a_fit_that_fails_leaves_the_old_one_or_none(regressor, fails, monkeypatch):
    X, Z, labels = particles(regressor)
    fresh, fitted = clone(regressor), clone(regressor).fit(X, Z, labels)
    expected = fitted.predict(X)

    def fail(*args, **kwargs):
        raise fails

    # Late in the fit: the last step of a net's first epoch, or what the closed forms end with.
    if isinstance(regressor, ImagePushForward):
        monkeypatch.setattr("skorch.NeuralNet.on_epoch_end", fail)
    else:
        monkeypatch.setattr(type(regressor), "_assemble", fail)
    other = np.random.default_rng(1).normal(size=(len(X), X.shape[1]))
    for estimator in (fresh, fitted):
        with pytest.raises(fails):
            estimator.fit(other, Z[:, :3], labels % 2)
    monkeypatch.undo()
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert_array_equal(fitted.predict(X), expected)


def test_training_that_blows_up_says_so():
    X, Z, labels = particles(ImagePushForward((4, 6)))
    with pytest.raises(ValueError, match=r"blew up.*weight_decay=1000000000\.0"):
        ImagePushForward((4, 6), weight_decay=1e9).fit(X, Z, labels)


def test_validation_fraction_without_a_row():
    X, Z, labels = particles(ImagePushForward((4, 6)))
    with pytest.raises(ValueError, match=r"validation_fraction=1e-09 of 60 particles is 0 held-out rows"):
        ImagePushForward((4, 6), validation_fraction=1e-9).fit(X, Z, labels)


def test_places_that_are_not_finite_are_refused():
    X, Z, labels = particles(TabularPushForward(), dtype=np.float32)
    fitted = TabularPushForward(random_state=0).fit(X, Z, labels)
    with pytest.raises(ValueError, match="1 of 2 rows are carried to places that are not finite"):
        fitted.predict(np.array([np.full(24, 3e38), np.zeros(24)], np.float32))


@each_closed_form
def test_more_features_than_rows_take_no_time(regressor):
    X = np.random.default_rng(0).normal(size=(20, 2000))
    fitted = clone(regressor).fit(X, X + 1, np.arange(20) % 2)
    assert_allclose(fitted.predict(X), X + 1, atol=1e-6)


@each_closed_form
def test_check_estimator(regressor):
    """All checks but two that call the second argument of `fit` y, and one on targets of a single column."""
    from sklearn.utils.estimator_checks import check_estimator

    its_own = {"check_fit_score_takes_y", "check_sample_weight_equivalence_on_dense_data", "check_supervised_y_2d"}
    results = check_estimator(clone(regressor), on_fail=None)
    assert {result["check_name"] for result in results if result["status"] == "failed"} <= its_own
