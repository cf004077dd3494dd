"""Entropic optimal transport on several processes, each with a share of the source's points."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor

from ._ground_cost import GroundCost
from ._points import LabelledPoints
from ._tiled import TiledSolver


class ShardedSolver(TiledSolver):
    """:class:`TiledSolver` on the processes of :mod:`torch.distributed`, which all solve the same problem.

    The source is sharded by rows: each process sweeps its own. The target's side, the column sums, is all-reduced after
    every sweep, and so are the class masses after the last; then each process tells the others its rows of the image.
    All processes go the same way, since all decide by the same numbers.

    Raises
    ------
    ValueError
        Without a process group.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints, eps: float, **kwargs) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise ValueError(
                "solver='sharded' shares its work with other processes: call torch.distributed.init_process_group "
                "first, in each of them, as under torchrun."
            )
        super().__init__(source, target, eps, **kwargs)
        n, size = len(self.a), dist.get_world_size()
        self._shards = [range(n * rank // size, n * (rank + 1) // size) for rank in range(size)]
        self._rows = self._shards[dist.get_rank()]

    def _sweep(self, cost: GroundCost, image: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        column, by_class = super()._sweep(cost, image)
        dist.all_reduce(column)
        if image is not None:
            dist.all_reduce(by_class)
            for rank, rows in enumerate(self._shards):
                if rows:
                    dist.broadcast(image[rows.start : rows.stop], src=rank)
                    dist.broadcast(self.f[rows.start : rows.stop], src=rank)
        return column, by_class
