"""The OTDD as a functional: exact values, gradients, the two sides' symmetries, and classes that are kept apart."""

from contextlib import contextmanager
from functools import partial

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torch.overrides import TorchFunctionMode

from skflow.flow import Particles
from skflow.functionals import OTDDFunctional
from skflow.transport import LABEL_DISTANCES, Dense
from tests._data import array, labelled, tensor
from tests._tolerances import EXACT_OTDD, GRADIENT, ROUNDING

ALL_FRESH = {"marginal_tol": 1e-11, "refresh_tol": 0.0}
every_label_distance = pytest.mark.parametrize("label_distance", LABEL_DISTANCES)
Functional = partial(OTDDFunctional, **ALL_FRESH)

# Between few points that lie apart, Sinkhorn's steps to oneself are small: where `debias` is tested to the last digit,
# `reg` is large.
REG, DEBIASED_REG = 0.1, 0.5


def particles(X, y, class_weight="balanced", device="cpu", dtype=torch.float64):
    return Particles.from_arrays(X, y, class_weight=class_weight, device=device, dtype=dtype)


def evaluate(functional, at):
    bound = functional.bind(at)
    derivative = bound.evaluate(at)
    assert bound.converged
    return derivative


def value(functional, X, y, **kwargs):
    return evaluate(functional, particles(X, y, **kwargs)).value.item()


def gradient(functional, X, y, **kwargs):
    """In the order of the data."""
    at = particles(X, y, **kwargs)
    return array(at.in_data_order(evaluate(functional, at).features))


def weights_of(y, class_weight):
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[codes]) if class_weight == "balanced" else np.full(len(y), 1 / len(y))


def class_distance(x, z, kind):
    """Squared W2 between the samples of two classes, or what stands for them."""
    means = ((x.mean(0) - z.mean(0)) ** 2).sum()
    if kind == "means":
        return means
    if kind == "gaussian-diag":
        return means + ((x.std(0) - z.std(0)) ** 2).sum()
    if kind == "exact":
        return ot.emd2([], [], ot.dist(x, z))
    S, T = (np.cov(v.T, bias=True) for v in (x, z))
    return ot.gaussian.bures_wasserstein_distance(x.mean(0), z.mean(0), S, T) ** 2


def dense_cost(source, target, kind="gaussian", label_weight=1.0):
    """The ground cost of section 3.3, entry by entry."""
    (X, y), (Z, u) = source, target
    cost = cdist(X, Z, "sqeuclidean")
    for k in np.unique(y):
        for l in np.unique(u):
            cost[np.ix_(y == k, u == l)] += label_weight * class_distance(X[y == k], Z[u == l], kind)
    return cost


def assert_gradient(functional, at, seed=0, h=1e-4):
    """Central differences along random directions."""
    bound = functional.bind(at)
    derivative, generator = bound.evaluate(at), torch.Generator().manual_seed(seed)
    assert bound.converged
    for _ in range(2):
        direction = torch.randn(at.x.shape, generator=generator, dtype=at.x.dtype).to(at.x.device)
        ahead, behind = (bound.evaluate(at.moved(at.x + s * direction)).value.item() for s in (h, -h))
        expected = (ahead - behind) / (2 * h)
        assert (derivative.features * direction).sum().item() == pytest.approx(expected, rel=GRADIENT)


# Values


@every_label_distance
@pytest.mark.parametrize("class_weight", ["balanced", None])
@pytest.mark.parametrize("label_weight", [0.0, 1.0, 3.0])
def test_exact_value_is_pots_on_the_whole_cost(label_distance, class_weight, label_weight, device):
    source, target = labelled(40, 3, 3), labelled(30, 3, 2, seed=1)
    functional = Functional(
        target, reg=0, label_distance=label_distance, class_weight=class_weight, label_weight=label_weight,
        correspondence="coupling", weight=0.7,
    )  # fmt: skip
    a, b = weights_of(source[1], class_weight), weights_of(target[1], class_weight)
    expected = 0.7 * ot.emd2(a, b, dense_cost(source, target, label_distance, label_weight))
    actual = value(functional, *source, class_weight=class_weight, device=device)
    assert actual == pytest.approx(expected, rel=EXACT_OTDD)


