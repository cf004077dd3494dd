"""The sum of functionals that a flow descends (eq. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch

from ..flow import BoundFunctional, Derivative, Particles
from ._base import Functional


class FunctionalSum(Functional):
    """Sum of named functionals, each with its own weight (eq. 12); the first variations add up (eq. 13).

    Parameters
    ----------
    terms : list of (name, Functional)
        What to add.
    """

    def __init__(self, terms: Sequence[tuple[str, Functional]]) -> None:
        self.terms = terms

    def bind(self, particles: Particles) -> BoundSum:
        """Bind every term."""
        return BoundSum({name: term.bind(particles) for name, term in self.terms})


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
        derivatives = {name: term.evaluate(particles) for name, term in self.terms.items()}
        values = torch.stack([derivative.value for derivative in derivatives.values()]).tolist()  # one read for all
        for name, value in zip(derivatives, values, strict=True):
            self.history[name].append(value)
        self.converged = all(term.converged for term in self.terms.values())
        return total(list(derivatives.values()))

    def settle(self) -> bool:
        saved = [term.settle() for term in self.terms.values()]  # all of them, not those before the first
        return any(saved)

    def release(self) -> None:
        for term in self.terms.values():
            term.release()


def total(derivatives: Sequence[Derivative]) -> Derivative:
    """The sum of derivatives; what a functional leaves out (None) counts for nothing."""

    def add(name: str) -> object:
        parts = [part for derivative in derivatives if (part := getattr(derivative, name)) is not None]
        return sum(parts[1:], parts[0]) if parts else None

    whole = Derivative(**{field.name: add(field.name) for field in fields(Derivative)})
    if any(derivative.curvature is None for derivative in derivatives):
        whole.curvature = None  # a bound on some of the terms is none on their sum
    return whole
