"""Label distances of every kind: brute force, staleness, and their gradients."""

import numpy as np
import ot
import pytest
import torch

from skflow.transport import (
    LABEL_DISTANCES,
    Features,
    LabelledPoints,
    TransportPlan,
    bures_wasserstein,
    class_factor,
    label_distance_matrix,
    make_label_cost,
    matched_label_distances,
)
from skflow.transport.label_costs import _couplings as label_couplings
from tests._data import array, points, tensor
from tests._tolerances import GRADIENT, ORACLE

CLASS_PLANS = ("gaussian", "exact")
FORMS = [(kind, False) for kind in LABEL_DISTANCES] + [(kind, True) for kind in CLASS_PLANS]
"""Label distances and whether the images of their plans are kept, rather than the plans."""
STALE = [(kind, by_image) for kind, by_image in FORMS if kind in CLASS_PLANS]


def brute_force(kind, x, w, z, u):
    """Squared W2 between two classes, by another library or in words."""
    mu, nu = w @ x, u @ z
    means = ((mu - nu) ** 2).sum()
    if kind == "means":
        return means
    if kind == "gaussian-diag":
        return means + ((np.sqrt(w @ (x - mu) ** 2) - np.sqrt(u @ (z - nu) ** 2)) ** 2).sum()
    if kind == "exact":
        return ot.emd2(w, u, ot.dist(x, z))
    S, T = ((y - m).T @ ((y - m) * v[:, None]) for y, m, v in ((x, mu, w), (z, nu, u)))
    return ot.gaussian.bures_wasserstein_distance(mu, nu, S, T) ** 2


def one_class(side, k):
    return array(side.x[side.slices[k]]), array(side.within[side.slices[k]])


def features(x, z):
    return Features(x, z, x.square().sum(1), z.square().sum(1), x @ z.T)


def no_plan(at, by_image):
    """A plan, or an image, to which nothing has been added yet."""
    zero = torch.zeros((), dtype=at.x.dtype)
    return TransportPlan(None if by_image else torch.zeros_like(at.inner), zero, 0.0, True, 0)


def sides(device="cpu", **kwargs):
    return points(40, k=3, device=device, **kwargs), points(35, k=2, seed=1, shift=1.0, device=device, **kwargs)


