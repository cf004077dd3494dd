"""Entropic optimal transport on several processes, each with a share of the source's points."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from torch import Tensor

from .._ground_cost import GroundCost
from ._base import BoundSolver, Task
from ._tiled import Tiled, TiledSolver


class Sharded(Tiled):
    """:class:`Tiled` with the rows shared out over the processes of :mod:`torch.distributed`.

    All processes solve the same problem. The parameters are those of :class:`Tiled`.
    """

    name = "sharded"

    def check(self, task: Task) -> None:
        super().check(task)
        if not (dist.is_available() and dist.is_initialized()):
            raise ValueError(
                "solver='sharded' shares its work with other processes: call torch.distributed.init_process_group "
                "first, in each of them, as under torchrun."
            )

    def bind(self, task: Task) -> BoundSolver:
        return ShardedSolver(task, tol=self._tol(task), max_iter=self.max_iter, tile_bytes=self.tile_bytes)


class ShardedSolver(TiledSolver):
    """Algorithm of :class:`Sharded`.

    The source is sharded by rows: each process sweeps its own. The target's side, the column sums, is all-reduced after
    every sweep, and so are the class masses after the last; then each process tells the others its rows of the image.
    All processes go the same way, since all decide by the same numbers.
    """

    def __init__(self, task: Task, **parameters: Any) -> None:
        super().__init__(task, **parameters)
        n, size = len(self.a), dist.get_world_size()
        self._shards = [range(n * rank // size, n * (rank + 1) // size) for rank in range(size)]
        self._rows = self._shards[dist.get_rank()]

    def _sweep(self, cost: GroundCost, image: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        column, by_class = super()._sweep(cost, image)
        dist.all_reduce(column)
        if image is not None:
            dist.all_reduce(by_class)
            self._share(image)
        if image is not None or self.symmetric:
            self._share(self.f)
        return column, by_class

    def _share(self, values: Tensor) -> None:
        """Every process learns the rows of all others."""
        for rank, rows in enumerate(self._shards):
            if rows:
                dist.broadcast(values[rows.start : rows.stop], src=rank)
