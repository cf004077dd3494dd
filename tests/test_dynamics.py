"""Joint-driven dynamics through the estimators: names, frames, constraints, clusterers and interrupts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.linear_model import LinearRegression

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.flow import JointFixedLabels, JointVariableLabels
from skflow.functionals import ClassRepulsion
from tests._data import labelled


def ring(k, n, radius, seed, turn=0.0):
    """`k` classes on a circle, in no order."""
    rng = np.random.RandomState(seed)
    y = rng.permutation(np.arange(n) % k)
    angle = 2 * np.pi * y / k + turn
    return radius * np.c_[np.cos(angle), np.sin(angle)] + rng.randn(n, 2), y


THREE, FIVE = ring(3, 90, 8, 0), ring(5, 100, 15, 1, turn=0.3)
SHORT = {"alignment": None, "max_iter": 40, "tol": 0, "pushforward": LinearRegression(), "random_state": 0}


@pytest.mark.parametrize("label_distance", ["gaussian", "gaussian-diag", "means"])
def test_fixed_labels_arrive(label_distance):
    X, y = labelled(60, 2, 3)
    target = labelled(60, 2, 3, seed=1)
    flow = OTDDFlowTransformer(target, dynamics="jd-fl", label_distance=label_distance, **SHORT).fit(X, y)
    assert flow.objective_[-1] < 0.5 * flow.objective_[0]
    assert flow.label_distances_.shape == flow.coupling_.shape == (3, 3)
    spread = np.var(target[0], axis=0).sum()
    assert (np.diag(flow.label_distances_) < 0.05 * spread).all()  # the free distributions arrive
    assert flow.particle_labels_.tolist() == y.tolist()


@pytest.mark.parametrize(
    ("clusterer", "n_classes"),
    [("dbscan", 5), ("kmeans", 3), (KMeans(3, n_init=1, random_state=0), 3), (AgglomerativeClustering(5), 5)],
    ids=["dbscan", "kmeans", "KMeans", "Agglomerative"],
)
def test_variable_labels(clusterer, n_classes):
    X, y = THREE
    dynamics = JointVariableLabels(clusterer)
    flow = OTDDFlowTransformer(FIVE, dynamics=dynamics, safeguard=False, keep_trajectory=4, **SHORT).fit(
        X, np.array(["a", "b", "c"])[y]
    )
    assert len(flow.classes_) == n_classes
    assert set(flow.particle_labels_) == set(flow.classes_) == set(flow.label_map_)
    assert {"a", "b", "c"} <= set(flow.classes_)
    assert flow.coupling_.shape == flow.label_distances_.shape == (n_classes, 5)
    assert_allclose(flow.coupling_.sum(), 1)
    if n_classes == 5:  # particles end near the class that theirs goes to
        centres = np.array([FIVE[0][FIVE[1] == k].mean(axis=0) for k in range(5)])
        nearest = np.linalg.norm(flow.particles_[:, None] - centres, axis=2).argmin(axis=1)
        assert (nearest == [flow.label_map_[label] for label in flow.particle_labels_]).mean() > 0.95
    if not isinstance(clusterer, str):
        assert not hasattr(clusterer, "labels_")  # the user's own object is left as it is


def test_constraints_see_the_changing_classes():
    repulsion = [("repulsion", ClassRepulsion(weight=0.1))]
    flow = ConstrainedFlow(repulsion, FIVE, dynamics="jd-vl", **SHORT).fit(*THREE)
    assert len(flow.classes_) == 5


@pytest.mark.parametrize("dynamics", ["fd", "jd-fl", "jd-vl"])
@pytest.mark.parametrize("n_frames", [0, 2, 5, 10**30])
def test_frames_go_from_start_to_end(dynamics, n_frames):
    X, y = labelled(30, 2, 3)
    settings = {"alignment": None, **SHORT, "max_iter": 6, "keep_trajectory": n_frames}
    flow = OTDDFlowTransformer(labelled(30, 2, 3, seed=1), dynamics=dynamics, **settings).fit(X, y)
    assert flow.trajectory_.shape == (min(n_frames, 7), *X.shape)
    if n_frames:
        assert_allclose(flow.trajectory_[0], X, rtol=1e-9)
        assert_array_equal(flow.trajectory_[-1], flow.particles_)


class Interrupting(KMeans):
    """Is interrupted by the user in its second call."""

    calls = 0

    def fit_predict(self, X, y=None, sample_weight=None):
        type(self).calls += 1
        if type(self).calls > 1:
            raise KeyboardInterrupt
        return super().fit_predict(X)


def test_an_interrupt_goes_through_and_keeps_the_steps_made():
    """Of the later fit, not the one before."""
    X, y = THREE
    flow = OTDDFlowTransformer(FIVE, dynamics=JointFixedLabels(), **{**SHORT, "max_iter": 3}).fit(X, y)
    flow.set_params(dynamics=JointVariableLabels(Interrupting(3, n_init=1), recluster_every=1))
    with pytest.raises(KeyboardInterrupt):
        flow.fit(X, y)
    assert len(flow.objective_) == flow.n_iter_ + 1
    assert flow.transform(X).shape == X.shape