@pytest.mark.parametrize("reg_scale", ["relative", "absolute"])
@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_entropic_value_is_pots_on_the_whole_cost(class_weight, reg_scale, device):
    """``<P, C> + reg KL(P | a x b)``, and a relative `reg` is a fraction of the mean cost."""
    source, target = labelled(40, 3, 3), labelled(30, 3, 2, seed=1)
    a, b = weights_of(source[1], class_weight), weights_of(target[1], class_weight)
    cost = dense_cost(source, target)
    reg = 0.1 * (a @ cost @ b if reg_scale == "relative" else 10.0)
    plan = ot.sinkhorn(a, b, cost, reg, method="sinkhorn_log", numItermax=100_000, stopThr=1e-13)
    expected = (plan * cost).sum() + reg * (plan * np.log(plan / np.outer(a, b))).sum()
    functional = Functional(
        target, reg=0.1 if reg_scale == "relative" else reg, reg_scale=reg_scale, class_weight=class_weight,
        correspondence="coupling",
    )  # fmt: skip
    at = particles(*source, class_weight, device)
    bound = functional.bind(at)
    assert bound.reg == pytest.approx(reg, rel=1e-9)
    assert bound.evaluate(at).value.item() == pytest.approx(expected, rel=EXACT_OTDD)
    mass = [[plan[np.ix_(source[1] == k, target[1] == l)].sum() for l in range(2)] for k in range(3)]
    np.testing.assert_allclose(array(bound.coupling), mass, atol=1e-8)


def test_unequal_class_sizes_weigh_as_asked():
    """Two points against one at each end of a line: balanced they match, unweighted a third of the mass crosses."""
    source = np.array([[0.0], [0.0], [1.0]]), np.array([0, 0, 1])
    target = np.array([[0.0], [1.0], [1.0]]), np.array([0, 1, 1])
    for class_weight, expected in (("balanced", 0.0), (None, (1 + 1) / 3)):
        functional = Functional(target, reg=0, correspondence="coupling", class_weight=class_weight)
        assert value(functional, *source, class_weight=class_weight) == pytest.approx(expected, abs=1e-12)


@every_label_distance
@pytest.mark.parametrize("correspondence", ["coupling", "same"])
@settings(deadline=None, max_examples=8)
@given(shift=st.lists(st.floats(-100, 100), min_size=3, max_size=3), seed=st.integers(0, 100))
def test_otdd_of_a_shifted_dataset_is_known(label_distance, correspondence, shift, seed):
    """Features move by t and so do the classes: ``(1 + label_weight) ||t||^2``."""
    X, y = labelled(20, 3, 2, seed=seed)
    for label_weight in (1.0, 0.5):
        functional = Functional(
            (X + shift, y), reg=0, label_distance=label_distance, label_weight=label_weight,
            correspondence=correspondence,
        )  # fmt: skip
        expected = (1 + label_weight) * np.dot(shift, shift)
        assert value(functional, X, y) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_of_single_points_is_the_distance_of_features_and_of_classes():
    X, Z = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    for reg in (0, 0.3):
        assert value(Functional((Z, [1]), reg=reg), X, [0]) == pytest.approx(50)


# Gradients


@every_label_distance
@pytest.mark.parametrize("correspondence", ["coupling", "same"])
@pytest.mark.parametrize(
    ("debias", "reg"), [(False, 0.0), (False, REG), (True, 0.0), (True, DEBIASED_REG)]
)  # fmt: skip
@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_gradient_is_that_of_the_value(label_distance, correspondence, debias, reg, class_weight, device):
    functional = Functional(
        labelled(12, 3, 2, seed=1), reg=reg, label_distance=label_distance, correspondence=correspondence,
        debias=debias, class_weight=class_weight, label_weight=1.7, weight=0.6,
    )  # fmt: skip
    assert_gradient(functional, particles(*labelled(15, 3, 2), class_weight, device))


