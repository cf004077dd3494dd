"""The solvers by name, and the one place that decides which of them a problem is given to."""

from __future__ import annotations

import difflib

import torch

from .._memory import available_memory, require_memory
from ._base import BoundSolver, Solver, Task
from ._dense import Dense
from ._engines import Fused, Geomloss
from ._exact import Exact
from ._hierarchical import Hierarchical
from ._mini_batches import MiniBatches
from ._sharded import Sharded
from ._tiled import Tiled

NAMED: dict[str, type[Solver]] = {s.name: s for s in (Dense, Tiled, Hierarchical, Sharded, Geomloss, Fused, Exact)}
SOLVERS = ("auto", *NAMED)
"""Names of the transport solvers."""
AUTO: tuple[type[Solver], ...] = (Hierarchical, Dense, Tiled, Exact)
"""What "auto" takes: the first that can."""
MOST_PAIRS = {"cpu": 2**28, "cuda": 2**32}
"""Of points, in all problems of a flow, up to which "auto" takes all into account: three seconds a step of a core."""
MOST_PAIRS_EXACT = 2**26
"""The same without regularisation, which is a minute a step."""
MEMORY_SHARE = 0.5
"""Of the free memory, what "auto" gives to a solver that holds matrices."""


def bind_solver(solver: str | Solver, task: Task, *, batch_size: int | None = None) -> BoundSolver:
    """The solver of that name, or a configured one, made ready for a task.

    Parameters
    ----------
    solver : {"auto", "dense", "tiled", "hierarchical", "sharded", "geomloss", "fused", "exact"} or Solver
        "dense" holds the plan, "tiled" makes it tile by tile, "sharded" does so in several processes, "geomloss" and
        "fused" find the potentials by the packages' kernels. "exact" works in float64: POT's network simplex without
        regularisation, Sinkhorn with it. "hierarchical" is approximate and takes nearly linear time. "auto" is
        "hierarchical" for more than 16,384 points a side (8,192 without regularisation, 65,536 on a GPU), and for
        sqrt(K) times as many where K classes of like sizes are matched; else "exact" without regularisation, "dense"
        where the matrices take no more than half of the free memory, else "tiled".
    task : Task
        What is to be solved.
    batch_size : int or None
        Points of each side in a batch, instead of all at once.

    Raises
    ------
    ValueError
        For an unknown name, a solver that needs regularisation without any, or in batches, a device or processes where
        there is none.
    MemoryError
        Where a solver is asked for that takes more memory than is free.
    ImportError
        Without the package of the solver.
    """
    if batch_size is not None:
        _check_batches(solver, task, batch_size)
        return MiniBatches(batch_size, getattr(solver, "tol", None)).bind(task)
    if solver == "auto":
        return next(s for s in AUTO if _can(s, task))().bind(task)
    chosen = solver if isinstance(solver, Solver) else _by_name(solver)
    chosen.validate()
    if task.reg == 0 and chosen.needs_reg:
        raise ValueError(f"solver={_said(solver)} needs entropic regularisation, got reg=0; choose 'exact' or 'auto'.")
    chosen.check(task)
    if chosen.n_matrices and not (task.matched and chosen.matched):
        n, m = task.shape
        require_memory(
            chosen.n_matrices * task.matrix_bytes,
            task.device,
            f"solver={_said(solver)} for {n} x {m} points",
            "Choose solver='tiled', or lower max_particles.",
        )
    return chosen.bind(task)


def solves_matched_together(solver: str | Solver, reg: float, batch_size: int | None) -> bool:
    """Whether several matched classes may be one task."""
    kind = Dense if solver == "auto" else type(solver) if isinstance(solver, Solver) else type(_by_name(solver))
    return kind.matched and reg > 0 and batch_size is None


def _can(kind: type[Solver], task: Task) -> bool:
    """Whether "auto" may give the task to a solver, by what it declares."""
    if kind.approximate:
        return _is_large(task) and not (task.matched and task.source.n_classes > 1)
    if task.reg == 0:
        return not kind.needs_reg
    if task.matched and task.source.n_classes > 1:
        return kind.matched
    return kind.n_matrices == 0 or _fits(kind.n_matrices * task.matrix_bytes, task.device)


def _is_large(task: Task) -> bool:
    """Whether a step with all pairs would take too long, to the target or, where it is larger, to oneself.

    The other problems of the flow are as large, in proportion to their points.
    """
    most = MOST_PAIRS.get(task.device.type, MOST_PAIRS["cpu"]) if task.reg > 0 else MOST_PAIRS_EXACT
    return max(task.shape) ** 2 > most * task.share


def _fits(n_bytes: float, device: torch.device) -> bool:
    free = available_memory(device)
    return free is None or n_bytes <= MEMORY_SHARE * free


def _check_batches(solver: str | Solver, task: Task, batch_size: int) -> None:
    if task.reg == 0 or not (solver in ("auto", "dense") or isinstance(solver, Dense)):
        got = "reg=0" if task.reg == 0 else f"solver={_said(solver)}"
        raise ValueError(f"batch_size={batch_size} is for the solvers 'auto' and 'dense' and a reg above 0; got {got}.")


def _by_name(name: str) -> Solver:
    if not isinstance(name, str) or name not in NAMED:
        near = difflib.get_close_matches(str(name), SOLVERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"solver={name!r} is not one of {SOLVERS} or a solver.{hint}")
    return NAMED[name]()


def _said(solver: str | Solver) -> str:
    """The solver as the user gave it."""
    return repr(solver)
