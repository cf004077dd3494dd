"""One transport problem of the OTDD: its value, its gradient in the source features, its class coupling (eq. 6)."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ._ground_cost import Features, GroundCost
from ._label_distances import LabelCost
from ._memory import Workspace
from ._plan import Solver
from ._points import LabelledPoints


@dataclass
class Evaluation:
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
    solver : callable (source, target) -> Solver
        Makes the solver.
    label_cost : callable (source, target, by_image) -> LabelCost
        Makes the label part; `by_image` where images of plans between classes are to be kept instead of plans, which
        is less where the solver holds no plan or features are few.
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
        solver: Callable[[LabelledPoints, LabelledPoints], Solver],
        label_cost: Callable[..., LabelCost],
        label_weight: float = 1.0,
        label_path: bool = True,
        refresh_tol: float = 1e-2,
        workspace: Workspace | None = None,
    ) -> None:
        # Distances do not depend on the origin, their rounding errors do.
        self._centre = target.a @ target.x
        self.source, self.target = source, target.moved(target.x - self._centre)
        self.solver = solver(self.source, self.target)
        few_features = target.x.shape[1] * target.n_classes < len(target.a) and source is not target
        self.label_cost = label_cost(source, target, by_image=few_features or not self.solver.needs_matrix)
        self.label_weight, self.label_path = label_weight, label_path
        self.refreshes = RefreshRule(refresh_tol)
        self._class_mass = torch.outer(source.mass, target.mass)
        self._square_target = _squares(self.target.x)
        self._workspace = workspace or Workspace()

    def evaluate(self, x: Tensor, x_target: Tensor | None = None) -> Evaluation:
        """Solve at source features `x` (n, d); `x_target` (m, d) replaces the target's own features if given.

        The gradient is that of the value in `x` alone, by the envelope theorem (no derivative of the plan):
        ``2 (a_i x_i - sum_j pi_ij x'_j)`` plus ``label_weight sum_kl P_kl dD_kl/dx_i`` where `label_path` is set.
        """
        features = self._features(x, x_target)
        distances, overestimate = self._label_distances(features)
        solved = self.solver.solve(GroundCost(features, self.label_weight * distances, self.source, self.target))
        if overestimate is not None:
            self.refreshes.adapt(*torch.stack([overestimate, solved.value]).tolist())

        class_mass = self._class_mass = solved.class_mass
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
            gradient = solved.image.mul_(-2)
            for rows in self.source.slices:
                gradient[rows].addcmul_(features.rows(rows), row[rows, None])
        return Evaluation(solved.value, gradient, class_mass, solved.marginal_error, solved.converged, solved.n_iter)

    def _features(self, x: Tensor, x_target: Tensor | None) -> Features:
        if x_target is None:
            x_target, square_target = self.target.x, self._square_target
        else:
            x_target = x_target - self._centre
            square_target = _squares(x_target)
        if self.solver.needs_matrix:
            x = x - self._centre
            inner = torch.mm(x, x_target.T, out=self._workspace.matrix(len(x), len(x_target), x))
            return Features(x, x_target, _squares(x), square_target, inner)
        features = Features(x, x_target, x.new_empty(len(x)), square_target, centre=self._centre)
        for rows in self.source.slices:
            features.square[rows] = _squares(features.rows(rows))
        return features

    def _label_distances(self, features: Features) -> tuple[Tensor, Tensor | None]:
        """Label distances, and by how much they overestimated the objective if that was measured just now."""
        if self.label_weight == 0:
            return features.x.new_zeros(self.source.n_classes, self.target.n_classes), None
        due = self.refreshes.due()
        if due is None:
            return self.label_cost.distances(features), None
        stale = self.label_cost.distances(features)
        self.label_cost.refresh(features, every=due == "all")
        fresh = self.label_cost.distances(features)
        if due == "all":
            return fresh, None
        return fresh, self.label_weight * (self._class_mass * (stale - fresh)).sum()


def _squares(x: Tensor) -> Tensor:
    """Squared norms of the rows, without a copy of `x`."""
    return torch.linalg.vector_norm(x, dim=1).square_()


class RefreshRule:
    """When label distances are refreshed: as often as their measured error asks for.

    The interval between refreshes halves when the overestimate measured at the last one is more than is accepted: a
    fraction `tol` of the objective, and a share of its fall since the refresh before, for where there is little to gain
    old label distances must not hide it. It doubles while the overestimate is below an eighth of the one and a third of
    the other: twice the interval is four times the overestimate, and twice the fall. Pairs of classes that exchange no
    mass bear on nothing but whether they will, and are refreshed every eighth time.

    Parameters
    ----------
    tol : float
        Accepted overestimate of the objective; 0 refreshes everything at every step, which makes values and gradients
        exact.
    """

    share = 0.5
    """Of the objective's fall between two refreshes, what an overestimate may hide."""
    longest = 3
    """Steps; a flow that goes on for longer with the same plans settles where other plans would take it further."""

    def __init__(self, tol: float) -> None:
        self.tol, self._value = tol, math.inf
        self._interval, self._age, self._n_refreshes = 1, 0, 0

    def due(self) -> str | None:
        """What to refresh now: "all", "active" pairs of classes, or None."""
        self._age += 1
        if self._n_refreshes and self._age < self._interval:
            return None
        self._age = 0
        self._n_refreshes += 1
        return "all" if self.tol == 0 or self._n_refreshes % 8 == 1 else "active"

    def settle(self) -> bool:
        """Refresh at every step from now on, since an end is to be judged by what is new; whether it was less often."""
        less_often, self._interval, self.longest = self._interval > 1, 1, 1
        return less_often

    def adapt(self, overestimate: float, value: float) -> None:
        """Learn from an overestimate that was measured at a refresh, of an objective that is `value` now."""
        size = max(abs(value), sys.float_info.min)
        share = self.share * max(self._value - value, 0.0) / size
        overestimate, self._value = overestimate / size, value
        if overestimate > min(self.tol, share):
            self._interval = max(self._interval // 2, 1)
        elif overestimate < min(self.tol / 8, share / 3):
            self._interval = min(2 * self._interval, self.longest)
