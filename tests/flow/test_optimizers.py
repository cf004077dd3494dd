"""One step-size convention for every optimizer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skflow.flow import OPTIMIZERS, Adam, Auto, Euler, Momentum

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def velocities(n_steps=6, shape=(5, 3), seed=0, device="cpu"):
    """Noisy, with a drift that none of them is against: none asks momentum to start anew."""
    generator = torch.Generator().manual_seed(seed)
    return [1 + torch.randn(shape, generator=generator, dtype=torch.float64).to(device) for _ in range(n_steps)]


def path(optimizer, steps):
    return torch.stack([optimizer.displacement(v.clone()).clone() for v in steps])


@every_optimizer
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_constant_velocity_is_followed_at_its_own_speed(name, scale, device):
    """From the first step on: no warm-up, and no unit of its own."""
    v = scale * velocities(device=device)[0]
    steps = path(OPTIMIZERS[name]().start(0.3), [v] * 20)
    torch.testing.assert_close(steps.flatten(1).norm(dim=1), 0.3 * v.norm().expand(20))
    assert (steps * v >= 0).all()


@every_optimizer
def test_a_velocity_that_is_alike_in_all_coordinates_is_followed_exactly(name, device):
    v = torch.tensor([[2.0, -2.0], [-2.0, 2.0]], dtype=torch.float64, device=device)
    torch.testing.assert_close(path(OPTIMIZERS[name]().start(0.3), [v] * 5), (0.3 * v).expand(5, 2, 2))


@every_optimizer
@settings(deadline=None, max_examples=20)
@given(scale=st.floats(1e-8, 1e8), step_size=st.floats(1e-4, 10))
def test_displacements_scale_with_velocities_and_step_size(name, scale, step_size):
    steps = velocities()
    expected = scale * step_size * path(OPTIMIZERS[name]().start(1.0), steps)
    torch.testing.assert_close(path(OPTIMIZERS[name]().start(step_size), [scale * v for v in steps]), expected)


@every_optimizer
def test_no_velocity_is_no_displacement(name, device):
    zero = torch.zeros(4, 2, device=device)
    assert (path(OPTIMIZERS[name]().start(0.1), [zero] * 3) == 0).all()


def test_euler_forgets(device):
    steps = velocities(device=device)
    torch.testing.assert_close(path(Euler().start(0.1), steps), 0.1 * torch.stack(steps))


def test_momentum_is_a_weighted_mean_of_the_velocities_so_far(device):
    """Weights ``beta^(t - s) (1 - beta)``, and what is left of one for the first."""
    steps, beta = torch.stack(velocities(device=device)), Momentum().beta
    actual = path(Momentum().start(0.1), steps)
    for t in range(len(steps)):
        weights = torch.tensor([beta ** (t - s) * (1 - beta) for s in range(t + 1)], dtype=steps.dtype, device=device)
        weights[0] = beta**t
        assert weights.sum().item() == pytest.approx(1)
        torch.testing.assert_close(actual[t], 0.1 * torch.tensordot(weights, steps[: t + 1], dims=1))


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_what_points_uphill_is_forgotten(name, device):
    """A velocity against the average so far is followed as if it were the first."""
    steps = velocities(device=device)
    turned = [*steps, *(-10 * v for v in steps)]
    torch.testing.assert_close(
        path(OPTIMIZERS[name]().start(0.1), turned)[6:], -10 * path(OPTIMIZERS[name]().start(0.1), steps)
    )


def test_adam_has_the_direction_of_torchs(device):
    steps = velocities(device=device)
    parameter = torch.zeros_like(steps[0], requires_grad=True)
    reference = torch.optim.Adam([parameter], lr=1.0, betas=(Adam().beta1, Adam().beta2), eps=1e-300)
    first = torch.zeros_like(steps[0])
    for t, (v, ours) in enumerate(zip(steps, path(Adam().start(0.1), steps), strict=True), start=1):
        before = parameter.detach().clone()
        parameter.grad = -v.clone()
        reference.step()
        theirs = parameter.detach() - before
        torch.testing.assert_close(ours / ours.norm(), theirs / theirs.norm(), rtol=1e-6, atol=1e-9)
        first = Adam().beta1 * first + (1 - Adam().beta1) * v
        torch.testing.assert_close(ours.norm(), 0.1 * (first / (1 - Adam().beta1 ** t)).norm())


def descend(scales, n_steps, bound=None, step_size=0.1, start=1.0, device="cpu"):
    """Values of ``1/2 sum_j c_j x_j^2`` along the way; `bound` is what the optimizer is told of the curvature."""
    c = torch.as_tensor(scales, dtype=torch.float64, device=device)
    x, optimizer, values = torch.full_like(c, start), Auto().start(step_size), []
    for _ in range(n_steps + 1):
        values.append((c * x.square()).sum() / 2)
        x = x + optimizer.displacement(-c * x, values[-1], bound)
    return torch.stack(values)


@pytest.mark.parametrize("curvature", [0.3, 4.0, 15.0])
def test_auto_is_at_the_minimum_of_a_round_quadratic_at_once(curvature, device):
    """With a bound in one step, by Barzilai and Borwein one step after the first that tells the curvature."""
    c = [curvature] * 3
    assert descend(c, 1, curvature, device=device)[-1] == pytest.approx(0, abs=1e-28)
    assert descend(c, 4, device=device)[-1] < 1e-20 * descend(c, 0)[0].item()


@pytest.mark.parametrize("bound", [1.0, None], ids=["bound", "no bound"])
def test_auto_is_fast_where_curvatures_differ(bound, device):
    """Steps of one length, the longest that never climb, need 900 for this."""
    c = torch.logspace(-2, 0, 20)
    values = descend(c, 150, bound, device=device)
    assert values[-20:].min() < 1e-8 * values[0]


@settings(deadline=None, max_examples=60)
@given(
    scales=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), step_size=st.floats(1e-3, 1e3), bounded=st.booleans()
)
def test_auto_never_ends_higher_than_it_began(scales, step_size, bounded):
    """Whatever the first step: what climbs is taken back, and one step later the flow is where it was, or lower."""
    values = descend(scales, 60, max(scales) if bounded else None, step_size)
    assert values.isfinite().all()
    assert values[-15:].min() <= values[0]
    if bounded:
        assert (values <= values[0] * (1 + 1e-12)).all()


def test_a_bounded_step_is_at_the_minimum_of_the_majorant(device):
    v = velocities(device=device)[0]
    torch.testing.assert_close(Auto().start(123.0).displacement(v.clone(), 1.0, 4.0), v / 4)


def test_momentum_of_auto_grows_with_its_age_and_starts_anew(device):
    """A constant velocity: displacements d_k = (1 + k/(k+1)) h v + k/(k+1) of what momentum there was."""
    v, h, momentum = velocities(device=device)[0], 0.25, 0.0
    optimizer = Auto().start(0.1)
    for k in range(6):
        momentum = k / (k + 1) * (momentum + h)
        torch.testing.assert_close(optimizer.displacement(v.clone(), 1.0, 1 / h), (h + momentum) * v)
    torch.testing.assert_close(optimizer.displacement(-0.1 * v, 1.0, 1 / h), -0.1 * h * v)


def test_what_climbs_is_taken_back(device):
    """To where the velocity along the way vanishes, and to a quarter of the way at most."""
    v = velocities(device=device)[0]
    optimizer = Auto().start(0.4)
    assert torch.equal(optimizer.displacement(v.clone(), 1.0), 0.4 * v)
    back = optimizer.displacement(-7 * v, 2.0)
    torch.testing.assert_close(0.4 * v + back, 0.05 * v)
    again = optimizer.displacement(-0.1 * v, 1.5)
    torch.testing.assert_close(0.4 * v + back + again, 0.0125 * v)
    concave = optimizer.displacement(2 * v, 1.5)
    torch.testing.assert_close(0.4 * v + back + again + concave, 0.0125 / 4 * v)


def test_a_climb_below_the_latest_values_is_let_pass(device):
    """Barzilai-Borwein steps are fast because they need not descend each time (Raydan, 1997)."""
    v = velocities(device=device)[0]
    optimizer = Auto().start(0.5)
    for value in (3.0, 1.0, 2.0):
        assert torch.equal(optimizer.displacement(v.clone(), value), 0.5 * v)
