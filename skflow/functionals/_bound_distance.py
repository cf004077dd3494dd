"""The OTDD to one target from particles with one set of labels: what it holds from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..flow import BoundFunctional, Derivative, Particles
from ..transport import (
    LabelCost,
    LabelledPoints,
    SolvedProblem,
    Solver,
    Task,
    TransportProblem,
    Workspace,
    batches,
    bind_solver,
    label_distance_matrix,
    make_label_cost,
    matched_label_distances,
    mean_ground_cost,
    prefers_images,
    resolve_correspondence,
    solves_matched_together,
)


class Parameters(Protocol):
    """Those of :class:`~skflow.functionals.OTDDFunctional`, validated."""

    target: tuple[np.ndarray, np.ndarray]
    reg: float
    reg_scale: str
    label_weight: float
    label_distance: str
    label_path: bool
    correspondence: str | Mapping[Any, Any]
    class_weight: str | Mapping[Any, float] | None
    debias: bool
    solver: str | Solver
    batch_size: int | None
    marginal_tol: float
    refresh_tol: float
    weight: float

    def set_params(self, **params: Any) -> Any:
        """Change parameters."""


@dataclass
class TransportBlock:
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

    def __init__(self, spec: Parameters, particles: Particles) -> None:
        self.spec, self._device, self._dtype = spec, particles.x.device, particles.x.dtype
        target = self.target
        self.target_classes = target.classes
        self.mapping = resolve_correspondence(
            spec.correspondence,
            particles.classes,
            target.classes,
            lambda: self.label_distances(particles).cpu().numpy(),
        )
        self.reg = _absolute_reg(spec, particles, target, self.mapping)
        self._workspace, self._n_particles = Workspace(), len(particles.a)
        self.coupling = particles.x.new_zeros(particles.n_classes, target.n_classes)
        if self.mapping is None:
            self._blocks = [self._block(slice(None), 1.0, particles, target)]
        else:
            self.coupling[range(particles.n_classes), self.mapping] = particles.mass
            runs = self._runs(particles, target)
            self._blocks = [self._block(*_matched(run, self.mapping, particles, target)) for run in runs]

    @property
    def target(self) -> Particles:
        """The reference dataset on the particles' device, made anew: the flow keeps no second copy."""
        X, y = self.spec.target
        return Particles.from_arrays(X, y, class_weight=self.spec.class_weight, device=self._device, dtype=self._dtype)

    def evaluate(self, particles: Particles) -> Derivative:
        """Objective and its gradient; see :meth:`~skflow.transport.TransportProblem.evaluate`."""
        x, value = particles.x, particles.x.new_zeros(())
        ends: list[tuple[float, bool, int]] = []  # what is told of plans, without their gradients
        whole = torch.empty_like(x) if len(self._blocks) > 1 else None
        gradient = x
        for block in self._blocks:
            part = block.problem.evaluate(x[block.rows])
            ends.append(_end(part))
            block_value, gradient = part.value, part.gradient
            if block.own is not None:
                own = block.own.evaluate(x[block.rows], x[block.rows])
                ends.append(_end(own))
                # By symmetry the self-transport's gradient is twice the one in its first argument.
                block_value = block_value - own.value / 2 - block.constant
                gradient -= own.gradient
            value = value + block.mass * block_value
            share = self.spec.weight * block.mass
            gradient = torch.mul(gradient, share, out=gradient if whole is None else whole[block.rows])
            if self.mapping is None:
                self.coupling = part.class_mass
        errors, converged, n_iters = zip(*ends, strict=True)
        self.marginal_error, self.converged, self.n_iter = max(errors), all(converged), max(n_iters)
        features = gradient if whole is None else whole
        return Derivative(self.spec.weight * value, features, curvature=self._curvature())

    def settle(self) -> bool:
        problems = [p for block in self._blocks for p in (block.problem, block.own) if p is not None]
        saved = [problem.refreshes.settle() for problem in problems]  # all of them, not those before the first
        return any(saved)

    def release(self) -> None:
        self._blocks, self._workspace = [], Workspace()

    def coupling_of(self, particles: Particles) -> Tensor:
        """Mass (K, K') that the last plan moves between the classes of `particles` and the target's."""
        return self.coupling

    def label_distances(self, particles: Particles) -> Tensor:
        """Squared label distances (K, K') at the particles' present state."""
        return label_distance_matrix(particles, self.target, self.spec.label_distance)

    def _curvature(self) -> float | None:
        """That of fixed plans, which cost no less than the optimal ones: twice the sum of the weights of both parts."""
        label_weight = self.spec.label_weight if self.spec.label_path else 0.0
        return 2 * self.spec.weight * (1 + label_weight) if self.spec.weight > 0 else None

    def _runs(self, particles: Particles, target: Particles) -> list[range]:
        """Source classes whose blocks are solved together."""
        assert self.mapping is not None
        classes = range(particles.n_classes)
        if not solves_matched_together(self.spec.solver, self.reg, self.spec.batch_size):
            return [range(k, k + 1) for k in classes]
        ends = [(particles.slices[k], target.slices[self.mapping[k]]) for k in classes]
        sizes = [(s.stop - s.start, t.stop - t.start) for s, t in ends]
        return batches(sizes, particles.x.shape[1], self._device)

    def _block(self, rows: slice, mass: float, source: LabelledPoints, target: LabelledPoints) -> TransportBlock:
        block = TransportBlock(rows, mass, self._problem(source, target))
        if self.spec.debias:
            block.own = self._problem(source, source)
            block.constant = self._problem(target, target).evaluate(target.x).value / 2
        return block

    def _problem(self, source: LabelledPoints, target: LabelledPoints) -> TransportProblem:
        spec, matched = self.spec, self.mapping is not None
        share = len(source.a) / self._n_particles
        # Features come with each cost; a solver that kept these would hold all of the target.
        bare = source.without_features()
        bare_target = bare if target is source else target.without_features()
        task = Task(bare, bare_target, self.reg, spec.marginal_tol, matched, share, self._workspace)
        solver = bind_solver(spec.solver, task, batch_size=spec.batch_size)
        return TransportProblem(
            source,
            target,
            solver=solver,
            label_cost=self._label_cost(source, target, prefers_images(source, target, solver)),
            # Classes against themselves have no label part.
            label_weight=0.0 if source is target and matched else spec.label_weight,
            label_path=spec.label_path,
            refresh_tol=spec.refresh_tol,
            workspace=self._workspace,
        )

    def _label_cost(self, source: LabelledPoints, target: LabelledPoints, by_image: bool) -> LabelCost:
        exact = {} if self.spec.refresh_tol else {"negligible": 0.0}
        matched = self.mapping is not None
        return make_label_cost(self.spec.label_distance, source, target, by_image=by_image, matched=matched, **exact)


