"""How often a step waits for the device: what the host reads leaves a GPU's queue empty. It is counted on any."""

import pytest
from torch.overrides import TorchFunctionMode

from skflow.flow import OPTIMIZERS, FeatureDriven, Particles, integrate
from skflow.functionals import FunctionalSum, NormPotential, OTDDFunctional
from skflow.transport import EntropicSolver
from tests._data import labelled

READS = {"item", "tolist", "numpy", "cpu", "to", "nonzero", "unique", "equal", "__bool__", "__float__", "__int__"}


class CountReads(TorchFunctionMode):
    n_reads = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.__name__
        self.n_reads += name in READS and not (name == "to" and result.device == args[0].device)
        return result


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "auto"])
@pytest.mark.parametrize("settings", [{}, {"correspondence": "coupling"}, {"label_distance": "means"}], ids=str)
def test_a_step_reads_its_looks_at_the_error_and_little_else(settings, optimizer, monkeypatch, device):
    """The objective and whether the next state is finite; at a refresh of label distances also which matter and how far
    they were off."""
    looks, look = [], EntropicSolver._look
    monkeypatch.setattr(EntropicSolver, "_look", lambda self, column: looks.append(1) or look(self, column))
    start = Particles.from_arrays(*labelled(300, 4, 3), device=device)
    bound = OTDDFunctional(labelled(240, 4, 3, seed=1, shift=1.0), **settings).bind(start)

    def dynamics(particles):
        return FeatureDriven().bind(particles, optimizer=OPTIMIZERS[optimizer](n_iter_no_change=100), step_size=0.1)

    warm = dynamics(integrate(bound, dynamics(start), max_iter=5).particles)
    looks.clear()
    with CountReads() as reads:
        integrate(bound, warm, max_iter=12)
    assert reads.n_reads - len(looks) <= 4 * 13


def test_a_sum_reads_the_values_of_its_terms_at_once(device):
    start = Particles.from_arrays(*labelled(30, 4, 3), device=device)
    bound = FunctionalSum([(name, NormPotential()) for name in "abc"]).bind(start)
    with CountReads() as reads:
        bound.evaluate(start)
    assert reads.n_reads == 1
