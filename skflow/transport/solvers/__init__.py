"""Solvers of transport problems: each says what it needs and can, and :func:`bind_solver` reads that."""

from ._base import BoundSolver, Solver, Task, TransportPlan
from ._dense import Dense
from ._dispatch import SOLVERS, bind_solver, solves_matched_together
from ._engines import Fused, Geomloss
from ._entropic import EntropicSolver
from ._exact import Exact, NetworkSimplex
from ._hierarchical import Hierarchical
from ._mini_batches import MiniBatches
from ._sharded import Sharded
from ._tiled import Tiled

__all__ = [
    "SOLVERS",
    "BoundSolver",
    "Dense",
    "EntropicSolver",
    "Exact",
    "Fused",
    "Geomloss",
    "Hierarchical",
    "MiniBatches",
    "NetworkSimplex",
    "Sharded",
    "Solver",
    "Task",
    "Tiled",
    "TransportPlan",
    "bind_solver",
    "solves_matched_together",
]
