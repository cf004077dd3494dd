"""A flow between few points in many dimensions is the same in the span of the points."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from skflow import OTDDFlowTransformer
from skflow.functionals import OTDDFunctional
from skflow.functionals._span import JointSpan


def wide(n=24, d=90, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return 3 * rng.normal(size=(3, d))[y] + rng.normal(size=(n, d)) + shift, y


def test_coordinates_keep_distances_and_lead_back():
    (X, _), (Z, _) = wide(), wide(20, seed=1, shift=100.0)
    span = JointSpan(X, Z)
    reduced = span.reduce(X)
    assert reduced.shape == (24, 44)
    np.testing.assert_allclose(span.lift(reduced), X, atol=1e-10)
    apart = np.linalg.norm(X[:, None] - Z, axis=2)
    np.testing.assert_allclose(np.linalg.norm(reduced[:, None] - span.reduce(Z), axis=2), apart)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "auto"])
@pytest.mark.parametrize("label_distance", ["gaussian", "means", "exact"])
def test_the_flow_is_the_same(label_distance, optimizer, monkeypatch):
    """In single precision, whose rounding grows along a flow, and most where it decides when momentum starts anew."""
    X, y = wide()
    flow = OTDDFlowTransformer(
        wide(20, seed=1, shift=2.0), label_distance=label_distance, optimizer=optimizer, max_iter=8, keep_trajectory=3,
        pushforward=LinearRegression(), device="cpu",
    )  # fmt: skip
    reduced = flow.fit(X, y)
    particles, frames, objective = reduced.particles_, reduced.trajectory_, reduced.objective_
    monkeypatch.setattr(OTDDFunctional, "reduced", lambda self, X: None)
    whole = flow.fit(X, y)
    np.testing.assert_allclose(particles, whole.particles_, atol=1e-4)
    np.testing.assert_allclose(frames, whole.trajectory_, atol=1e-4)
    np.testing.assert_allclose(objective, whole.objective_, rtol=1e-5)


def test_what_is_not_the_same_in_other_coordinates_stays(monkeypatch):
    (X, y), target = wide(), wide(20, seed=1)
    assert OTDDFunctional(target, label_distance="gaussian-diag").reduced(X) is None
    assert OTDDFunctional(wide(70, seed=1)).reduced(X) is None
    monkeypatch.setattr(OTDDFunctional, "reduced", lambda self, X: pytest.fail("asked for fewer coordinates"))
    for parameters in ({"optimizer": "adam"}, {"dynamics": "jd-fl"}):
        OTDDFlowTransformer(target, pushforward=LinearRegression(), **parameters).fit(X, y)