def tiny_classes(device="cpu"):
    """Six dimensions, classes of three points and fewer; class 0 is a single point on each side."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(6, 6)), rng.normal(size=(5, 6))
    y, u = torch.tensor([0, 1, 1, 2, 2, 2], device=device), torch.tensor([0, 1, 1, 1, 1], device=device)
    return tuple(
        LabelledPoints(tensor(p, device), c, tensor(rng.dirichlet(np.full(len(p), 5.0)), device))
        for p, c in ((x, y), (z, u))
    )


@pytest.mark.parametrize("kind", LABEL_DISTANCES)
def test_matrix_is_brute_force(kind, device):
    source, target = sides(device)
    expected = [[brute_force(kind, *one_class(source, k), *one_class(target, l)) for l in range(2)] for k in range(3)]
    np.testing.assert_allclose(array(label_distance_matrix(source, target, kind)), expected, rtol=ORACLE)


@pytest.mark.parametrize("of", [sides, tiny_classes])
@pytest.mark.parametrize(("kind", "by_image"), FORMS)
def test_fresh_cost_is_the_matrix(kind, by_image, of, device):
    source, target = of(device)
    cost, at = make_label_cost(kind, source, target, by_image=by_image), features(source.x, target.x)
    cost.refresh(at)
    torch.testing.assert_close(cost.distances(at), label_distance_matrix(source, target, kind), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("kind", "by_image"), FORMS)
def test_translation_adds_a_known_amount(kind, by_image, device):
    """``D + 2 t.(mu - nu) + ||t||^2``, and plans made before the translation remain right."""
    source, target = sides(device)
    t = tensor([1.0, -2.0, 3.0], device)
    shifts = source.class_means()[:, None] - target.class_means()
    expected = label_distance_matrix(source, target, kind) + 2 * shifts @ t + t @ t
    torch.testing.assert_close(label_distance_matrix(source.moved(source.x + t), target, kind), expected)
    cost = make_label_cost(kind, source, target, by_image=by_image)
    cost.refresh(features(source.x, target.x))
    torch.testing.assert_close(cost.distances(features(source.x + t, target.x)), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("kind", "by_image"), STALE)
def test_stale_distances_are_too_large_until_refreshed(kind, by_image, device):
    source, target = sides(device)
    cost, at = make_label_cost(kind, source, target, negligible=0.0, by_image=by_image), features(source.x, target.x)
    cost.refresh(at)
    mass = torch.outer(source.mass, target.mass)
    cost.pull_back(mass, at, no_plan(at, by_image), torch.zeros_like(source.a))  # keeps the plans
    moved, z = source.moved(source.x.square()), at.x_target
    at, exact = features(moved.x, z), label_distance_matrix(moved, target, kind)
    assert (cost.distances(at) > exact * (1 + 1e-6)).all()
    cost.refresh(at, every=False)
    torch.testing.assert_close(cost.distances(at), exact, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("kind", "by_image"), STALE)
def test_pairs_that_exchange_nothing_wait_for_a_refresh_of_all(kind, by_image, device):
    source, target = sides(device)
    cost, at = make_label_cost(kind, source, target, by_image=by_image), features(source.x, target.x)
    cost.refresh(at)
    mass = torch.tensor([[0.3, 0.0], [0.0, 0.3], [0.4, 0.0]], dtype=torch.float64, device=device)
    cost.pull_back(mass, at, no_plan(at, by_image), torch.zeros_like(source.a))
    moved, z = source.moved(source.x.square()), at.x_target
    at, exact = features(moved.x, z), label_distance_matrix(moved, target, kind)
    cost.refresh(at, every=False)
    fresh = torch.isclose(cost.distances(at), exact, rtol=1e-6)
    assert torch.equal(fresh, mass > 0)
    cost.refresh(at)
    torch.testing.assert_close(cost.distances(at), exact, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("d", [3, 40], ids=["more points than dimensions", "fewer"])
@pytest.mark.parametrize("by_image", [False, True])
def test_a_batch_of_pairs_gives_what_they_give_alone(by_image, d, monkeypatch, device):
    """Plans or images, of classes of unequal sizes."""
    source, target = points(60, d, 4, device=device), points(50, d, 3, seed=1, shift=1.0, device=device)
    at, kept = features(source.x, target.x), []
    for runs in (lambda sizes, *_: [range(len(sizes))], lambda sizes, *_: [range(i, i + 1) for i in range(len(sizes))]):
        monkeypatch.setattr(label_couplings, "batches", runs)
        cost = make_label_cost("gaussian", source, target, by_image=by_image)
        cost.follow(torch.outer(source.mass, target.mass), at)
        kept.append(cost.kept.couplings)
    together, alone = kept
    assert len(together) == 12
    assert list(together) == list(alone)
    for pair, coupling in together.items():
        torch.testing.assert_close(coupling, alone[pair], rtol=0, atol=1e-7 * alone[pair].abs().max().item())


@pytest.mark.parametrize("of", [sides, tiny_classes])
@pytest.mark.parametrize(("kind", "by_image"), FORMS)
def test_pull_back_is_the_gradient(kind, by_image, of, device):
    """Central differences of ``sum_kl mass_kl D_kl``."""
    source, target = of(device)
    mass = torch.rand(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)
    cost, at = make_label_cost(kind, source, target, negligible=0.0, by_image=by_image), features(source.x, target.x)
    cost.refresh(at)
    solved, row = no_plan(at, by_image), torch.zeros_like(source.a)
    cost.pull_back(mass, at, solved, row)
    image = solved.image_like(at.x) + (0 if by_image else solved.plan @ at.x_target)
    gradient = 2 * (row[:, None] * at.x - image)

    def value(x):
        return (mass * label_distance_matrix(source.moved(x), target, kind)).sum()

    generator, h = torch.Generator().manual_seed(1), 1e-5
    for _ in range(5):
        direction = torch.randn(source.x.shape, generator=generator, dtype=torch.float64).to(device)
        expected = (value(source.x + h * direction) - value(source.x - h * direction)) / (2 * h)
        torch.testing.assert_close((gradient * direction).sum(), expected, rtol=GRADIENT, atol=0)


def test_images_follow_a_target_that_moves(device):
    """As that of a debiased distance, which is the source itself."""
    source, target = sides(device)
    cost, at = make_label_cost("gaussian", source, target, negligible=0.0, by_image=True), features(source.x, target.x)
    cost.refresh(at)
    cost.follow(torch.outer(source.mass, target.mass), at)
    moved = target.moved(target.x.square())
    expected = label_distance_matrix(source, moved, "gaussian")
    torch.testing.assert_close(cost.distances(features(source.x, moved.x)), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", LABEL_DISTANCES)
def test_origin_does_not_matter_in_float32(kind, device):
    """Features of mean 1000 and spread 1, as measured in real units: float32 holds them to 3e-5."""
    source, target = (p.moved((p.x + 1000).float()) for p in sides(device))
    near = [LabelledPoints((p.x.double() - 1000).float(), p.y, p.a.float()) for p in (source, target)]
    far = [LabelledPoints(p.x, p.y, p.a.float()) for p in (source, target)]
    torch.testing.assert_close(
        label_distance_matrix(*far, kind), label_distance_matrix(*near, kind), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("kind", LABEL_DISTANCES)
def test_matched_distances_are_those_of_the_matrix(kind, device):
    """Classes of sizes that differ widely, several of which go to the same."""
    source, target = points(120, 5, 6, device=device), points(90, 5, 4, seed=1, device=device)
    goes_to = torch.tensor([3, 0, 0, 2, 1, 3], device=device)
    expected = label_distance_matrix(source, target, kind)[range(6), goes_to]
    torch.testing.assert_close(matched_label_distances(source, target, goes_to, kind), expected)


@pytest.mark.parametrize("kind", ["gaussian", "gaussian-diag", "means"])
def test_many_small_classes_are_what_they_are_alone(kind, device):
    """One operation on all classes against one operation each."""
    source, target = points(90, 6, 30, device=device), points(80, 6, 30, seed=1, device=device)
    assert source.has_small_classes
    matrix = label_distance_matrix(source, target, kind)
    for k, l in ((0, 0), (3, 17), (29, 29)):
        if kind == "gaussian":  # covariances are singular, which POT's roots do not like
            sides = (source, k), (target, l)
            moments = [class_factor(p.x[p.slices[c]], p.within[p.slices[c]]) for p, c in sides]
            expected = bures_wasserstein(*moments[0], *moments[1]).item()
        else:
            expected = brute_force(kind, *one_class(source, k), *one_class(target, l))
        assert matrix[k, l].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", CLASS_PLANS)
def test_matched_costs_are_the_diagonal_of_all_pairs(kind, device):
    """Values, and gradients, for large classes and small."""
    for n, k in ((100, 3), (60, 15)):
        source, target = points(n, 4, k, device=device), points(n, 4, k, seed=1, shift=1.0, device=device)
        at, found = features(source.x, target.x), []
        mass = torch.rand(k, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device).diag()
        for matched in (True, False):
            cost = make_label_cost(kind, source, target, negligible=0.0, by_image=True, matched=matched)
            cost.refresh(at)
            solved, row = no_plan(at, True), torch.zeros_like(source.a)
            cost.pull_back(mass, at, solved, row)
            found.append((cost.distances(at).diagonal(), solved.image, row))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
