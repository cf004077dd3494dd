"""Solvers whose potentials come from other packages' symbolic or fused kernels."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
from torch import Tensor

from ._ground_cost import GroundCost
from ._plan import TransportPlan
from ._points import LabelledPoints
from ._tiled import TiledSolver


class GeomlossSolver(TiledSolver):
    """Potentials by geomloss's solver on symbolic tensors, which needs KeOps.

    The label part is the inner product of a one-hot vector with ``-D[:, y'] / 2``, appended to the features: a squared
    Euclidean cost on augmented points, but for terms of one side alone, which the potentials take. geomloss has no
    tolerance and no warm start: its iterations double until the plan's own marginals are within `tol`.

    Raises
    ------
    ImportError
        Without KeOps.
    """

    n_first = 32
    """Iterations at first, most of which lower the regularisation to its value."""

    def __init__(self, source: LabelledPoints, target: LabelledPoints, eps: float, **kwargs) -> None:
        require("pykeops", "geomloss")
        super().__init__(source, target, eps, **kwargs)
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
    """Potentials by flash-sinkhorn's fused kernels, which take the label distances as they are; needs a GPU.

    Warm-started: the kernels go on from the last potentials. To test, Triton's interpreter (TRITON_INTERPRET=1) runs
    them on any device.

    Raises
    ------
    ImportError
        Without flash-sinkhorn.
    ValueError
        On another device than CUDA.
    """

    n_inner = 5
    """Iterations between two looks at the marginal error."""

    def __init__(self, source: LabelledPoints, target: LabelledPoints, eps: float, **kwargs) -> None:
        require("flash_sinkhorn", "fused")
        self._on_gpu = source.a.device.type == "cuda"
        if not self._on_gpu and os.environ.get("TRITON_INTERPRET") != "1":
            raise ValueError(
                f"solver='fused' runs on CUDA devices, not on {source.a.device}; choose 'auto' or 'tiled'."
            )
        super().__init__(source, target, eps, **kwargs)

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
            autotune=self._on_gpu,
        )


def require(module: str, solver: str) -> None:
    """Raise ImportError where the package behind `solver` is not installed."""
    if find_spec(module) is None:
        package = {"pykeops": "pykeops", "flash_sinkhorn": "skflow[gpu]"}[module]
        raise ImportError(f"solver={solver!r} needs the package {module}: pip install '{package}'.")
