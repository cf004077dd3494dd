"""The solvers by name: that they agree, what they report, and what they refuse."""

import os
from importlib.util import find_spec

import pytest
import torch

from skflow.transport import SOLVERS, Dense, Exact, MiniBatches, Task, Tiled, bind_solver
from skflow.transport.solvers import _dispatch as dispatch
from skflow.transport.solvers import _tiled as tiled
from tests._data import array, points
from tests.transport._problems import make_problem

EPS = 3.0
AGREE = {torch.float64: 1e-6, torch.float32: 2e-3}
"""Of values and gradients, relative to the largest entry; in float32 what a marginal error of 1e-4 leaves."""


def evaluate(name, source, target, *, eps=EPS, tol=None, x=None, kind="gaussian", batch_size=None):
    tol = (1e-9 if source.a.dtype == torch.float64 else 1e-4) if tol is None else tol
    problem = make_problem(source, target, name, reg=eps, tol=tol, kind=kind, batch_size=batch_size)
    return problem.evaluate(source.x if x is None else x)


def skip_without(name, device):
    package = {"geomloss": "pykeops", "fused": "flash_sinkhorn"}.get(name)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if name == "fused" and torch.device(device).type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("flash-sinkhorn's kernels run on CUDA devices, or anywhere with TRITON_INTERPRET=1")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in ("exact", "sharded")])
def test_all_solvers_agree(name, dtype, device):
    """With POT in float64, on values, gradients and class masses ("sharded": see test_sharded)."""
    skip_without(name, device)
    if name in ("geomloss", "fused") and dtype == torch.float64:
        pytest.skip("their kernels are of single precision, or have no tolerance as small")
    sides = [points(150, k=4, seed=s, shift=s, device=device) for s in (0, 1)]
    expected = evaluate("exact", *sides)
    got = evaluate(name, *(type(p)(p.x.to(dtype), p.y, p.a.to(dtype)) for p in sides))
    assert got.converged
    assert got.marginal_error < (1e-9 if dtype == torch.float64 else 1e-4)
    assert got.value.item() == pytest.approx(expected.value.item(), rel=AGREE[dtype])
    for one, other in ((got.gradient, expected.gradient), (got.class_mass, expected.class_mass)):
        assert (one - other).abs().max() < AGREE[dtype] * other.abs().max()


@pytest.mark.parametrize("tile_rows", [1, 7, 64])
def test_tiles_of_any_size_give_the_same(tile_rows, monkeypatch, device):
    source, target = points(90, k=3, device=device), points(70, k=2, seed=1, device=device)
    expected = evaluate("tiled", source, target)
    monkeypatch.setattr(tiled, "TILE_BYTES", {device.type: 8 * 70 * tile_rows})
    monkeypatch.setattr(tiled, "FEWEST_ROWS", 1)
    got = evaluate("tiled", source, target)
    torch.testing.assert_close(got.value, expected.value, rtol=1e-9, atol=0)
    torch.testing.assert_close(got.gradient, expected.gradient, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["dense", "tiled"])
def test_first_potentials_from_a_part_of_the_points(name, monkeypatch, device):
    """They come close, and iterations do the rest."""
    source, target = points(400, k=3, device=device), points(300, k=3, seed=1, device=device)
    expected = evaluate("dense", source, target)
    monkeypatch.setattr(tiled, "COARSE", 100)
    got = evaluate(name, source, target)
    torch.testing.assert_close(got.value, expected.value, rtol=1e-8, atol=0)
    torch.testing.assert_close(got.gradient, expected.gradient, rtol=0, atol=1e-8)


def test_a_warm_start_takes_fewer_sweeps(device):
    source, target = points(200, k=3, device=device), points(200, k=3, seed=1, device=device)
    problem = make_problem(source, target, "tiled", reg=EPS, tol=1e-6, kind="means")
    cold = problem.evaluate(source.x).n_iter
    again = problem.evaluate(source.x).n_iter
    assert again <= 2 < cold


