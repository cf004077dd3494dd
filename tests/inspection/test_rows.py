"""RowsDisplay: what is drawn are the rows, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LinearRegression

from skflow import DomainAligner, OTDDFlowTransformer, Reference
from skflow.inspection import RowsDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def blobs():
    X, y = make_blobs(90, n_features=4, centers=5 * np.eye(3, 4), random_state=0)
    return X, y


@pytest.fixture(scope="module")
def aligner():
    X, y = blobs()
    return DomainAligner(Reference(X, y), random_state=0).fit(X + 8)


def test_images_of_an_aligner(aligner):
    X, _ = blobs()
    display = RowsDisplay.from_estimator(aligner, X + 8, truth=X, image_shape=(2, 2), n_rows=3)
    assert list(display.stages) == ["before", "aligned", "back", "as it was"]
    assert display.axes_.shape == (4, 3)
    for axes, rows in zip(display.axes_, [X + 8, aligner.transform(X + 8), X + 8, X], strict=True):
        for ax, row in zip(axes, rows, strict=False):
            np.testing.assert_allclose(ax.images[0].get_array(), row.reshape(2, 2))
    assert [axes[0].get_ylabel() for axes in display.axes_] == list(display.stages)


def test_tables_show_the_columns_that_moved_most():
    X, y = blobs()
    frame = pd.DataFrame(X * [1, 3, 1, 1] + [0, 9, 0, 0], columns=list("abcd"), index=[f"row {k}" for k in range(90)])
    options = {"max_iter": 8, "pushforward": LinearRegression(), "fit_inverse_transform": True, "random_state": 0}
    flow = OTDDFlowTransformer(Reference(pd.DataFrame(X, columns=list("abcd")), y), **options).fit(frame, y)
    display = RowsDisplay.from_estimator(flow, frame, n_rows=2, n_columns=1)
    assert list(display.stages) == ["before", "aligned", "flowed", "back"]
    assert [tick.get_text() for tick in display.axes_[-1].get_xticklabels()] == ["b"]
    assert [ax.get_ylabel() for ax in display.axes_] == ["row 0", "row 1"]
    np.testing.assert_allclose(display.axes_[1].lines[0].get_ydata(), frame["b"].iloc[[1]])
    np.testing.assert_allclose(display.axes_[1].lines[2].get_ydata(), flow.transform(frame)[1, 1])


def test_a_flow_without_a_map_back_shows_none():
    X, y = blobs()
    flow = OTDDFlowTransformer(Reference(X, y), max_iter=5, pushforward=LinearRegression()).fit(X + 8, y)
    assert "back" not in RowsDisplay.from_estimator(flow, X + 8).stages


def test_stages_may_have_images_of_their_own():
    shapes = {"before": (1, 6), "after": (2, 2)}
    display = RowsDisplay({"before": np.ones((2, 6)), "after": np.ones((2, 4))}, image_shape=shapes).plot()
    assert [axes[0].images[0].get_array().shape for axes in display.axes_] == [(1, 6), (2, 2)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RowsDisplay({}), "stages must hold"),
        (lambda: RowsDisplay({"a": np.ones((2, 4)), "b": np.ones((3, 4))}), "the same number of rows"),
        (lambda: RowsDisplay({"a": np.ones((2, 5))}), "image_shape=None does not fit the 5 columns"),
        (lambda: RowsDisplay({"a": np.ones((2, 4))}, image_shape=(3, 3.5)), r"image_shape=\(3, 3.5\) does not fit"),
        (lambda: RowsDisplay({"a": np.ones((2, 4))}, columns=["x"]), "columns must be as many"),
        (lambda: RowsDisplay({"a": np.ones((2, 4))}, names=["x"]), "names must be 2"),
        (lambda: RowsDisplay.from_estimator(LinearRegression(), np.ones((2, 4))), "holds no flow"),
    ],
)
def test_errors_name_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()
