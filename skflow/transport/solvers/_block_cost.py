"""The ground cost of some blocks of points, in one batch of matrices, and what plans within them carry."""

from __future__ import annotations

import torch
from torch import Tensor

from .._ground_cost import GroundCost, distances_from_inner
from .._memory import Workspace


class BlockCost:
    """The ground cost between source and target points of some blocks.

    Parameters
    ----------
    cost : GroundCost
        Of all points.
    rows, cols : Tensor of shape (B, n), (B, m)
        Points of each block, padded with any.
    workspace : Workspace
        Room for the matrices.
    """

    def __init__(self, cost: GroundCost, rows: Tensor, cols: Tensor, workspace: Workspace) -> None:
        f = cost.features
        self._cost, self._rows = cost, rows
        self._classes, local = cost.target.y[cols].unique(return_inverse=True)
        labels = cost.labels[:, self._classes][cost.source.y[rows]]
        indicators = torch.nn.functional.one_hot(local, len(self._classes)).to(labels) / -2
        # The label part is a correction of the inner products of low rank.
        self._source = torch.cat([f.rows(rows), labels], -1)
        self._target = torch.cat([f.x_target[cols], indicators], -1)
        self._square, self._square_target = f.square[rows][..., None], f.square_target[cols][:, None]
        shape = *rows.shape, cols.shape[1]
        self._room = workspace.matrix(shape[0] * shape[1], shape[2], self._source).view(shape)

    def matrix(self) -> Tensor:
        """(B, n, m); may be overwritten and asked for again."""
        torch.bmm(self._source, self._target.mT, out=self._room)
        return distances_from_inner(self._room, self._square, self._square_target)

    def carry(self, plan: Tensor, present: Tensor, image: Tensor, by_class: Tensor) -> None:
        """Set the rows of ``plan @ x_target`` that are `present`, and add to the masses between classes."""
        carried = torch.bmm(plan, self._target)[present]
        rows, d = self._rows[present], image.shape[1]
        image[rows] = carried[:, :d]
        to_class = by_class.new_zeros(len(by_class), len(self._classes))
        to_class.index_add_(0, self._cost.source.y[rows], carried[:, d:], alpha=-2)
        by_class[:, self._classes] += to_class


class PreciseBlockCost:
    """The matrix of a single block in float64."""

    def __init__(self, blocks: BlockCost) -> None:
        self._blocks = blocks

    def matrix(self) -> Tensor:
        """(n, m)."""
        return self._blocks.matrix()[0].double()
