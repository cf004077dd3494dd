"""What a transport problem asks of label distances that are followed while the points move (sections 3.3 and 6.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from .._ground_cost import Features
from .._points import LabelledPoints
from ..solvers import TransportPlan


class LabelCost(ABC):
    """Label distances between the classes of moving points and those of fixed ones, and their gradient.

    Parameters
    ----------
    source, target : LabelledPoints
        The two sides; only the features change later.
    """

    def __init__(self, source: LabelledPoints, target: LabelledPoints) -> None:
        self.source, self.target = source, target

    def refresh(self, features: Features, every: bool = True) -> None:  # noqa: B027
        """Bring what ages up to date, for every pair of classes or the active ones; most have nothing to do."""

    def follow(self, mass: Tensor, features: Features) -> None:  # noqa: B027
        """Learn what `mass` (K, K') the pairs of classes exchange; :meth:`pull_back` does so by itself."""

    @abstractmethod
    def distances(self, features: Features) -> Tensor:
        """Label distances ``W2^2`` at the present features, shape (K, K')."""

    @abstractmethod
    def pull_back(self, mass: Tensor, features: Features, solved: TransportPlan, row: Tensor) -> None:
        """Add the gradient of ``sum_kl mass_kl D_kl`` in x, in the form ``2 (row_i x_i - (plan x')_i - image_i)``.

        The plan or the image, and `row` (n,), are added to in place.
        """