def test_auto_takes_what_fits(monkeypatch, device):
    source, target = points(50, device=device), points(40, seed=1, device=device)

    def chosen(reg):
        return type(bind_solver("auto", Task(source, target, reg))).__name__

    assert chosen(1.0) == "EntropicSolver"
    assert chosen(0) == "NetworkSimplex"
    monkeypatch.setattr(dispatch, "available_memory", lambda device: 8 * 50 * 40)
    assert chosen(1.0) == "TiledSolver"
    assert chosen(0) == "NetworkSimplex"


def test_more_memory_than_there_is_is_refused(monkeypatch, device):
    source, target = points(50, device=device), points(40, seed=1, device=device)
    monkeypatch.setattr("skflow.transport._memory.available_memory", lambda device: 1000)
    for name in ("dense", "exact"):
        with pytest.raises(MemoryError, match=f"solver='{name}' for 50 x 40 points.*solver='tiled'"):
            bind_solver(name, Task(source, target, 1.0))
    assert bind_solver("tiled", Task(source, target, 1.0))


def test_what_needs_regularisation_says_so():
    source, target = points(50), points(40, seed=1)
    for name in ("dense", "tiled", "geomloss", "fused"):
        with pytest.raises(ValueError, match=f"solver='{name}' needs entropic regularisation, got reg=0"):
            bind_solver(name, Task(source, target, 0.0))
    for solver, reg in (("tiled", 1.0), (Tiled(), 1.0), ("auto", 0.0)):
        with pytest.raises(ValueError, match="batch_size=10 is for the solvers 'auto' and 'dense'"):
            bind_solver(solver, Task(source, target, reg), batch_size=10)


@pytest.mark.parametrize(("name", "package"), [("geomloss", "pykeops"), ("fused", r"skflow\[gpu\]")])
def test_missing_packages_are_named(name, package, monkeypatch):
    monkeypatch.setattr("skflow.transport.solvers._base.find_spec", lambda module: None)
    with pytest.raises(ImportError, match=f"solver='{name}' needs the package .*pip install '{package}'"):
        bind_solver(name, Task(points(50), points(40), 1.0))


def test_geomloss_takes_as_many_iterations_as_a_problem_needs_and_no_more(monkeypatch):
    """Along a flow; without KeOps geomloss holds the matrix, and is the same otherwise."""
    monkeypatch.setattr("skflow.transport.solvers._base.find_spec", lambda module: True)
    sides = [points(60, k=3, seed=s, shift=s, dtype=torch.float32) for s in (0, 1)]
    geomloss, dense = (make_problem(*sides, name, reg=EPS, tol=1e-3, kind="means") for name in ("geomloss", "dense"))
    x, taken = sides[0].x, []
    for _ in range(6):
        got, expected = geomloss.evaluate(x), dense.evaluate(x)
        taken.append(geomloss.solver._n_inner)
        assert got.converged
        assert got.value.item() == pytest.approx(expected.value.item(), rel=1e-3)
        x = x - 0.02 * expected.gradient / sides[0].a[:, None]
    assert taken[-1] <= 2 * taken[0]


def test_a_batch_of_all_points_is_no_batch(device):
    source, target = points(50, device=device), points(40, seed=1, device=device)
    got, expected = (evaluate("dense", source, target, batch_size=b) for b in (50, None))
    assert torch.equal(got.gradient, expected.gradient)


def test_batches_are_stratified_and_cover_all(device):
    source = points(103, k=3, device=device)
    solver = bind_solver("auto", Task(source, source, EPS), batch_size=20)
    batches = solver._draw(source)
    assert len(batches) == 5
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(103, device=device))
    for k, rows in enumerate(source.slices):
        share = (rows.stop - rows.start) / 5
        counts = torch.stack([(source.y[batch] == k).sum() for batch in batches])
        assert ((counts >= int(share)) & (counts <= int(share) + 1)).all()


