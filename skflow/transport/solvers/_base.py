"""What a transport solver is asked, what it declares that it needs and can, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib.util import find_spec
from numbers import Real
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..._sklearn import Interval, ParameterObject
from .._ground_cost import GroundCost
from .._memory import Workspace
from .._points import LabelledPoints

TIGHT = 1e-6
"""Marginal error below which plans are as good as exact."""
TOLERANCE: list = [Interval(Real, 0, None, closed="neither"), None]
"""Constraint of a tolerance; None is that of the functional."""


@dataclass
class TransportPlan:
    """A solved optimal transport problem (eq. 1, or its entropic form).

    Parameters
    ----------
    plan : Tensor of shape (n, m) or None
        The coupling; its row sums are exactly the source weights (to rounding). It lives in a buffer of the solver
        and is overwritten by the next solve. None where the solver never holds it whole.
    value : Tensor of shape ()
        The optimal value: ``<plan, C> + eps KL(plan | a x b)`` with entropy, ``<plan, C>`` without.
    marginal_error : float
        Measured L1 distance between a marginal of the plan and its prescribed weights, as a fraction of the mass.
    converged : bool
        Whether `marginal_error` is within the solver's tolerance.
    n_iter : int
        Iterations that it took.
    image : Tensor of shape (n, d) or None
        ``plan @ x_target``, where the plan itself is not held; what has been added to it, where it is.
    class_mass : Tensor of shape (K, K') or None
        Mass that the plan moves between classes; None where it can be read off the plan.
    """

    plan: Tensor | None
    value: Tensor
    marginal_error: float
    converged: bool
    n_iter: int
    image: Tensor | None = None
    class_mass: Tensor | None = None

    def image_like(self, x: Tensor) -> Tensor:
        """The image, to be added to; of zeros where there is none yet."""
        if self.image is None:
            self.image = torch.zeros_like(x)
        return self.image


class BoundSolver(Protocol):
    """A solver made ready for one sequence of similar costs, warm-started from one solve to the next."""

    holds_plan: bool
    """Whether it holds the plan; the cost then comes with room for a whole matrix."""

    def solve(self, cost: GroundCost) -> TransportPlan:
        """The plan, or its image and the class masses."""
        ...


@dataclass
class Task:
    """What a solver is made ready for: a sequence of problems between the same weights.

    Parameters
    ----------
    source, target : LabelledPoints
        Weights and labels of the two sides. The same object twice is a transport to oneself, whose cost is symmetric.
    reg : float
        Regularisation, in units of the cost.
    tol : float
        Accepted marginal error (L1, relative to the mass).
    matched : bool
        Whether class k of the source goes to class k of the target alone.
    share : float
        Of all points of a flow, those of this problem.
    workspace : Workspace
        Room for a matrix, shared by solvers that take turns.
    """

    source: LabelledPoints
    target: LabelledPoints
    reg: float
    tol: float = 1e-3
    matched: bool = False
    share: float = 1.0
    workspace: Workspace = field(default_factory=Workspace)

    @property
    def symmetric(self) -> bool:
        """Whether to use that the plan is symmetric: of a transport to oneself, where the tolerance is tight.

        A loose one leaves errors that a debiased distance subtracts from those of the transport to the target, which
        near the target are the same as long as both are iterated alike.
        """
        return self.source is self.target and self.tol < TIGHT

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.source.a), len(self.target.a)

    @property
    def device(self) -> torch.device:
        return self.source.a.device

    @property
    def matrix_bytes(self) -> int:
        """Size of the cost matrix, in the features' precision."""
        n, m = self.shape
        return n * m * self.source.a.element_size()


class Solver(ParameterObject, ABC):
    """A way to solve transport problems: its parameters, and a declaration of what it needs and can.

    To add one, subclass, declare, write :meth:`bind`, and name it in ``_dispatch.py``, which reads the declarations:
    whether a problem may be given to a solver is decided there alone.
    """

    name: ClassVar[str]
    """What users call it."""
    needs_reg: ClassVar[bool] = True
    """Whether it solves entropic problems alone."""
    holds_plan: ClassVar[bool] = False
    """Whether it holds the plan; else it makes products with it."""
    n_matrices: ClassVar[float] = 0.0
    """Memory that it takes at its peak, in cost matrices of the features' precision."""
    approximate: ClassVar[bool] = False
    """Whether its plans are not optimal, so that "auto" takes it for large problems alone."""
    matched: ClassVar[bool] = False
    """Whether it solves the blocks of matched classes together."""
    packages: ClassVar[dict[str, str]] = {}
    """Modules that it needs beyond the package's own requirements, and what to install for them."""

    @abstractmethod
    def bind(self, task: Task) -> BoundSolver:
        """The solver for one sequence of problems."""

    def check(self, task: Task) -> None:
        """Raise where the surroundings lack what the solver needs: a package, a device, other processes."""
        for module, package in self.packages.items():
            if find_spec(module) is None:
                raise ImportError(f"solver={self.name!r} needs the package {module}: pip install '{package}'.")

    def _tol(self, task: Task) -> float:
        """The solver's own tolerance, or the functional's."""
        tol: float | None = getattr(self, "tol", None)
        return max(task.tol if tol is None else tol, torch.finfo(task.source.x.dtype).eps)  # rounding is no error
