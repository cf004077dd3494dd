"""`transform` at intermediate times: the identity at 0, the map at 1, and ever nearer to the target between."""

import numpy as np
import pytest

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow.metrics import otdd
from tests._data import PLAIN, labelled

X, y = labelled(90, 4, 3, shift=5.0)
X_REF, Y_REF = labelled(120, 4, 3, seed=1)
REFERENCE = Reference(X_REF, Y_REF)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", params=[PLAIN, {"alignment": "diagonal"}], ids=["plain", "aligned"])
def flow(request):
    return OTDDFlowTransformer(REFERENCE, **request.param, max_iter=40, random_state=0).fit(X, y)


def test_ends(flow):
    np.testing.assert_array_equal(flow.transform(X, t=0), X)
    np.testing.assert_array_equal(flow.transform(X, t=1), flow.transform(X))
    half = flow.transform(X.astype(np.float32), t=0.5)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, (X + flow.transform(X)) / 2, rtol=1e-4, atol=1e-4)


def test_the_distance_falls_all_the_way(flow):
    names = {"correspondence": flow.label_map_}
    distances = [otdd(flow.transform(X, t=t), y, X_REF, Y_REF, **names) for t in np.linspace(0, 1, 9)]
    assert (np.diff(distances) < 0).all()


def test_pseudo_labels_take_part():
    some = np.where(np.arange(90) % 3, -1, y)
    flow = PseudoLabelFlow(REFERENCE, flow=OTDDFlowTransformer(**PLAIN, max_iter=5), random_state=0).fit(X, some)
    np.testing.assert_array_equal(flow.transform(X, t=0), X)


@pytest.mark.parametrize("t", [-0.1, 1.5, np.nan])
def test_times_beyond_the_ends_are_refused(flow, t):
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        flow.transform(X, t=t)


def test_there_is_no_way_between_other_columns():
    flow = OTDDFlowTransformer(Reference(X_REF[:, :3], Y_REF), max_iter=5, alignment="permutation", random_state=0)
    flow.fit(X, y)
    with pytest.raises(ValueError, match="no way between 4 features and 3"):
        flow.transform(X, t=0.5)
