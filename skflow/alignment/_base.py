"""A class of global maps under which two datasets may be the same."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from .._sklearn import ParameterObject
from ._affine_map import AffineMap
from ._pair import Pair
from ._plan_moments import PlanMoments


@dataclass(frozen=True)
class Proposal:
    """A map that was found without a plan.

    Parameters
    ----------
    map : AffineMap
    likely : bool
        Whether it leaves no more than chance, so that no other is needed.
    credible : bool
        Whether it stands out from others of its class. A class that is the last resort is tried for such a map alone.
    """

    map: AffineMap
    likely: bool = False
    credible: bool = True


class Invariance(ParameterObject):
    """A class of maps: given a plan, the best of them.

    A user's own class derives from this one and defines :meth:`fit`. What it returns is an
    :class:`AffineMap`, which knows how to map rows and how to map them back.

    Attributes
    ----------
    same_columns : bool
        Whether source and target must have the same number of features.
    turns : bool
        Whether maps of the class can mix columns so freely that the identity is no sensible start. Then several
        starts are tried.
    by_column : bool
        Whether a map treats columns one by one, so that it is fitted in all of them. Other classes are fitted between
        principal axes where there are many columns.
    last_resort : bool
        Whether the class, as one of several, is tried only where columns are not in their places, no other map of
        single columns fits, and it proposes a credible one.
    whole_classes : bool
        Whether the target's rows count for their class, in the proportion that the plan gives it, or each as far as it
        finds a counterpart. The plan's marginal is free, and leaves out rows that are far out, too: what is left of a
        class is narrower than the class is.
    uses_plan : bool
        Whether the best map depends on the plan, or on the moments of both sides alone. Then one turn of the
        alternation is enough.
    """

    same_columns: bool = True
    turns: bool = False
    by_column: bool = True
    last_resort: bool = False
    whole_classes: bool = False
    uses_plan: bool = True

    @abstractmethod
    def fit(self, moments: PlanMoments) -> AffineMap:
        """The map of the class that minimises ``sum_ij P_ij |h(x_i) - y_j|^2``, from the plan's moments."""

    @abstractmethod
    def n_parameters(self, n_features: int, n_features_target: int) -> int:
        """Number of free parameters of a map from `n_features` to `n_features_target` columns."""

    def proposals(self, pair: Pair, rng: np.random.RandomState) -> list[Proposal]:
        """Maps of the class that can be found without a plan, the likeliest first."""
        return []

    def near(self, h: AffineMap, pair: Pair) -> Invariance:
        """The part of the class to which `h` narrows it down, where a map is fitted again on fewer rows."""
        return self

    def variants(self) -> list[Invariance]:
        """The class, and others under its name that "auto" takes where held-out rows clearly prefer them."""
        return [self]

    def closest(self, h: AffineMap) -> AffineMap | None:
        """The map of the class that is `h` up to its gain, or None where that is no question for the class."""
        return None
