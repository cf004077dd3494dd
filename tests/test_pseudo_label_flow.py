"""PseudoLabelFlow: few labels, none, any clusterer, and trust that weighs the particles."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow.flow import Particles
from tests._data import PLAIN, any_width

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CENTRES = np.array([[0, 0], [6, 0], [0, 9]])
X, y = make_blobs(120, centers=CENTRES, cluster_std=0.5, random_state=0)
X_ref, y_ref = make_blobs(90, centers=CENTRES + 2.5, cluster_std=0.5, random_state=1)
REFERENCE = Reference(X_ref, y_ref)


def flow(**parameters):
    inner = OTDDFlowTransformer(**PLAIN, pushforward=parameters.pop("pushforward", LinearRegression()))
    return PseudoLabelFlow(**{"target": REFERENCE, "flow": inner, "random_state": 0, **parameters})


def few(k=2, marker=-1):
    known = np.full(len(y), marker, dtype=y.dtype if marker == -1 else object)
    for label in range(3):
        known[np.flatnonzero(y == label)[:k]] = label
    return known


@parametrize_with_checks(
    [
        PseudoLabelFlow(
            any_width,
            flow=OTDDFlowTransformer(**PLAIN, max_iter=5, pushforward=LinearRegression()),
        )
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_known_labels_stay_and_the_others_are_inferred():
    known = few()
    before = known.copy()
    fitted = flow().fit(X, known)
    np.testing.assert_array_equal(known, before)
    np.testing.assert_array_equal(fitted.pseudo_labels_, y)
    assert (fitted.confidence_[known >= 0] == 1).all()
    assert ((fitted.confidence_ >= 0) & (fitted.confidence_ <= 1)).all()
    assert fitted.clusterer_ is None
    assert fitted.label_map_ == {0: 0, 1: 1, 2: 2}


def test_no_labels_at_all():
    fitted = flow().fit(X)
    assert fitted.clusterer_ is None  # clusters are one voice among others, and rows get the target's own names
    goes_to = np.array([fitted.label_map_[label] for label in fitted.pseudo_labels_])
    np.testing.assert_array_equal(goes_to, y)
    np.testing.assert_allclose(fitted.particles_[y == 1].mean(0), X_ref[y_ref == 1].mean(0), atol=0.1)
    assert fitted.stability_ == 1
    again = flow().fit(X, np.full(len(X), -1))
    np.testing.assert_array_equal(again.particles_, fitted.particles_)


def test_all_labels_is_the_plain_flow():
    plain = OTDDFlowTransformer(REFERENCE, **PLAIN, pushforward=LinearRegression(), random_state=0).fit(X, y)
    fitted = flow().fit(X, y)
    np.testing.assert_array_equal(fitted.particles_, plain.particles_)
    assert (fitted.confidence_ == 1).all()


@pytest.mark.parametrize("clusterer", [KMeans(3, n_init=1), DBSCAN(1), HDBSCAN(copy=True), KMeans(5, n_init=1)])
def test_any_clusterer(clusterer):
    fitted = flow(clusterer=clusterer).fit(X)
    assert fitted.pseudo_labels_.min() >= 0
    assert not hasattr(clusterer, "labels_")
    goes_to = np.array([fitted.label_map_[label] for label in fitted.pseudo_labels_])
    assert (goes_to == y).mean() > 0.95


def test_noise_follows_its_neighbours():
    clusterer = DBSCAN(0.3, min_samples=4)
    noise = clone(clusterer).fit_predict(X) == -1
    assert noise.any()
    fitted = flow(clusterer=clusterer).fit(X)
    assert fitted.pseudo_labels_.min() >= 0
    assert fitted.confidence_[noise].mean() < fitted.confidence_[~noise].mean()


def test_text_labels_and_markers():
    names = np.array(["a", "b", "c"])
    target = (X_ref, names[y_ref])
    known = np.array([names[label] if label >= 0 else "" for label in few()])
    np.testing.assert_array_equal(flow(target=target, unlabelled="").fit(X, known).pseudo_labels_, names[y])
    mixed = np.array([names[label] if label >= 0 else -1 for label in few()], dtype=object)
    np.testing.assert_array_equal(flow(target=target).fit(X, mixed).pseudo_labels_, names[y])


def test_minus_one_can_be_a_label():
    signs = np.where(y == 0, -1, 1)
    target = (X_ref, np.where(y_ref == 0, -1, 1))
    fitted = flow(target=target, unlabelled=None).fit(X, signs)
    assert fitted.label_map_ == {-1: -1, 1: 1}


def test_confidence_weighs_the_particles():
    """The class means meet where the trusted rows say."""
    trusted = X[:, 0] > np.median(X[:, 0])
    fitted = flow(pushforward=DummyRegressor()).fit(X, y, confidence=np.where(trusted, 1, 0))
    plain = flow(pushforward=DummyRegressor()).fit(X, y)
    k = 0
    gap = [np.abs(f.particles_[(y == k) & trusted].mean(0) - X_ref[y_ref == k].mean(0)).max() for f in (fitted, plain)]
    assert gap[0] < gap[1]
    np.testing.assert_array_equal(fitted.confidence_, trusted)


def test_particles_share_out_their_classes_mass():
    weights = np.array([1.0, 3.0, 2.0, 2.0])
    particles = Particles.from_arrays(np.zeros((4, 1)), np.array([0, 0, 1, 1]), sample_weight=weights)
    np.testing.assert_allclose(particles.a, [0.125, 0.375, 0.25, 0.25])
    particles = Particles.from_arrays(
        np.zeros((4, 1)), np.array([1, 0, 0, 1]), sample_weight=weights, class_weight=None
    )
    np.testing.assert_allclose(particles.in_data_order(particles.a), weights / 8)


@pytest.mark.parametrize(
    ("parameters", "arguments", "message"),
    [
        ({"target": None}, (X, None), "target=None: PseudoLabelFlow has nothing to flow towards"),
        ({"clusterer": DBSCAN(1e-9)}, (X, None), "clusterer=DBSCAN.* found no cluster: all 120 rows are noise"),
        ({"clusterer": "kmeans"}, (X, None), "'clusterer' parameter of PseudoLabelFlow must be .* Got 'kmeans'"),
        ({}, (X, y, None, None, np.ones(3)), r"confidence must have shape \(120,\).* got \(3,\)"),
        ({}, (X, y, None, None, np.full(120, 2.0)), "confidence must lie between 0 and 1; got 2.0 to 2.0"),
        ({}, (X, np.linspace(0, 1, 120)), "Unknown label type: continuous"),
    ],
)
def test_errors_name_parameter_and_value(parameters, arguments, message):
    with pytest.raises(ValueError, match=message):
        flow(**parameters).fit(*arguments)