def test_mini_batches_blur_the_plan_less_the_larger_they_are(device):
    """The mean gradient of many draws comes closer to that of all points, and so does the value, from above."""
    source, target = points(400, k=1, device=device), points(400, k=1, seed=1, shift=1.0, device=device)
    expected = evaluate("dense", source, target, tol=1e-6, kind="means")
    error, excess = [], []
    for size in (20, 100):
        problem = make_problem(source, target, reg=EPS, tol=1e-6, batch_size=size, kind="means")
        draws = [problem.evaluate(source.x) for _ in range(20)]
        mean = torch.stack([d.gradient for d in draws]).mean(0)
        error.append(((mean - expected.gradient) / source.a[:, None]).norm().item())
        excess.append(sum(d.value.item() for d in draws) / len(draws) - expected.value.item())
        mass = draws[-1].class_mass
        torch.testing.assert_close(mass.sum(1), source.mass, rtol=1e-6, atol=0)
    assert error[1] < 0.5 * error[0]
    assert 0 < excess[1] < 0.5 * excess[0]


def test_batches_lack_classes_without_losing_mass(device):
    """A class with fewer points than there are batches."""
    x = points(60, k=2, device=device).x
    y = torch.zeros(60, dtype=torch.int64, device=device)
    y[-2:] = 1
    source = type(points(4))(x, y, torch.full((60,), 1 / 60, dtype=x.dtype, device=device))
    got = evaluate("auto", source, points(60, seed=1, device=device), kind="means", batch_size=10)
    assert array(got.gradient).shape == (60, 3)
    torch.testing.assert_close(got.class_mass.sum(1), source.mass, rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [1, 4, 7])
def test_no_batch_is_empty_however_many_small_classes_there_are(size, device):
    """40 rows of 20 classes: a class has fewer points than there are batches."""
    source, target = points(40, k=20, device=device), points(30, k=20, seed=1, device=device)
    got = evaluate("auto", source, target, kind="means", batch_size=size)
    assert got.gradient.isfinite().all()
    torch.testing.assert_close(got.class_mass.sum(1), source.mass, rtol=1e-6, atol=0)
    for _ in range(20):
        solver = bind_solver(MiniBatches(size), Task(source, target, EPS))
        assert all(len(batch) for batch in solver._draw(source))


@pytest.mark.parametrize(
    ("name", "configured"),
    [("dense", Dense()), ("tiled", Tiled()), ("exact", Exact()), ("tiled", Tiled(tile_bytes=5000))],
)
def test_a_configured_solver_is_the_one_of_its_name(name, configured, device):
    source, target = points(50, device=device), points(40, seed=1, device=device)
    one, other = (evaluate(solver, source, target) for solver in (name, configured))
    torch.testing.assert_close(one.value, other.value, rtol=1e-9, atol=0)
    torch.testing.assert_close(one.gradient, other.gradient, rtol=0, atol=1e-9)


@pytest.mark.parametrize("solver", [Dense, Tiled])
def test_a_solvers_own_tolerance_goes_before_the_functionals(solver, device):
    source, target = points(50, device=device), points(40, seed=1, device=device)
    assert evaluate(solver(tol=1e-8), source, target, tol=0.5).marginal_error <= 1e-8
    assert evaluate(solver(), source, target, tol=1e-8).marginal_error <= 1e-8
    assert not evaluate(solver(tol=1e-12, max_iter=2), source, target, eps=0.01).converged


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        ("dens", r"solver='dens' is not one of .*Did you mean 'dense'\?"),
        (Dense(tol=0), "'tol' parameter of Dense"),
        (Tiled(tile_bytes=-1), "'tile_bytes' parameter of Tiled"),
        (Exact(max_iter=0), "'max_iter' parameter of Exact"),
    ],
)
def test_what_is_out_of_range_is_named(solver, message):
    with pytest.raises(ValueError, match=message):
        bind_solver(solver, Task(points(50), points(40), 1.0))


def test_exact_with_a_small_reg_ends_and_says_how_good_it_is(device):
    source, target = points(200, k=3, device=device), points(150, k=3, seed=1, device=device)
    solved = evaluate(Exact(max_iter=30), source, target, eps=1e-3)
    assert solved.n_iter == 30
    assert not solved.converged
    assert 1e-9 < solved.marginal_error < 1
