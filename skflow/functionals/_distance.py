"""The distance to a reference dataset, ``T_beta(rho) = OTDD(rho, beta)^2`` (eqs. 6 and 12)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..flow import BoundFunctional, Derivative, Particles
from ..transport import (
    BlockSolver,
    EntropicSolver,
    LabelCost,
    LabelledPoints,
    Solver,
    TransportProblem,
    Workspace,
    batches,
    label_distance_matrix,
    make_label_cost,
    make_solver,
    mean_ground_cost,
    resolve_correspondence,
)
from ._base import Functional
from ._span import JointSpan


class OTDDFunctional(Functional):
    """The squared optimal transport dataset distance to a target (eq. 6 squared, no one half).

    First variation: the Kantorovich potential of the transport to the target (eq. 13).

    Parameters
    ----------
    target : tuple (X, y)
        Features (m, d) and labels (m,) of the reference dataset.
    reg : float, default=0.05
        Entropic regularisation, the paper's lambda; 0 is exact transport.
    reg_scale : {"relative", "absolute"}, default="relative"
        Whether `reg` is a fraction of the mean ground cost at the start of the flow or a cost itself.
    label_weight : float, default=1.0
        Weight of the label distance in the ground cost.
    label_distance : {"gaussian", "gaussian-diag", "means", "exact"}, default="gaussian"
        Label distributions as Gaussians (full or diagonal covariance, mean alone) or as the samples themselves.
    label_path : bool, default=True
        Whether the gradient follows the label distributions' dependence on the features (the exact gradient), or
        the features alone.
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping, default="auto"
        Which target class each source class goes to, see :class:`~skflow.OTDDFlowTransformer`.
    class_weight : {"balanced", None}, default="balanced"
        Weights of the target's samples.
    debias : bool, default=False
        Sinkhorn divergence: subtracts half the two self-transports, so that the value is zero at the target.
    solver : {"auto", "dense", "tiled", "sharded", "geomloss", "fused", "exact"}, default="auto"
        Solver of the transport problem, see :class:`~skflow.OTDDFlowTransformer`.
    batch_size : int or None, default=None
        Samples of a mini-batch; the plan of an evaluation goes from batches to batches, drawn anew for each.
    marginal_tol : float, default=1e-3
        Accepted marginal error (L1, relative to the mass) of an entropic plan.
    refresh_tol : float, default=1e-2
        Accepted overestimate of the objective by label distances of an earlier step; 0 refreshes them at every step.
    weight : float, default=1.0
        Factor of the functional.
    """

    def __init__(
        self,
        target: tuple[np.ndarray, np.ndarray],
        *,
        reg: float = 0.05,
        reg_scale: str = "relative",
        label_weight: float = 1.0,
        label_distance: str = "gaussian",
        label_path: bool = True,
        correspondence: str | Mapping[Any, Any] = "auto",
        class_weight: str | None = "balanced",
        debias: bool = False,
        solver: str = "auto",
        batch_size: int | None = None,
        marginal_tol: float = 1e-3,
        refresh_tol: float = 1e-2,
        weight: float = 1.0,
    ) -> None:
        self.target = target
        self.reg = reg
        self.reg_scale = reg_scale
        self.label_weight = label_weight
        self.label_distance = label_distance
        self.label_path = label_path
        self.correspondence = correspondence
        self.class_weight = class_weight
        self.debias = debias
        self.solver = solver
        self.batch_size = batch_size
        self.marginal_tol = marginal_tol
        self.refresh_tol = refresh_tol
        self.weight = weight

    def reduced(self, X: np.ndarray) -> tuple[JointSpan, OTDDFunctional] | None:
        """In the span of both sides, where they have more features than points (diagonal covariances need the axes)."""
        X_target, y_target = self.target
        if len(X) + len(X_target) >= X.shape[1] or self.label_distance == "gaussian-diag":
            return None
        span = JointSpan(X, X_target)
        return span, copy(self).set_params(target=(span.reduce(X_target), y_target))

    def bind(self, particles: Particles) -> BoundOTDD:
        """Encode the target, settle the correspondence and the regularisation, compute what the target alone fixes."""
        if particles.labels is None:
            return BoundOTDD(self, particles)
        from ._joint_distance import BoundJointOTDD  # which builds on this file

        return BoundJointOTDD(self, particles)


@dataclass
class _Block:
    """A transport problem of its own: all classes against all, or some, each against the one that it goes to."""

    rows: slice
    mass: float
    """Share of the objective."""
    problem: TransportProblem
    own: TransportProblem | None = None
    """The source's transport to itself, where debiased."""
    constant: float | Tensor = 0.0
    """Half the target's transport to itself, where debiased."""


