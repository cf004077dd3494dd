import numpy as np
import ot
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from skflow.alignment import AffineMap, Identity, Invariance, Pair, PlanMoments, Translation, align, alternate, schedule
from skflow.alignment._plan_step import PlanStep


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.RandomState(7).permutation(len(X))
    target, source, unseen = order[:400], order[400:800], order[1400:]
    return X[target] / 16, y[target], X[source] / 16, y[source], X[unseen] / 16, y[unseen]


@pytest.fixture(scope="module")
def frozen(digits):
    T, t, *_ = digits
    return SVC(C=5.0).fit(T, t)


def rotated(Z):
    return Z @ np.linalg.qr(np.random.RandomState(11).randn(64, 64))[0]


def mirrored(Z):
    return 1 - Z.reshape(-1, 8, 8)[:, :, ::-1].reshape(len(Z), -1)


def r2(Z, true):
    return 1 - ((Z - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum()


@pytest.fixture(scope="module")
def turned(digits):
    T, _, S, *_ = digits
    return align(rotated(S), T, invariance="orthogonal")


def test_a_rotation_is_found_without_labels(digits, frozen, turned):
    *_, U, u = digits
    Z = turned.transform(rotated(U))
    assert frozen.score(rotated(U), u) < 0.3
    assert frozen.score(Z, u) > frozen.score(U, u) - 0.02
    assert r2(Z, U) > 0.85
    assert turned.verdict == "aligned"


def test_an_orthogonal_alignment_can_be_undone(digits, turned):
    *_, U, _ = digits
    np.testing.assert_allclose(turned.inverse_transform(turned.transform(rotated(U))), rotated(U), atol=1e-9)
    np.testing.assert_allclose(turned.transform(U), U @ turned.matrix + turned.offset, atol=1e-9)
    np.testing.assert_allclose(turned.matrix @ turned.matrix.T, np.eye(64), atol=1e-9)


def test_the_answer_follows_units_offsets_and_the_order_of_rows(digits, turned):
    T, _, S, _, U, _ = digits
    order = np.random.RandomState(0).permutation(len(S))
    again = align(1e9 * rotated(S)[order] + 1e10, 1e9 * T[::-1] - 1e10, invariance="orthogonal")
    Z = (again.transform(1e9 * rotated(U) + 1e10) + 1e10) / 1e9
    np.testing.assert_allclose(Z, turned.transform(rotated(U)), atol=1e-3)


def test_auto_finds_a_mirror_image_exactly_and_leaves_what_fits(digits):
    T, t, S, *_, U, _ = digits
    mirror = align(mirrored(S), T, y_target=t)
    assert mirror.invariance == "permutation"
    assert r2(mirror.transform(mirrored(U)), U) > 0.98
    assert align(S, T, y_target=t).verdict == "identity"


def test_a_change_of_class_proportions_is_no_movement(digits):
    T, t, S, s, *_ = digits
    kept = (s < 5) | (np.random.RandomState(0).rand(len(s)) < 0.2)
    alignment = align(S[kept], T, y_target=t, invariance=["identity", "translation", "gaussian"])
    assert alignment.verdict == "identity"
    assert alignment.candidates[0].proportions_change > 0.2


@pytest.mark.parametrize("codes", ["full", "parity", "a tenth"])
def test_labels_of_any_kind_are_used(digits, frozen, codes):
    T, t, S, s, U, u = digits
    y = {"full": s, "parity": s % 2, "a tenth": np.where(np.arange(len(s)) % 10 == 0, s, -1)}[codes]
    alignment = align(
        rotated(S), T, y=y, y_target=t % 2 if codes == "parity" else t, invariance=["identity", "orthogonal"]
    )
    assert frozen.score(alignment.transform(rotated(U)), u) > frozen.score(U, u) - 0.02


def test_other_columns(digits, frozen):
    T, t, S, _, U, u = digits
    some = np.random.RandomState(0).permutation(64)[:52]
    alignment = align(S[:, some], T, y_target=t)
    Z = alignment.transform(U[:, some])
    assert Z.shape == U.shape
    assert frozen.score(Z, u) > 0.9


def test_noise_is_not_found(digits):
    T, t, *_ = digits
    noise = np.random.RandomState(0).rand(200, 64) ** 3
    assert align(noise, T, y_target=t, invariance=["translation", "diagonal"]).verdict == "not found"


def test_the_plan_is_pots_where_both_marginals_are_held(digits):
    T, _, S, *_ = digits
    X, Y = S[:60] - S[:60].mean(0), T[:50] - T[:50].mean(0)
    a, b = np.full(60, 1 / 60), np.full(50, 1 / 50)
    reg = 0.5
    identity = AffineMap(np.zeros(64), np.zeros(64))
    plan = PlanStep(Pair(X, Y, a, b), rho=1e6, n_iter=2000)(X, identity, reg)
    C = ot.dist(X, Y)
    P = ot.sinkhorn(a, b, C, reg, numItermax=5000, stopThr=1e-10)
    np.testing.assert_allclose(plan.images(), P @ Y / a[:, None], atol=1e-4)
    np.testing.assert_allclose(plan.columns, b, atol=1e-6)
    assert plan.cost == pytest.approx((P * C).sum(), rel=1e-4)


def test_where_all_labels_are_known_classes_of_any_size_are_problems_of_their_own(digits):
    T, _, S, *_ = digits
    X, Y = S[:60] - S[:60].mean(0), T[:50] - T[:50].mean(0)
    y, t = np.repeat([0, 1, 2, 3], [20, 14, 14, 12]), np.repeat([3, 2, 1, 0], [9, 13, 13, 15])
    a = 1 / (4 * np.bincount(y)[y])
    b = 1 / (4 * np.bincount(t)[t])
    plan = PlanStep(Pair(X, Y, a, b, y, t), rho=1e6, n_iter=2000)(X, AffineMap(np.zeros(64), np.zeros(64)), 0.5)
    assert len(plan.kernel) == 4
    C = ot.dist(X, Y)
    P = ot.sinkhorn(a, b, C + 1e3 * (y[:, None] != t), 0.5, numItermax=5000, stopThr=1e-10, method="sinkhorn_log")
    np.testing.assert_allclose(plan.images(), P @ Y / a[:, None], atol=1e-4)
    np.testing.assert_allclose(plan.columns, b, atol=1e-6)
    assert plan.cost == pytest.approx((P * C).sum(), rel=1e-4)


def test_forbidden_pairs_are_not_coupled():
    X, Y = np.zeros((2, 1)), np.array([[0.0], [1.0]])
    half = np.full(2, 0.5)
    pair = Pair(X, Y, half, half, np.array([1, -1]), np.array([1, 0]))
    images = PlanStep(pair, 1.0, 50)(X, AffineMap(np.zeros(1), np.zeros(1)), 1.0).images()
    assert images[0, 0] == pytest.approx(0)
    assert images[1, 0] > 0.3


class Shrink(Invariance):
    """A user's own class: halves every row."""

    def fit(self, moments):
        zero = np.zeros(moments.n_features[0])
        return type(Translation().fit(moments))(zero, zero, (np.full(len(zero), 0.5),))

    def n_parameters(self, n_features, n_features_target):
        return 0


def test_a_users_own_class():
    Y = np.random.RandomState(0).randn(80, 2)
    alignment = align(2 * Y, Y - Y.mean(0), invariance=[Identity(), Shrink()])
    assert alignment.invariance == "Shrink"


def test_seeds_and_monitor(digits):
    T, _, S, *_ = digits
    first, second = (align(rotated(S)[:100], T[:100], invariance="orthogonal", seed=3, max_starts=16) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)
    seen = []
    pair = Pair(S[:50], T[:50], np.full(50, 0.02), np.full(50, 0.02))
    start = Translation().fit(_moments(pair))
    alternate(pair, Translation(), start, schedule(0.1, 0.01, 9), monitor=lambda k, v: seen.append((k, v)) or k == 2)
    assert [k for k, _ in seen] == [0, 1, 2]


def _moments(pair):
    return PlanMoments.of_marginals(pair.X, pair.Y)


def test_surroundings_do_not_matter(digits):
    T, t, S, *_ = digits
    arguments = {"y_target": t[:120], "invariance": ["translation", "orthogonal"], "max_starts": 16}
    plain = align(rotated(S)[:120], T[:120], **arguments)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), np.errstate(all="raise"):
            again = align(rotated(S)[:120], T[:120], **arguments)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(again.matrix, plain.matrix)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"invariance": "orthogonel"}, "Did you mean 'orthogonal'"),
        ({"invariance": "diagonal", "X": np.ones((4, 2))}, "same columns"),
        ({"invariance": []}, "invariance"),
        ({"y": [0.5] * 5}, "y must be"),
        ({"sample_weight": [-1.0] * 5}, "sample_weight"),
        ({"X": np.full((5, 3), np.nan)}, "X must be finite"),
        ({"X": np.full((5, 3), 1e200)}, "X must be below"),
        ({"X_target": np.ones(3)}, "X_target must have shape"),
    ],
)
def test_errors_name_the_parameter(arguments, named):
    given = {"X": np.random.RandomState(0).randn(5, 3), "X_target": np.random.RandomState(1).randn(6, 3)} | arguments
    with pytest.raises(ValueError, match=named):
        align(**given)


