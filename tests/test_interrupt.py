"""Fits that are interrupted, pickled on their way, and gone on with."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.flow import _dynamics as dynamics
from skflow.functionals import NormPotential, OTDDFunctional
from skflow.functionals import _bound_distance as bound_distance

X, y = make_blobs(60, centers=3, random_state=0)
TARGET = make_blobs(50, centers=3, random_state=1)
QUICK = {"max_iter": 12, "tol": 0, "random_state": 0, "alignment": None}

pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")


class Saver:
    """Pickles the fit at one step, and lets it go on."""

    def __init__(self, step):
        self.step, self.saved = step, None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "flow step" and context.task_id == self.step:
            self.saved = pickle.dumps(fitted_estimator)


class Interrupter(Saver):
    """Presses Ctrl-C in its own hook."""

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "flow step" and context.task_id == self.step:
            raise KeyboardInterrupt


class InterruptedRegression(LinearRegression):
    """Is interrupted the first time it learns."""

    n_fits = 0

    def fit(self, X, y):
        type(self).n_fits += 1
        if type(self).n_fits == 1:
            raise KeyboardInterrupt
        return super().fit(X, y)


FLOWS = [
    OTDDFlowTransformer(TARGET, safeguard=False, **QUICK),
    OTDDFlowTransformer(TARGET, **QUICK),
    OTDDFlowTransformer(TARGET, dynamics="jd-fl", optimizer="adam", safeguard=False, **QUICK),
    OTDDFlowTransformer(TARGET, correspondence="coupling", safeguard=False, keep_trajectory=4, **QUICK),
    OTDDFlowTransformer(TARGET, solver="hierarchical", safeguard=False, max_particles=40, **QUICK),
    ConstrainedFlow([("norm", NormPotential(weight=0.1))], TARGET, **QUICK),
]


@pytest.mark.parametrize("flow", FLOWS, ids=range(len(FLOWS)))
def test_a_fit_that_is_pickled_on_its_way_ends_as_if_it_had_not_been(flow):
    """All of it: particles, history, map and decision."""
    saver = Saver(4)
    flow.set_callbacks(saver).fit(X, y)
    saved = pickle.loads(saver.saved)
    assert saved.n_iter_ == 5
    assert not np.allclose(saved.particles_, flow.particles_)
    assert saved.resume() is saved
    for name in ("particles_", "objective_", "trajectory_", "coupling_"):
        np.testing.assert_array_equal(getattr(saved, name), getattr(flow, name))
    np.testing.assert_array_equal(saved.transform(X), flow.transform(X))
    assert str(saved.decision_) == str(flow.decision_)
    with pytest.raises(NotFittedError, match="no interrupted fit"):
        saved.resume()


def test_an_interrupted_fit_is_one_that_ended_there_and_can_go_on():
    flow = OTDDFlowTransformer(TARGET, **QUICK).set_callbacks(Interrupter(6))
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after 7 steps.*resume\(\)"):
        flow.fit(X, y)
    short = OTDDFlowTransformer(TARGET, **{**QUICK, "max_iter": 7}).fit(X, y)
    np.testing.assert_array_equal(flow.particles_, short.particles_)
    assert flow.n_iter_ == 7
    assert flow.decision_ is None
    np.testing.assert_array_equal(flow.transform(X).shape, X.shape)
    flow.set_callbacks()
    whole = OTDDFlowTransformer(TARGET, **QUICK).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(flow)).resume().particles_, whole.particles_)


def test_an_interrupt_within_a_plan_costs_no_more_than_its_tolerance(monkeypatch):
    evaluate, calls = bound_distance.TransportProblem.evaluate, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return evaluate(self, *args)

    whole = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK).fit(X, y)
    monkeypatch.setattr(bound_distance, "batches", lambda sizes, *_: [range(k, k + 1) for k in range(len(sizes))])
    monkeypatch.setattr(bound_distance.TransportProblem, "evaluate", interrupted)
    flow = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK)
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    assert flow.n_iter_ == 5
    np.testing.assert_allclose(flow.resume().particles_, whole.particles_, atol=1e-2)


def test_an_interrupt_within_a_step_does_not_make_half_of_it(monkeypatch):
    """The gradient is overwritten by the step."""
    whole = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK).fit(X, y)
    velocity, calls = dynamics.velocity, []

    def interrupted(*args):
        calls.append(1)
        moved = velocity(*args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(dynamics, "velocity", interrupted)
    flow = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK)
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    assert flow.n_iter_ == 4
    flow.resume()
    assert flow.n_iter_ == 12
    np.testing.assert_allclose(flow.particles_, whole.particles_, atol=1e-2)
    np.testing.assert_allclose(flow.objective_, whole.objective_, rtol=1e-3)


def test_an_interrupt_while_the_map_is_learnt_keeps_the_particles():
    InterruptedRegression.n_fits = 0
    whole = OTDDFlowTransformer(TARGET, pushforward=LinearRegression(), **QUICK).fit(X, y)
    flow = OTDDFlowTransformer(TARGET, pushforward=InterruptedRegression(), **QUICK)
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    np.testing.assert_array_equal(flow.particles_, whole.particles_)
    flow.resume()
    assert InterruptedRegression.n_fits >= 2
    np.testing.assert_array_equal(flow.transform(X), whole.transform(X))
    assert flow.decision_.chosen == whole.decision_.chosen


def test_more_steps_may_be_asked_for():
    flow = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK).set_callbacks(Interrupter(3))
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    flow.set_callbacks().set_params(max_iter=20).resume()
    assert flow.n_iter_ == 20


def test_an_interrupt_before_there_is_a_step_leaves_the_fit_that_was(monkeypatch):
    flow = OTDDFlowTransformer(TARGET, safeguard=False, **QUICK).fit(X, y)
    before = flow.particles_
    monkeypatch.setattr(OTDDFunctional, "bind", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    assert flow.particles_ is before
