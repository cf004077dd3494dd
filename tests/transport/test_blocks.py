"""Blocks in one batch against blocks one by one, and which are taken together."""

import numpy as np
import pytest
import torch

from skflow.flow import Particles
from skflow.functionals import OTDDFunctional
from skflow.transport import _padding as padding
from skflow.transport import batches
from tests._data import array, labelled


def evaluate(device, steps=3, **parameters):
    """Derivatives along a few steps, and how many problems there are."""
    particles = Particles.from_arrays(*labelled(80, k=6), device=device, dtype=torch.float64)
    functional = OTDDFunctional(labelled(60, k=5, seed=1), marginal_tol=1e-11, refresh_tol=0, **parameters)
    bound, found = functional.bind(particles), []
    for _ in range(steps):
        found.append(bound.evaluate(particles))
        particles = particles.moved(particles.x - 0.1 * found[-1].features / particles.a[:, None])
    return found, bound


@pytest.mark.parametrize("debias", [False, True])
@pytest.mark.parametrize("label_distance", ["gaussian", "gaussian-diag", "means", "exact"])
def test_a_batch_gives_what_its_blocks_give(label_distance, debias, monkeypatch, device):
    """Classes of unequal sizes, two of which go to the same."""
    parameters = {
        "label_distance": label_distance, "debias": debias, "label_weight": 1.7, "weight": 0.6,
        "correspondence": {0: 3, 1: 0, 2: 1, 3: 3, 4: 4, 5: 2},
    }  # fmt: skip
    monkeypatch.setattr(padding, "PADDING", 100.0)
    together, bound = evaluate(device, **parameters)
    assert len(bound._blocks) == 1
    monkeypatch.setattr(padding, "BLOCK_BATCH", {device.type: 0})
    apart, other = evaluate(device, **parameters)
    assert len(other._blocks) == 6
    torch.testing.assert_close(bound.coupling, other.coupling)
    for one, two in zip(together, apart, strict=True):
        torch.testing.assert_close(one.value, two.value, rtol=1e-8, atol=0)
        torch.testing.assert_close(one.features, two.features, rtol=0, atol=1e-9)


def test_the_coupling_is_the_correspondence(device):
    _, bound = evaluate(device, steps=1, correspondence={0: 3, 1: 0, 2: 1, 3: 3, 4: 4, 5: 2})
    expected = np.zeros((6, 5))
    for k, l in enumerate([3, 0, 1, 3, 4, 2]):
        expected[k, l] = 1 / 6
    np.testing.assert_allclose(array(bound.coupling), expected)


CPU = torch.device("cpu")


def test_blocks_are_taken_together_while_padding_is_little():
    assert batches([(20, 30)] * 5, 8, CPU) == [range(5)]
    assert batches([(20, 30), (20, 30), (90, 90), (80, 95)], 8, CPU) == [range(2), range(2, 4)]
    assert batches([], 8, CPU) == []


def test_on_a_processor_large_blocks_stay_alone_and_so_do_blocks_with_many_features():
    side = round(padding.BLOCK_BATCH["cpu"] ** 0.5)
    alone = [range(k, k + 1) for k in range(3)]
    assert batches([(side, side)] * 3, 8, CPU) == alone
    assert batches([(200, 300)] * 3, 784, CPU) == alone
    assert batches([(200, 300)] * 3, 784, torch.device("cuda")) == [range(3)]


def test_many_small_blocks_are_taken_together_whatever_their_features():
    """A call for each would cost more than the copy of their features."""
    assert batches([(3, 3)] * 300, 16, CPU) == [range(300)]
