"""The sum of functionals (eq. 12) and what it does with parts of a derivative that only some terms have."""

import numpy as np
import torch

from skflow.flow import Derivative, Particles
from skflow.functionals import ClassRepulsion, Entropy, FunctionalSum, NormPotential
from skflow.functionals import _sum as summation


def particles():
    rng = np.random.default_rng(0)
    return Particles.from_arrays(rng.normal(size=(10, 2)), np.arange(10) % 2, dtype=torch.float64)


def test_values_gradients_and_noise_add_up():
    at = particles()
    terms = {"norm": NormPotential(weight=2), "repulsion": ClassRepulsion(), "warm": Entropy(weight=0.2)}
    terms["warmer"] = Entropy(weight=0.5)
    bound = FunctionalSum(list(terms.items())).bind(at)
    whole, parts = bound.evaluate(at), {name: term.bind(at).evaluate(at) for name, term in terms.items()}
    torch.testing.assert_close(whole.value, sum(p.value for p in parts.values()))
    torch.testing.assert_close(whole.features, sum(p.features for p in parts.values()))
    assert whole.diffusion == 0.7
    bound.evaluate(at)
    assert bound.history == {name: [part.value.item()] * 2 for name, part in parts.items()}


def test_what_no_term_has_is_left_out():
    at = particles()
    assert (
        FunctionalSum([("norm", NormPotential()), ("repulsion", ClassRepulsion())]).bind(at).evaluate(at).diffusion
        is None
    )


def test_optional_parts_pass_through():
    """A part that a single term sets, of whatever kind, comes out as it is."""
    value, features, part = torch.tensor(1.0), torch.ones(3, 2), object()
    whole = summation.total([Derivative(value=value, features=features, diffusion=part), Derivative(value, features)])
    assert whole.diffusion is part
    assert whole.value == 2
