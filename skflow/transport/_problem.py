"""One transport problem of the OTDD: its value, its gradient in the source features, its class coupling (eq. 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._ground_cost import Features, GroundCost
from ._memory import Workspace
from ._points import LabelledPoints
from ._refreshes import RefreshRule
from .label_costs import LabelCost
from .solvers import BoundSolver, TransportPlan


@dataclass
class SolvedProblem:
    """Value and derivatives of a transport problem at given features."""

    value: Tensor
    gradient: Tensor
    """dF/dx, shape (n, d)."""
    class_mass: Tensor
    """Mass that the plan moves between classes, ``P_kl``, shape (K, K')."""
    marginal_error: float
    converged: bool
    n_iter: int


class TransportProblem:
    """Optimal transport between labelled points under ``||x - x'||^2 + label_weight W2^2(y, y')``.

    Everything that depends on the target alone is computed once; cost and plan live in a workspace that is used again
    from step to step, and by problems that take turns.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides; `source` gives weights and labels, its features are passed to :meth:`evaluate`.
    solver : BoundSolver
        The solver, made ready for these two sides.
    label_cost : LabelCost
        The label part of the cost, between these two sides.
    label_weight : float
        Weight of the label distance in the ground cost.
    label_path : bool
        Whether the gradient follows the dependence of the label distributions on the features.
    refresh_tol : float
        See :class:`RefreshRule`.
    workspace : Workspace or None
        Room for matrices; None: its own.
    """

    def __init__(
        self,
        source: LabelledPoints,
        target: LabelledPoints,
        *,
        solver: BoundSolver,
        label_cost: LabelCost,
        label_weight: float = 1.0,
        label_path: bool = True,
        refresh_tol: float = 1e-2,
        workspace: Workspace | None = None,
    ) -> None:
        # Distances do not depend on the origin, their rounding errors do.
        self._centre = target.a @ target.x
        self.source, self.target = source.without_features(), target.moved(target.x - self._centre)
        self.solver, self.label_cost = solver, label_cost
        self.label_weight, self.label_path = label_weight, label_path
        self.refreshes = RefreshRule(refresh_tol)
        self._class_mass = torch.outer(source.mass, target.mass)
        self._square_target = _squares(self.target.x)
        self._of_class = target.one_hot() if solver.holds_plan else None
        self._workspace = workspace or Workspace()

    def evaluate(self, x: Tensor, x_target: Tensor | None = None) -> SolvedProblem:
        """Solve at source features `x` (n, d); `x_target` (m, d) replaces the target's own features if given.

        The gradient is that of the value in `x` alone, by the envelope theorem (no derivative of the plan):
        ``2 (a_i x_i - sum_j pi_ij x'_j)`` plus ``label_weight sum_kl P_kl dD_kl/dx_i`` where `label_path` is set.
        """
        features = self._features(x, x_target)
        distances, overestimate = self._label_distances(features)
        solved = self.solver.solve(GroundCost(features, self.label_weight * distances, self.source, self.target))
        if overestimate is not None:
            self.refreshes.adapt(*torch.stack([overestimate, solved.value]).tolist())
        class_mass = self._class_mass = self._class_mass_of(solved)
        row = self.source.a.clone()
        if self.label_weight > 0 and self.label_path:
            self.label_cost.pull_back(self.label_weight * class_mass, features, solved, row)
        elif self.label_weight > 0:
            self.label_cost.follow(class_mass, features)
        row *= 2
        if features.centre is None:
            # The features are a copy that has done its service: the gradient takes its place.
            gradient = features.x.mul_(row[:, None])
            if solved.plan is not None:
                gradient.addmm_(solved.plan, features.x_target, alpha=-2)
            if solved.image is not None:
                gradient.sub_(solved.image, alpha=2)
        else:
            gradient = solved.image_like(x).mul_(-2)
            for rows in self.source.chunks(x.shape[1]):
                gradient[rows].addcmul_(features.rows(rows), row[rows, None])
        return SolvedProblem(solved.value, gradient, class_mass, solved.marginal_error, solved.converged, solved.n_iter)

    def _class_mass_of(self, solved: TransportPlan) -> Tensor:
        if solved.class_mass is not None:
            return solved.class_mass
        assert solved.plan is not None
        assert self._of_class is not None
        return self.source.class_sums(solved.plan @ self._of_class)

    def _features(self, x: Tensor, x_target: Tensor | None) -> Features:
        if x_target is None:
            x_target, square_target = self.target.x, self._square_target
        else:
            x_target = x_target - self._centre
            square_target = _squares(x_target)
        if self.solver.holds_plan:
            x = x - self._centre
            inner = torch.mm(x, x_target.T, out=self._workspace.matrix(len(x), len(x_target), x))
            return Features(x, x_target, _squares(x), square_target, inner)
        features = Features(x, x_target, x.new_empty(len(x)), square_target, centre=self._centre)
        for rows in self.source.chunks(x.shape[1]):
            features.square[rows] = _squares(features.rows(rows))
        return features

    def _label_distances(self, features: Features) -> tuple[Tensor, Tensor | None]:
        """Label distances, and by how much they overestimated the objective if that was measured just now."""
        if self.label_weight == 0:
            return features.x.new_zeros(self.source.n_classes, self.target.n_classes), None
        due = self.refreshes.due()
        stale = self.label_cost.distances(features) if due != "all" else None
        if due is None:
            assert stale is not None
            return stale, None
        self.label_cost.refresh(features, every=due == "all")
        fresh = self.label_cost.distances(features)
        if stale is None:
            return fresh, None
        return fresh, self.label_weight * (self._class_mass * (stale - fresh)).sum()


def _squares(x: Tensor) -> Tensor:
    """Squared norms of the rows, without a copy of `x`."""
    return torch.linalg.vector_norm(x, dim=1).square_()
