"""The sum of functionals that a flow descends (eq. 12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from ..flow import BoundFunctional, Derivative, Particles, checked, write_counts
from ._base import Functional
from ._coordinates import Coordinates


class FunctionalSum(Functional):
    """Sum of named functionals, each with its own weight (eq. 12); the first variations add up (eq. 13).

    Parameters
    ----------
    terms : list of (name, Functional)
        What to add.
    """

    _parameter_constraints = {"terms": [list, tuple]}

    def __init__(self, terms: Sequence[tuple[str, Functional]]) -> None:
        self.terms = terms

    def in_coordinates(self, X: np.ndarray, *, rotate: bool) -> tuple[Coordinates, Functional] | None:
        """Those of a single term; terms that are measured in lengths of their own stay in the user's."""
        if len(self.terms) != 1:
            return None
        ((name, term),) = self.terms
        found = term.in_coordinates(X, rotate=rotate)
        return None if found is None else (found[0], FunctionalSum([(name, found[1])]))

    def bind(self, particles: Particles) -> BoundSum:
        """Bind every term.

        Raises
        ------
        ValueError
            Where there are no terms, or one binds to something else than a :class:`~skflow.flow.BoundFunctional`.
        """
        self.validate()
        if not self.terms:
            raise ValueError(f"terms={self.terms!r} leave nothing to descend.")
        bound = {}
        for name, term in self.terms:
            bound[name] = term.bind(particles)
            if not isinstance(bound[name], BoundFunctional):
                raise ValueError(f"{name}={term!r}: bind must return a BoundFunctional, got {bound[name]!r}.")
        return BoundSum(bound)


class BoundSum(BoundFunctional):
    """:class:`FunctionalSum` bound to particles.

    Attributes
    ----------
    terms : dict of str to BoundFunctional
        The terms.
    history : dict of str to list of float
        Value of every term, weight included, at each evaluation.
    """

    def __init__(self, terms: dict[str, BoundFunctional]) -> None:
        self.terms = terms
        self.history: dict[str, list[float]] = {name: [] for name in terms}

    def evaluate(self, particles: Particles) -> Derivative:
        """See :meth:`~skflow.flow.BoundFunctional.evaluate`."""
        before = write_counts(particles)
        derivatives = [
            checked(term.evaluate(particles), particles, before, _called(name, term))
            for name, term in self.terms.items()
        ]
        values = torch.stack([derivative.value for derivative in derivatives]).tolist()  # one read for all
        for name, value in zip(self.terms, values, strict=True):
            self.history[name].append(value)
        self.converged = all(term.converged for term in self.terms.values())
        return total(derivatives)

    def explain(self, particles: Particles) -> str | None:
        """See :meth:`~skflow.flow.BoundFunctional.explain`; that of each term that has something to say."""
        found = []
        for name, term in self.terms.items():
            if own := term.explain(particles):
                found.append(f"{name}: {own}")
            elif self.history[name] and not math.isfinite(self.history[name][-1]):
                found.append(f"{_called(name, term)} has the value {self.history[name][-1]}.")
        return " ".join(found) or None

    def settle(self) -> bool:
        """See :meth:`~skflow.flow.BoundFunctional.settle`."""
        saved = [term.settle() for term in self.terms.values()]  # all of them, not those before the first
        return any(saved)

    def release(self) -> None:
        """See :meth:`~skflow.flow.BoundFunctional.release`."""
        for term in self.terms.values():
            term.release()


def total(derivatives: Sequence[Derivative]) -> Derivative:
    """The sum of derivatives; what a functional leaves out (None) counts for nothing."""

    def add(name: str) -> Any:
        parts = [part for derivative in derivatives if (part := getattr(derivative, name)) is not None]
        return sum(parts[1:], parts[0]) if parts else None

    whole = Derivative(**{field.name: add(field.name) for field in fields(Derivative)})
    if len(derivatives) == 1:
        whole.features = whole.features.clone()  # a step overwrites them, and a functional may have kept its own
    if any(derivative.curvature is None for derivative in derivatives):
        whole.curvature = None  # a bound on some of the terms is none on their sum
    return whole


def _called(name: str, term: BoundFunctional) -> str:
    return f"{name} ({type(term).__name__})"