def test_tiny_and_constant_data():
    Y = np.random.RandomState(0).randn(3, 2)
    for X in (Y[:1], Y[:2], np.ones((4, 2))):
        assert np.isfinite(align(X, Y, max_starts=8).transform(X)).all()
    ones = np.ones((20, 3))
    np.testing.assert_allclose(align(ones, ones, max_starts=8).transform(ones), ones)


def test_classes_of_few_rows():
    random = np.random.RandomState(0)
    X, Y = random.randn(9, 2), random.randn(8, 2)
    for y in ([0, 1, 2] * 3, [5] * 9, [0] + [-1] * 8):
        assert np.isfinite(align(X, Y, y=y, y_target=[0, 1] * 4).transform(X)).all()


def test_sides_whose_squares_are_no_numbers_together_are_refused():
    X, Z = np.random.RandomState(0).randn(2, 20, 3)
    with np.errstate(all="raise"), pytest.raises(ValueError, match="X lies .* times the spread of X_target"):
        align(X, 1e-155 * Z)
    with np.errstate(all="raise"), pytest.raises(ValueError, match="X_target has .* times the spread of X"):
        align(1e-155 * X, Z)


@pytest.mark.parametrize("units", [1e-60, 1e20, 1e60])
@pytest.mark.parametrize("invariance", ["translation", "orthogonal", "gaussian", "auto"])
def test_sides_of_very_different_units(invariance, units):
    """Maps that keep units lead nowhere then, and are finite; "auto" knows one that does not."""
    X = np.random.RandomState(0).randn(20, 2)
    found = align(units * X, X, invariance=invariance)
    assert np.isfinite(found.transform(units * X)).all()
    if invariance == "auto":
        assert found.transform(units * X).std() == pytest.approx(X.std(), rel=0.5)