@pytest.mark.filterwarnings("ignore:The target has no class 2")
@pytest.mark.parametrize("correspondence", ["assignment", {0: 1, 1: 0, 2: 1}, "auto"])
@pytest.mark.parametrize("debias", [False, True])
def test_gradient_where_classes_are_matched_or_merged(correspondence, debias, device):
    k = 3 if correspondence == "assignment" else 2
    reg = DEBIASED_REG if debias else REG
    functional = Functional(labelled(12, 3, k, seed=1), reg=reg, correspondence=correspondence, debias=debias)
    assert_gradient(functional, particles(*labelled(15, 3, 3), device=device))


@every_label_distance
@pytest.mark.parametrize(
    ("debias", "reg"), [(False, 0.0), (False, REG), (True, 0.0), (True, DEBIASED_REG)]
)  # fmt: skip
def test_gradient_at_singular_covariances(label_distance, debias, reg, device):
    """Eight dimensions, classes of one, two and three points."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(6, 8)), rng.normal(size=(5, 8))
    functional = Functional(
        (target, [0, 0, 1, 1, 1]), reg=reg, label_distance=label_distance, correspondence="coupling", debias=debias
    )
    assert_gradient(functional, particles(source, np.array([0, 1, 1, 2, 2, 2]), device=device))


@pytest.mark.parametrize("debias", [False, True])
def test_without_label_path_the_gradient_follows_the_features_alone(debias, device):
    """Plans made with label distances, and nothing but ``2 (a_i x_i - sum_j pi_ij x'_j)`` of them."""
    source, target = labelled(15, 3, 2), labelled(12, 3, 2, seed=1)
    functional = Functional(
        target, reg=30.0, reg_scale="absolute", correspondence="coupling", debias=debias, label_path=False
    )

    def pull(other, b):
        plan = ot.sinkhorn(
            a, b, dense_cost(source, other), 30.0, method="sinkhorn_log", numItermax=10**5, stopThr=1e-13
        )
        return 2 * (a[:, None] * source[0] - plan @ other[0])

    a, b = (weights_of(labels, "balanced") for _, labels in (source, target))
    expected = pull(target, b) - (pull(source, a) if debias else 0)
    np.testing.assert_allclose(gradient(functional, *source, device=device), expected, atol=1e-8)


# Debiasing


@every_label_distance
@pytest.mark.parametrize("correspondence", ["coupling", "same"])
@pytest.mark.parametrize("reg", [0.0, DEBIASED_REG, 1.0])
def test_debiased_is_nothing_at_the_target(label_distance, correspondence, reg, device):
    """Value and gradient, in any order of the rows; where it is not debiased, the value is well away from zero."""
    X, y = labelled(20, 3, 2)
    order = np.random.default_rng(0).permutation(20)
    functional = Functional(
        (X[order], y[order]), reg=reg, label_distance=label_distance, correspondence=correspondence, debias=True
    )
    derivative = evaluate(functional, particles(X, y, device=device))
    assert abs(derivative.value.item()) <= 1e-8
    assert derivative.features.abs().max().item() <= 1e-7
    if reg > 0:
        assert value(functional.set_params(debias=False), X, y) > 1e-2


def test_debiased_subtracts_half_the_self_transports(device):
    source, target = labelled(15, 3, 2), labelled(12, 3, 2, seed=1)

    def cost(one, other):
        functional = Functional(other, reg=30.0, reg_scale="absolute", correspondence="coupling")
        return value(functional, *one, device=device)

    debiased = Functional(target, reg=30.0, reg_scale="absolute", correspondence="coupling", debias=True)
    expected = cost(source, target) - cost(source, source) / 2 - cost(target, target) / 2
    assert value(debiased, *source, device=device) == pytest.approx(expected, rel=1e-8)


# Invariances

TARGET = labelled(12, 3, 2, seed=1)
SETTINGS = [  # whatever is drawn, Sinkhorn converges to the last digit
    {"correspondence": "coupling", "reg": 0.5},
    {"correspondence": "coupling", "reg": 1.0, "debias": True, "label_distance": "means"},
    {"correspondence": "same", "reg": 0.0},
    {"correspondence": "assignment", "reg": 0.5, "label_distance": "exact"},
]
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
drawn = given(st.integers(0, 2**16))
few = settings(deadline=None, max_examples=6)


def assert_same(one, other, turn=lambda g: g):
    """Two (functional, X, y): values alike, and gradients up to `turn`."""
    assert value(*other) == pytest.approx(value(*one), rel=1e-8)
    np.testing.assert_allclose(gradient(*other), turn(gradient(*one)), atol=1e-7)


@every_setting
@few
@drawn
def test_order_of_rows_does_not_matter(setting, seed):
    (X, y), (Z, u), rng = labelled(15, 3, 2, seed=seed), TARGET, np.random.default_rng(seed)
    p, q = rng.permutation(len(y)), rng.permutation(len(u))
    shuffled = Functional((Z[q], u[q]), **setting)
    assert_same((Functional(TARGET, **setting), X, y), (shuffled, X[p], y[p]), lambda g: g[p])


@every_setting
@few
@drawn
def test_names_of_classes_do_not_matter(setting, seed):
    """Beyond which equals which: whatever their type, and in any order."""
    (X, y), (Z, u) = labelled(15, 3, 2, seed=seed), TARGET
    for names in (["b", "a"], [7, -1], [0.5, 0.25]):
        renamed = Functional((Z, np.array(names)[u]), **setting)
        assert_same((Functional(TARGET, **setting), X, y), (renamed, X, np.array(names)[y]))


@every_setting
@few
@drawn
def test_rotations_of_both_do_not_matter(setting, seed):
    (X, y), (Z, u) = labelled(15, 3, 2, seed=seed), TARGET
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    assert_same((Functional(TARGET, **setting), X, y), (Functional((Z @ R, u), **setting), X @ R, y), lambda g: g @ R)


@every_setting
@few
@given(shift=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
def test_translations_of_both_do_not_matter(setting, shift):
    (X, y), (Z, u) = labelled(15, 3, 2), TARGET
    assert_same((Functional(TARGET, **setting), X, y), (Functional((Z + shift, u), **setting), X + shift, y))


@every_setting
@few
@given(scale=st.floats(1e-3, 1e3))
def test_units_do_not_matter_where_reg_is_relative(setting, scale):
    """The value is in squared units of the features, the gradient in units."""
    (X, y), (Z, u) = labelled(15, 3, 2), TARGET
    one, other = (Functional(TARGET, **setting), X, y), (Functional((scale * Z, u), **setting), scale * X, y)
    assert value(*other) == pytest.approx(scale**2 * value(*one), rel=1e-8)
    np.testing.assert_allclose(gradient(*other), scale * gradient(*one), atol=1e-7 * scale)


@every_label_distance
def test_float32_far_from_the_origin_is_float64_at_it(label_distance, device):
    """Features of mean 1000 and spread one, which float32 holds to 3e-5."""
    (X, y), (Z, u) = labelled(40, 3, 3), labelled(30, 3, 3, seed=1)
    far = OTDDFunctional((Z + 1000, u), label_distance=label_distance)
    near = OTDDFunctional((Z, u), label_distance=label_distance)
    got = evaluate(far, particles(X + 1000, y, device=device, dtype=torch.float32))
    expected = evaluate(near, particles(X, y, device=device))
    assert got.value.item() == pytest.approx(expected.value.item(), rel=1e-3)
    assert (got.features - expected.features).norm() <= 1e-3 * expected.features.norm()


# Classes that are kept apart


@every_label_distance
@pytest.mark.parametrize("class_weight", ["balanced", None])
@pytest.mark.parametrize("reg", [0.0, 2.0])
def test_hard_correspondence_is_the_sum_of_one_problem_a_class(label_distance, class_weight, reg, device):
    """Also where two classes go to the same one."""
    (X, y), (Z, u), mapping = labelled(30, 3, 3), labelled(20, 3, 2, seed=1), {0: 1, 1: 0, 2: 1}
    options = {"reg": reg, "reg_scale": "absolute", "label_distance": label_distance}
    at = particles(X, y, class_weight, device)
    bound = Functional((Z, u), correspondence=mapping, class_weight=class_weight, **options).bind(at)
    whole, expected, pieces = bound.evaluate(at), 0.0, np.zeros_like(X)
    for k, l in mapping.items():
        rows, cols = y == k, u == l
        mass = weights_of(y, class_weight)[rows].sum()
        alone = Functional((Z[cols], u[cols]), correspondence={k: l}, **options)
        expected += mass * value(alone, X[rows], y[rows])
        pieces[rows] = mass * gradient(alone, X[rows], y[rows])
        assert bound.coupling[k, l].item() == pytest.approx(mass)
    assert whole.value.item() == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(array(at.in_data_order(whole.features)), pieces, atol=1e-9)
    assert bound.coupling.sum().item() == pytest.approx(1)


def test_assignment_takes_the_nearest_classes_whatever_their_names(device):
    """Classes a and b of the source lie where y and x of the target do."""
    centres, rng = np.array([[0.0, 0.0], [20.0, 0.0]]), np.random.default_rng(0)
    codes = np.arange(20) % 2
    X, Z = centres[codes] + rng.normal(size=(20, 2)), centres[1 - codes] + rng.normal(size=(20, 2))
    at = particles(X, np.array(["a", "b"])[codes], device=device)
    bound = Functional((Z, np.array(["x", "y"])[codes]), reg=0.1).bind(at)
    bound.evaluate(at)
    assert bound.mapping.tolist() == [1, 0]
    torch.testing.assert_close(bound.coupling, tensor([[0, 0.5], [0.5, 0]], device))


def test_too_tight_a_tolerance_is_not_called_converged():
    at = particles(*labelled(15, 3, 2))
    bound = OTDDFunctional(TARGET, reg=1e-4, solver=Dense(tol=1e-13, max_iter=20), correspondence="coupling").bind(at)
    bound.evaluate(at)
    assert not bound.converged
    assert bound.marginal_error > 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_marginal_error_is_within_the_tolerance_asked_for(dtype, device):
    at = particles(*labelled(40, 3, 3), device=device, dtype=dtype)
    bound = OTDDFunctional(labelled(30, 3, 2, seed=1), marginal_tol=1e-2, correspondence="coupling").bind(at)
    bound.evaluate(at)
    assert bound.converged
    assert bound.marginal_error <= 1e-2
    torch.testing.assert_close(bound.coupling.sum(1), at.mass, rtol=ROUNDING[dtype], atol=0)
    assert (bound.coupling.sum(0) - bound.target.mass).abs().sum().item() <= 1e-2 + ROUNDING[dtype]


# What is refused, and what must not matter


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reg": -1}, "'reg' parameter of OTDDFunctional .* Got -1"),
        ({"reg": np.nan}, "'reg' parameter"),
        ({"reg_scale": "relativ"}, "'reg_scale' parameter .*Did you mean 'relative'"),
        ({"solver": "dens"}, "'solver' parameter .*Did you mean 'dense'"),
        ({"solver": Dense(tol=-1)}, "'tol' parameter of Dense"),
        ({"label_distance": "gauss"}, "'label_distance' parameter"),
        ({"label_weight": -0.5}, "'label_weight' parameter"),
        ({"correspondence": "sam"}, "'correspondence' parameter .*Did you mean 'same'"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"marginal_tol": 0}, "'marginal_tol' parameter"),
        ({"refresh_tol": -1}, "'refresh_tol' parameter"),
        ({"weight": np.inf}, "'weight' parameter"),
        ({"class_weight": "balance"}, "'class_weight' parameter .*Did you mean 'balanced'"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        OTDDFunctional(TARGET, **parameters).bind(particles(*labelled(15, 3, 2)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3, "'target' parameter of OTDDFunctional"),
        ((np.ones((4, 3)),), "target is to be a pair"),
        ((np.ones((4, 3)), [0, 1, 0]), "one label a row, got shape .3,. for 4 rows"),
        ((np.ones(4), [0, 1, 0, 1]), "2-D array of numbers, got shape .4,."),
        ((np.array([["a"]]), [0]), "2-D array of numbers"),
        ((np.ones((4, 2)), [0, 1, 0, 1]), "target has 2 features, but the particles have 3"),
        ((np.empty((0, 3)), []), "one label a row"),
        ((np.array([[1.0, 2, 3], [4, np.nan, 6]]), [0, 1]), "not finite: row 1, column 1 is nan"),
    ],
)
def test_targets_that_are_none_are_named(target, message):
    functional, (X, y) = OTDDFunctional(target), labelled(15, 3, 2)
    with pytest.raises(ValueError, match=message):
        functional.bind(particles(X, y))
    if isinstance(target, tuple):
        with pytest.raises(ValueError, match=message):
            functional.in_coordinates(X, rotate=True)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"correspondence": "coupling"}, {"batch_size": 5, "correspondence": "coupling"}, {"debias": True}, {"reg": 0},
     {"solver": "tiled"}, {"solver": "exact"}, {"label_distance": "gaussian-diag"}, {"label_distance": "exact"}],
    ids=str,
)  # fmt: skip
def test_torchs_surroundings_do_not_matter(parameters):
    """Default dtype, no gradients, inference mode: the same bits."""

    def derivatives():
        at = particles(*labelled(30, 3, 2), dtype=torch.float32)
        bound, found = OTDDFunctional(TARGET, **parameters).bind(at), []
        for _ in range(3):
            found.append(bound.evaluate(at))
            at = at.moved(at.x - 0.1 * found[-1].features / at.a[:, None])
        return torch.stack([d.value for d in found]), torch.cat([d.features for d in found])

    expected = derivatives()
    for surroundings in (torch.no_grad, torch.inference_mode, enable_float64):
        with surroundings():
            got = derivatives()
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == torch.float32
            assert torch.equal(one, other)


@contextmanager
def enable_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("correspondence", ["same", "coupling"])
def test_batches_of_many_small_classes(correspondence):
    at = particles(*labelled(40, 3, 20))
    bound = OTDDFunctional(labelled(40, 3, 20, seed=1), batch_size=4, correspondence=correspondence).bind(at)
    assert bound.evaluate(at).features.isfinite().all()


def test_many_small_classes_are_one_problem():
    """The number of operations does not grow with that of the classes."""

    def calls(k):
        y, rng = np.arange(3 * k) % k, np.random.default_rng(0)
        at = particles(rng.normal(size=(3 * k, 16)), y, dtype=torch.float32)
        bound = Functional((rng.normal(size=(3 * k, 16)), y), solver=Dense(max_iter=10)).bind(at)
        assert len(bound._blocks) == 1
        with CountCalls() as calls:
            bound.evaluate(at)
        return calls.n_calls

    assert calls(300) < 1.2 * calls(20)


class CountCalls(TorchFunctionMode):
    n_calls = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.n_calls += 1
        return function(*args, **(kwargs or {}))
