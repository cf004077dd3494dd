"""Solvers whose potentials come from other packages' symbolic or fused kernels."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from .._ground_cost import GroundCost
from ._base import TOLERANCE, BoundSolver, Solver, Task, TransportPlan
from ._tiled import TiledSolver


class Geomloss(Solver):
    """geomloss's solver on symbolic tensors, which needs KeOps.

    Parameters
    ----------
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    """

    name = "geomloss"
    packages = {"pykeops": "pykeops"}
    _parameter_constraints = {"tol": TOLERANCE}

    def __init__(self, tol: float | None = None) -> None:
        self.tol = tol

    def bind(self, task: Task) -> BoundSolver:
        return GeomlossSolver(task, tol=self._tol(task))


class Fused(Solver):
    """flash-sinkhorn's fused kernels, which need a GPU.

    To test, Triton's interpreter (TRITON_INTERPRET=1) runs them on any device.

    Parameters
    ----------
    tol : float or None, default=None
        Accepted marginal error (L1, relative to the mass); None is that of the functional.
    """

    name = "fused"
    packages = {"flash_sinkhorn": "skflow[gpu]"}
    _parameter_constraints = {"tol": TOLERANCE}

    def __init__(self, tol: float | None = None) -> None:
        self.tol = tol

    def check(self, task: Task) -> None:
        super().check(task)
        if task.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            raise ValueError(f"solver='fused' runs on CUDA devices, not on {task.device}; choose 'auto' or 'tiled'.")

    def bind(self, task: Task) -> BoundSolver:
        return FusedSolver(task, tol=self._tol(task))


class GeomlossSolver(TiledSolver):
    """Algorithm of :class:`Geomloss`.

    The label part is the inner product of a one-hot vector with ``-D[:, y'] / 2``, appended to the features: a squared
    Euclidean cost on augmented points, but for terms of one side alone, which the potentials take. geomloss has no
    tolerance and no warm start: its iterations double until the plan's own marginals are within `tol`.
    """

    n_first = 32
    """Iterations at first, most of which lower the regularisation to its value."""

    def __init__(self, task: Task, **parameters: Any) -> None:
        super().__init__(task, **parameters)
        self._n_inner = self.n_first

    def solve(self, cost: GroundCost) -> TransportPlan:
        """Solve for the ground cost, from the start: with more iterations than last time if they do not suffice."""
        self.g, self._last_guess = None, 1
        return super().solve(cost)

    def _improve(self, cost: GroundCost, column: Tensor) -> None:
        self._n_inner *= 2
        self.g = self._first_potential(cost)

    def _first_potential(self, cost: GroundCost) -> Tensor:
        import geomloss.ot

        labels = -0.5 * cost.labels[:, cost.target.y].T
        ones = torch.nn.functional.one_hot(cost.source.y, cost.source.n_classes).to(labels.dtype)
        solved = geomloss.ot.solve_sample(
            torch.cat([cost.features.rows(slice(None)), ones], 1),
            torch.cat([cost.features.x_target, labels], 1),
            self.a,
            self.b,
            reg=self.eps,
            max_iter=self._n_inner,
        )
        return solved.potential_b - labels.square().sum(1)


class FusedSolver(TiledSolver):
    """Algorithm of :class:`Fused`: the kernels take the label distances as they are, and the last potentials."""

    n_inner = 5
    """Iterations between two looks at the marginal error."""

    def _improve(self, cost: GroundCost, column: Tensor) -> None:
        from flash_sinkhorn.sinkhorn_solvers import sinkhorn_flashstyle_symmetric

        n_classes, n_target = cost.labels.shape
        distances = cost.labels.new_zeros(n_classes + n_target, n_classes + n_target)
        distances[:n_classes, n_classes:] = cost.labels
        distances[n_classes:, :n_classes] = cost.labels.T
        self.f, self.g = sinkhorn_flashstyle_symmetric(
            cost.features.rows(slice(None)),
            cost.features.x_target,
            self.a,
            self.b,
            eps=self.eps,
            use_epsilon_scaling=False,
            n_iters=self.n_inner,
            f_init=self.f,
            g_init=self.g,
            label_x=cost.source.y.int(),
            label_y=(cost.target.y + n_classes).int(),
            label_cost_matrix=distances,
            lambda_y=1.0,
            allow_tf32=False,
            autotune=self.a.device.type == "cuda",
        )
