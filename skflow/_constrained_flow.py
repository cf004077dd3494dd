"""ConstrainedFlow: shape a dataset by named functionals, with or without a reference dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.callback import with_callbacks
from sklearn.utils import Tags

from ._flow import BaseFlow
from ._fresh_fit import fresh_fit
from ._run import TARGET
from ._sklearn import BaseComposition, fit_context
from ._target import Target
from .flow import Dynamics, Optimizer
from .functionals import Functional, FunctionalSum
from .transport import Solver


class ConstrainedFlow(BaseFlow, BaseComposition):
    """Shapes a dataset by the gradient flow of named functionals, added to the OTDD to a target where there is one.

    The objective is eq. 12: the squared OTDD to `target`, if any, plus the sum of `constraints`, each with its own
    weight (the lambda of figure 8). `fit` lets the training samples flow down its gradient and learns the movement as
    a map, `transform` applies the map to unseen samples.

    Parameters
    ----------
    constraints : list of (name, Functional)
        The functionals, named and nested like the steps of a :class:`sklearn.pipeline.Pipeline`:
        ``tube__weight`` is a parameter of the flow, and ``tube`` is one itself.
    target : tuple (X, y), Reference, callable or None, default=None
        The reference dataset, see :class:`OTDDFlowTransformer`. With None, here and in `fit`, the constraints alone
        drive the flow.
    alignment : "auto", str, Invariance, DomainAligner or None, default="auto"
        The global map to the target that comes first, where there is one, see :class:`OTDDFlowTransformer`.
    reg, label_weight, label_distance, correspondence, class_weight, mass, solver, batch_size
        Of the OTDD to the target, see :class:`OTDDFlowTransformer`. ``label_weight=0`` with
        ``correspondence="coupling"`` is vanilla, feature-only optimal transport. A debiased or otherwise configured
        distance is a constraint of its own: ``("otdd", OTDDFunctional(target, debias=True))``.
    dynamics, optimizer, step_size, max_iter, tol, max_particles
        Of the flow, see :class:`OTDDFlowTransformer`. With constraints ``optimizer="auto"`` knows no bound: it starts
        with `step_size`, goes on with Barzilai-Borwein steps, and takes back those that climb. The noise of an
        :class:`~skflow.functionals.Entropy` needs steps of a known length, so there it raises.
    pushforward, fit_inverse_transform, keep_trajectory, device, random_state, verbose
        As in :class:`OTDDFlowTransformer`; `random_state` also determines the noise of an
        :class:`~skflow.functionals.Entropy`.

    Attributes
    ----------
    particles_, particle_labels_, particle_indices_, trajectory_, n_iter_, classes_, pushforward_
        As in :class:`OTDDFlowTransformer`. Without `y` all particles have the label 0.
    objective_ : ndarray of shape (n_iter + 1,)
        The sum of all terms at the start and after each step.
    objective_terms_ : dict of str to ndarray of shape (n_iter + 1,)
        Each constraint's share by its name, weight included, and that of the distance as ``"target"``.
    label_distances_, coupling_, label_map_, target_classes_, target_, class_proportions_, row_mass_, unmatched_rows_,
    unmatched_classes_
        As in :class:`OTDDFlowTransformer`, where there is a target.

    See Also
    --------
    OTDDFlowTransformer : Towards a target alone.
    skflow.functionals : What constrains.

    References
    ----------
    .. [1] D. Alvarez-Melis, N. Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021, section 5.

    Examples
    --------
    Two overlapping classes part, and stay within a distance of 2 from where they were:

    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from skflow import ConstrainedFlow
    >>> from skflow.functionals import ClassRepulsion, TubePotential
    >>> X, y = make_blobs(100, centers=[[0, 0], [1, 0]], random_state=0)
    >>> flow = ConstrainedFlow(
    ...     [("repulsion", ClassRepulsion(weight=10)), ("tube", TubePotential(radius=2, weight=10))],
    ...     random_state=0,
    ... ).set_params(tube__weight=20)
    >>> Z = flow.fit(X, y).particles_
    >>> bool(np.linalg.norm(Z - X, axis=1).max() < 3.5)
    True
    """

    _parameter_constraints: dict = {**BaseFlow._parameter_constraints, "constraints": [list, tuple]}

    def __init__(
        self,
        constraints: list[tuple[str, Functional]],
        target: Target | None = None,
        *,
        alignment: Any = "auto",
        reg: float = 0.05,
        label_weight: float = 1.0,
        label_distance: str = "gaussian",
        correspondence: str | Mapping[Any, Any] = "auto",
        class_weight: str | None = "balanced",
        mass: str | float = "auto",
        solver: str | Solver = "auto",
        batch_size: int | None = None,
        dynamics: str | Dynamics = "fd",
        optimizer: str | Optimizer = "sgd",
        step_size: float = 0.1,
        max_iter: int = 200,
        tol: float = 1e-3,
        max_particles: int | None = None,
        pushforward: Any = None,
        fit_inverse_transform: bool = False,
        keep_trajectory: int = 0,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            target,
            alignment=alignment,
            reg=reg,
            label_weight=label_weight,
            label_distance=label_distance,
            correspondence=correspondence,
            class_weight=class_weight,
            mass=mass,
            solver=solver,
            batch_size=batch_size,
            dynamics=dynamics,
            optimizer=optimizer,
            step_size=step_size,
            max_iter=max_iter,
            tol=tol,
            max_particles=max_particles,
            pushforward=pushforward,
            fit_inverse_transform=fit_inverse_transform,
            safeguard=False,  # what constraints ask for is no harm to be undone
            keep_trajectory=keep_trajectory,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.constraints = constraints

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the flow and, where `deep`, the constraints and theirs as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to go into the constraints.

        Returns
        -------
        dict
            Parameter names and values.
        """
        return self._get_params("constraints", deep=deep)

    def set_params(self, **params: Any) -> ConstrainedFlow:
        """Set parameters of the flow, replace a constraint by its name, or set one of its parameters.

        Parameters
        ----------
        **params : dict
            Parameter names, as :meth:`get_params` gives them, and values.

        Returns
        -------
        self : ConstrainedFlow
        """
        self._set_params("constraints", **params)
        return self

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        X_target: ArrayLike | None = None,
        y_target: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> ConstrainedFlow:
        """Flow the samples down the objective and learn the movement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples to shape.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels; needed where there is a target, or a constraint that tells classes apart. Without labels all
            samples are one class.
        X_target, y_target, sample_weight
            See :meth:`OTDDFlowTransformer.fit`.

        Returns
        -------
        self : ConstrainedFlow

        Raises
        ------
        ValueError
            For parameters out of range, of the flow or of a constraint, for constraints that are not pairs of a name
            and a functional, missing labels, or a target that does not fit `X`.
        """
        self._check_constraints()
        with fresh_fit(self):
            if y is None and X_target is not None:
                raise ValueError(f"{type(self).__name__} requires y to be passed where X_target is, but y=None.")
            rows, labels, weight = self._read_source(X, y, y_target, sample_weight)
            target = self._read_target(rows, labels, X_target, y_target, weight)
            terms, distance = list(self.constraints), None
            if target is not None:
                distance = self._distance_to(target)
                terms.append((TARGET, distance))
            if not terms:
                raise ValueError(f"constraints={self.constraints!r} and target=None leave nothing to descend.")
            self._fit_flow(rows, labels, FunctionalSum(terms), target, weight, distance)
        return self

    def _check_constraints(self) -> None:
        """Raise where the constraints are not named functionals."""
        for constraint in self.constraints:
            if not (isinstance(constraint, tuple) and len(constraint) == 2 and isinstance(constraint[0], str)):
                raise ValueError(f"constraints={self.constraints!r}: {constraint!r} is not a pair (name, functional).")
            name, functional = constraint
            if not isinstance(functional, Functional):
                raise ValueError(f"constraints: {name}={functional!r} is not a functional of skflow.functionals.")
        names = [name for name, _ in self.constraints]
        self._validate_names(names)
        if TARGET in names:
            raise ValueError(f"constraints: the name {TARGET!r} is that of the distance to the target; choose another.")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # Asked before the constraints have been checked.
        pairs = self.constraints if isinstance(self.constraints, (list, tuple)) else []
        functionals = [pair[-1] for pair in pairs if isinstance(pair, tuple) and pair]
        needy = any(getattr(functional, "needs_labels", False) for functional in functionals)
        tags.target_tags.required = needy or self.target is not None
        return tags
