"""The particles of a flow as training data."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.functionals import NormPotential
from skflow.trajectories import as_training_data

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CENTRES = np.array([[0.0, 0], [4, 0], [0, 6]])
X, y = make_blobs(60, centers=CENTRES + 8, cluster_std=0.5, random_state=0)
TARGET = make_blobs(60, centers=CENTRES, cluster_std=0.5, random_state=1)
NAMES = np.array(["a", "b", "c"])


def flow(**parameters):
    return OTDDFlowTransformer(
        TARGET,
        **{"alignment": None, "safeguard": False, "pushforward": LinearRegression(), "random_state": 0, **parameters},
    )


@pytest.mark.parametrize("samples", ["initial", "final", "trajectory", "mapped"])
def test_any_classifier_takes_the_samples(samples):
    target = TARGET[0], NAMES[TARGET[1]]
    fitted = OTDDFlowTransformer(
        target,
        alignment=None,
        safeguard=False,
        correspondence={0: "a", 1: "b", 2: "c"},
        keep_trajectory=4,
        pushforward=LinearRegression(),
    ).fit(X, y)
    rows = (X, y) if samples == "mapped" else ()
    X_more, y_more, weight = as_training_data(fitted, samples, *rows)
    n_frames = 4 if samples == "trajectory" else 1
    assert X_more.shape == (60 * n_frames, 2)
    np.testing.assert_array_equal(y_more[:60], NAMES[y])
    assert weight.sum() == pytest.approx(60)
    clf = LogisticRegression().fit(X_more, y_more, sample_weight=weight)
    assert clf.score(*target) == 1 or samples == "initial"
    expected = {"initial": X, "final": fitted.particles_, "trajectory": X, "mapped": fitted.transform(X)}[samples]
    np.testing.assert_allclose(X_more[:60], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("last",), "samples='last' is not one of"),
        ((np.ones(2),), r"samples=array\(\[1., 1.\]\) is not one of"),
        (("trajectory",), "needs a flow with keep_trajectory of at least 2"),
        (("mapped",), "samples='mapped' needs X and y"),
        (("final", X, y), "samples='final' takes no X and y"),
        (("mapped", X), "samples='mapped' needs X and y"),
        (("final", None, y), "samples='final' takes no X and y"),
        (("mapped", X, y[:-1]), "y has 59 labels, but X has 60 rows"),
        (("mapped", X, [None, *y[1:]]), "y contains a missing label"),
        (("mapped", X, y + 5), r"y has the labels \[5, 6, 7\], which the flow has not seen"),
    ],
)
def test_training_data_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        as_training_data(flow(max_iter=2).fit(X, y), *arguments)


def test_no_flow_and_no_target_are_named():
    with pytest.raises(ValueError, match="flow='flow' is no flow"):
        as_training_data("flow")
    with pytest.raises(NotFittedError):
        as_training_data(flow())
    shaped = ConstrainedFlow([("norm", NormPotential())], max_iter=2, pushforward=LinearRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"flow=(.|\n)* has no target"):
        as_training_data(shaped, "final")