def test_a_source_of_one_class():
    """It is coupled with that class of the target alone."""
    random = np.random.RandomState(0)
    Y, t = random.randn(60, 2) + 8 * (np.arange(60) % 3)[:, None], np.arange(60) % 3
    found = align(Y[t == 1] + 5, Y, y=[1] * 20, y_target=t, invariance="translation")
    np.testing.assert_allclose(found.offset, -5, atol=0.1)


def test_units_are_found_without_bias_though_classes_have_become_rarer():
    random = np.random.RandomState(0)
    centres, gains = 4 * random.randn(2, 6), np.array([1, 2, 0.5, 3, 0.7, 1.3])

    def side(share):
        labels = (random.rand(1500) < share).astype(int)
        return centres[labels] + random.exponential(size=(1500, 6)), labels

    (X, _), (Y, y_target) = side(0.2), side(0.5)
    found = align(X * gains, Y, y_target=y_target, invariance="diagonal")
    np.testing.assert_allclose(np.diag(found.matrix) * gains, 1, atol=0.05)
    # Tails are heavy: rows that are far out find no counterpart, and are no reason for a smaller gain.
    heavy, more = (np.exp(random.exponential(size=(1500, 6)) / 4) for _ in range(2))
    found = align(heavy * gains, more, y_target=np.zeros(1500, int), invariance="diagonal")
    np.testing.assert_allclose(np.diag(found.matrix), more.std(0) / (heavy * gains).std(0), rtol=1e-6)
