"""The solvers by name, and which to take."""

from __future__ import annotations

from functools import partial

from ._dense import DenseSolver
from ._engines import FusedSolver, GeomlossSolver
from ._entropic import EntropicSolver
from ._exact import ExactSolver, LogDomainSolver
from ._memory import Workspace, available_memory, require_memory
from ._minibatch import MiniBatchSolver
from ._plan import Solver
from ._points import LabelledPoints
from ._sharded import ShardedSolver
from ._tiled import TiledSolver

SOLVERS = ("auto", "dense", "tiled", "sharded", "geomloss", "fused", "exact")
"""Names of the transport solvers."""

MATRICES = {"dense": 1.3, "exact": 6.0}
"""Memory that a solver takes at its peak, in cost matrices of the features' precision."""
SHARE = 0.5
"""Of the free memory, what "auto" gives to a dense solver."""


def make_solver(
    source: LabelledPoints,
    target: LabelledPoints,
    *,
    solver: str = "auto",
    reg: float,
    tol: float = 1e-3,
    batch_size: int | None = None,
    share: float = 1.0,
    workspace: Workspace | None = None,
) -> Solver:
    """The solver of that name for a problem.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides.
    solver : {"auto", "dense", "tiled", "sharded", "geomloss", "fused", "exact"}
        "dense" holds the plan, "tiled" makes it tile by tile, "sharded" does so in several processes, "geomloss" and
        "fused" find the potentials by the packages' kernels. "exact" is POT in float64: the network simplex without
        regularisation, Sinkhorn in the log domain with it. "auto" is "exact" without regularisation, "dense" where the
        matrices take no more than half of the free memory, else "tiled".
    reg : float
        Regularisation, in units of the cost.
    tol : float
        Accepted marginal error.
    batch_size : int or None
        Points of each side in a batch; None: all at once.
    share : float
        Of all points, those of this problem; it has as large a share of the batches.
    workspace : Workspace or None
        Room for a matrix, shared with solvers that take turns; None: its own.

    Raises
    ------
    ValueError
        For a solver that needs regularisation without any, or in batches, or processes where there is one.
    MemoryError
        Where a solver is asked for by name that takes more memory than is free.
    ImportError
        Without the package of the solver.
    """
    if reg == 0 and solver not in ("auto", "exact"):
        raise ValueError(f"solver={solver!r} needs entropic regularisation, got reg=0; choose 'exact' or 'auto'.")
    if batch_size is not None:
        if solver not in ("auto", "dense") or reg == 0:
            got = "reg=0" if reg == 0 else f"solver={solver!r}"
            raise ValueError(
                f"batch_size={batch_size} is for the solvers 'auto' and 'dense' and a reg above 0; got {got}."
            )
        size = max(1, round(share * batch_size))
        if size < max(len(source.a), len(target.a)):
            return MiniBatchSolver(source, target, partial(EntropicSolver, eps=reg, tol=tol), size, workspace)
    if solver == "auto":
        solver = "exact" if reg == 0 else "dense" if _fits(source, target) else "tiled"
    elif solver in MATRICES:
        require_memory(
            MATRICES[solver] * _matrix_bytes(source, target),
            source.a.device,
            f"solver={solver!r} for {len(source.a)} x {len(target.a)} points",
            "Choose solver='tiled', or lower max_particles.",
        )
    if solver == "exact":
        exact = partial(LogDomainSolver, eps=reg) if reg else ExactSolver
        return DenseSolver(source, target, exact)
    if solver == "dense":
        return DenseSolver(source, target, partial(EntropicSolver, eps=reg, tol=tol))
    streamed = {"tiled": TiledSolver, "sharded": ShardedSolver, "geomloss": GeomlossSolver, "fused": FusedSolver}
    return streamed[solver](source, target, reg, tol=tol, workspace=workspace)


def _matrix_bytes(source: LabelledPoints, target: LabelledPoints) -> int:
    return len(source.a) * len(target.a) * source.a.element_size()


def _fits(source: LabelledPoints, target: LabelledPoints) -> bool:
    free = available_memory(source.a.device)
    return free is None or MATRICES["dense"] * _matrix_bytes(source, target) <= SHARE * free