def _end(solved: SolvedProblem) -> tuple[float, bool, int]:
    return solved.marginal_error, solved.converged, solved.n_iter


def _matched(
    run: range, mapping: np.ndarray, particles: Particles, target: Particles
) -> tuple[slice, float, LabelledPoints, LabelledPoints]:
    """Rows, mass and points of some source classes, and of the target class that each goes to."""
    source = particles.only(*run)
    rows = slice(particles.slices[run.start].start, particles.slices[run.stop - 1].stop)
    return rows, particles.mass[run].sum().item(), source, target.only(*mapping[run].tolist(), mass=source.mass)


def _absolute_reg(spec: Parameters, particles: Particles, target: Particles, mapping: np.ndarray | None) -> float:
    """The regularisation in units of the cost."""
    if spec.reg == 0 or spec.reg_scale == "absolute":
        return float(spec.reg)
    goes_to = None if mapping is None else torch.as_tensor(mapping, device=particles.x.device)
    if spec.label_weight == 0:
        shape = (particles.n_classes, target.n_classes) if goes_to is None else (particles.n_classes,)
        labels = particles.x.new_zeros(shape)
    elif goes_to is None:
        labels = spec.label_weight * label_distance_matrix(particles, target, spec.label_distance)
    else:
        labels = spec.label_weight * matched_label_distances(particles, target, goes_to, spec.label_distance)
    mean = mean_ground_cost(particles, target, labels, goes_to)
    # Where nothing costs anything any regularisation gives the same plan, the independent one.
    return spec.reg * (mean or torch.finfo(particles.x.dtype).eps)