class BoundOTDD(BoundFunctional):
    """:class:`OTDDFunctional` bound to particles and target.

    Attributes
    ----------
    target_classes : ndarray of shape (K',)
        The target's labels.
    mapping : ndarray of shape (K,) or None
        Target code of each source class; None where the plan decides.
    reg : float
        Regularisation in units of the cost.
    coupling : Tensor of shape (K, K')
        Class masses of the last plan.
    marginal_error : float
        Largest marginal error of the last evaluation.
    converged : bool
        Whether all plans of the last evaluation met the tolerance.
    n_iter : int
        Most solver iterations that a plan of the last evaluation took.
    """

    def __init__(self, spec: OTDDFunctional, particles: Particles) -> None:
        self.spec, self._device, self._dtype = spec, particles.x.device, particles.x.dtype
        target = self.target
        self.target_classes = target.classes
        self.mapping = resolve_correspondence(
            spec.correspondence,
            particles.classes,
            target.classes,
            lambda: self.label_distances(particles).cpu().numpy(),
        )
        self.reg = spec.reg if spec.reg_scale == "absolute" else spec.reg * self._mean_cost(particles, target)
        self._workspace, self._n_particles = Workspace(), len(particles.a)
        self.coupling = particles.x.new_zeros(particles.n_classes, target.n_classes)
        if self.mapping is None:
            self._blocks = [self._block(slice(None), 1.0, particles, target)]
        else:
            self.coupling[range(particles.n_classes), self.mapping] = particles.mass
            self._blocks = [self._matched(run, particles, target) for run in self._runs(particles, target)]

    @property
    def target(self) -> Particles:
        """The reference dataset on the particles' device, made anew: the flow keeps no second copy."""
        X, y = self.spec.target
        return Particles.from_arrays(X, y, class_weight=self.spec.class_weight, device=self._device, dtype=self._dtype)

    def evaluate(self, particles: Particles) -> Derivative:
        """Objective and its gradient; see :meth:`~skflow.transport.TransportProblem.evaluate`."""
        x, value, plans = particles.x, 0.0, []
        whole = torch.empty_like(x) if len(self._blocks) > 1 else None
        for block in self._blocks:
            part = block.problem.evaluate(x[block.rows])
            plans.append((part.marginal_error, part.converged, part.n_iter))
            block_value, gradient = part.value, part.gradient
            if block.own is not None:
                own = block.own.evaluate(x[block.rows], x[block.rows])
                plans.append((own.marginal_error, own.converged, own.n_iter))
                # By symmetry the self-transport's gradient is twice the one in its first argument.
                block_value = block_value - own.value / 2 - block.constant
                gradient -= own.gradient
            value = value + block.mass * block_value
            share = self.spec.weight * block.mass
            gradient = torch.mul(gradient, share, out=gradient if whole is None else whole[block.rows])
            if self.mapping is None:
                self.coupling = part.class_mass
        errors, converged, n_iter = zip(*plans, strict=True)
        self.marginal_error, self.converged, self.n_iter = max(errors), all(converged), max(n_iter)
        features = gradient if whole is None else whole
        return Derivative(self.spec.weight * value, features, curvature=self._curvature())

    def _curvature(self) -> float | None:
        """That of fixed plans, which cost no less than the optimal ones: twice the sum of the weights of both parts."""
        label_weight = self.spec.label_weight if self.spec.label_path else 0.0
        return 2 * self.spec.weight * (1 + label_weight) if self.spec.weight > 0 else None

    def settle(self) -> bool:
        problems = [p for block in self._blocks for p in (block.problem, block.own) if p is not None]
        saved = [problem.refreshes.settle() for problem in problems]  # all of them, not those before the first
        return any(saved)

    def release(self) -> None:
        self._blocks = []

    def coupling_of(self, particles: Particles) -> Tensor:
        """Mass (K, K') that the last plan moves between the classes of `particles` and the target's."""
        return self.coupling

    def label_distances(self, particles: Particles) -> Tensor:
        """Squared label distances (K, K') at the particles' present state."""
        return label_distance_matrix(particles, self.target, self.spec.label_distance)

    def _runs(self, particles: Particles, target: Particles) -> list[range]:
        """Source classes whose blocks are solved together."""
        spec, classes = self.spec, range(particles.n_classes)
        if self.reg == 0 or spec.solver not in ("auto", "dense") or spec.batch_size is not None:
            return [range(k, k + 1) for k in classes]
        ends = [(particles.slices[k], target.slices[self.mapping[k]]) for k in classes]
        sizes = [(s.stop - s.start, t.stop - t.start) for s, t in ends]
        return batches(sizes, particles.x.shape[1], self._device)

    def _matched(self, run: range, particles: Particles, target: Particles) -> _Block:
        """The block of some source classes, each with the target class that it goes to."""
        source = particles.only(*run)
        rows = slice(particles.slices[run.start].start, particles.slices[run.stop - 1].stop)
        goes_to = target.only(*self.mapping[run].tolist(), mass=source.mass)
        return self._block(rows, particles.mass[run].sum().item(), source, goes_to)

    def _mean_cost(self, particles: Particles, target: Particles) -> float:
        def cost(source: LabelledPoints, target: LabelledPoints) -> float:
            label = self.spec.label_weight * label_distance_matrix(source, target, self.spec.label_distance)
            return mean_ground_cost(source, target, label).item()

        if self.mapping is None:
            return cost(particles, target)
        matched = enumerate(self.mapping.tolist())
        return sum(particles.mass[k].item() * cost(particles.only(k), target.only(l)) for k, l in matched)

    def _block(self, rows: slice, mass: float, source: LabelledPoints, target: LabelledPoints) -> _Block:
        block = _Block(rows, mass, self._problem(source, target))
        if self.spec.debias:
            block.own = self._problem(source, source)
            block.constant = self._problem(target, target).evaluate(target.x).value / 2
        return block

    def _problem(self, source: LabelledPoints, target: LabelledPoints) -> TransportProblem:
        spec = self.spec
        return TransportProblem(
            source,
            target,
            solver=self._make_solver,
            label_cost=self._make_label_cost,
            # Classes against themselves have no label part.
            label_weight=0.0 if source is target and self.mapping is not None else spec.label_weight,
            label_path=spec.label_path,
            refresh_tol=spec.refresh_tol,
            workspace=self._workspace,
        )

    def _make_solver(self, source: LabelledPoints, target: LabelledPoints) -> Solver:
        spec = self.spec
        if self.mapping is not None and source.n_classes > 1:
            solver = partial(EntropicSolver, eps=self.reg, tol=spec.marginal_tol)
            return BlockSolver(source, target, solver, self._workspace)
        return make_solver(
            source,
            target,
            solver=spec.solver,
            reg=self.reg,
            tol=spec.marginal_tol,
            batch_size=spec.batch_size,
            share=len(source.a) / self._n_particles,
            workspace=self._workspace,
        )

    def _make_label_cost(self, source: LabelledPoints, target: LabelledPoints, by_image: bool) -> LabelCost:
        exact = {} if self.spec.refresh_tol else {"negligible": 0.0}
        matched = self.mapping is not None
        return make_label_cost(self.spec.label_distance, source, target, by_image=by_image, matched=matched, **exact)
