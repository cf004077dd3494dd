"""Displays: what they draw is what the flow did."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.functionals import NormPotential
from skflow.inspection import CouplingDisplay, ObjectiveDisplay, ParticlesDisplay, TrajectoryDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")

QUICK = {"max_iter": 15, "tol": 0.02, "keep_trajectory": 4, "pushforward": LinearRegression(), "random_state": 0}
QUICK |= {"mass": 1.0, "alignment": None}  # blobs elsewhere: all of them flow


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def blobs(d=2, names=("a", "b", "c"), seed=0):
    X, y = make_blobs(60, n_features=d, centers=3, random_state=seed)
    return X, np.array(names)[y]


def fitted(d=2, **params):
    X, y = blobs(d)
    return OTDDFlowTransformer(blobs(d, ("x", "y", "z"), seed=1), **(QUICK | {"safeguard": False} | params)).fit(X, y)


@pytest.fixture(scope="module")
def flow():
    return fitted()


def test_objective(flow):
    display = ObjectiveDisplay.from_estimator(flow, name="fd", color="red")
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_ydata(), flow.objective_)
    assert line.get_label() == "fd"
    assert line.get_color() == "red"
    assert display.ax_.figure is display.figure_
    again = ObjectiveDisplay.from_estimator(flow, ax=display.ax_)
    assert again.ax_ is display.ax_
    assert len(display.ax_.lines) == 2


def test_objective_has_its_parts():
    X, y = blobs()
    target = blobs(names=("x", "y", "z"), seed=1)
    flow = ConstrainedFlow([("norm", NormPotential(weight=0.1))], target, **QUICK).fit(X, y)
    display = ObjectiveDisplay.from_estimator(flow)
    assert [line.get_label() for line in display.lines_] == ["ConstrainedFlow", "norm", "target"]
    parts = sum(line.get_ydata() for line in display.lines_[1:])
    np.testing.assert_allclose(parts, display.lines_[0].get_ydata(), rtol=1e-6)


@pytest.mark.parametrize("response", ["coupling", "label_distances"])
def test_coupling(flow, response):
    display = CouplingDisplay.from_estimator(flow, response=response)
    shown = display.im_.get_array()
    expected = (
        flow.coupling_ / flow.coupling_.sum(1, keepdims=True) if response == "coupling" else flow.label_distances_
    )
    np.testing.assert_allclose(shown, expected)
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["x", "y", "z"]
    style = ".2f" if response == "coupling" else ".3g"
    assert display.text_[0, 1].get_text() == format(expected[0, 1], style)
    assert display.text_[0, 1].get_position() == (1, 0)
    bare = CouplingDisplay.from_estimator(flow, ax=plt.figure().add_subplot(), include_values=False, colorbar=False)
    assert bare.text_ is None
    assert len(bare.figure_.axes) == 1


def test_coupling_wants_a_target(flow):
    with pytest.raises(ValueError, match="'response' parameter of .* Got 'mass'"):
        CouplingDisplay.from_estimator(flow, response="mass")
    X, y = blobs()
    without = ConstrainedFlow([("norm", NormPotential())], **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="no classes of a target"):
        CouplingDisplay.from_estimator(without)


def test_trajectory(flow):
    display = TrajectoryDisplay.from_estimator(flow)
    assert len(display.paths_) == 60
    for i in (0, 17, 59):
        np.testing.assert_allclose(np.c_[display.paths_[i].get_data()], flow.trajectory_[:, i])
    target, start, *ends = display.ax_.collections
    np.testing.assert_allclose(target.get_offsets(), flow.target[0])
    np.testing.assert_allclose(start.get_offsets(), flow.trajectory_[0])
    for label, points in zip("abc", ends, strict=True):
        np.testing.assert_allclose(points.get_offsets(), flow.particles_[flow.particle_labels_ == label])
    assert len(TrajectoryDisplay.from_estimator(flow, max_paths=7).paths_) == 7


def test_a_class_has_the_colour_of_the_one_it_goes_to(flow):
    display = TrajectoryDisplay.from_estimator(flow)
    i = 5
    goes_to = flow.label_map_[flow.particle_labels_[i]]
    j = np.flatnonzero(flow.target[1] == goes_to)[0]
    target_colour = display.ax_.collections[0].get_facecolors()[j, :3]
    np.testing.assert_allclose(matplotlib.colors.to_rgb(display.paths_[i].get_color()), target_colour)


@pytest.mark.parametrize(("d", "n_components", "shown"), [(1, 2, 2), (3, 2, 3), (5, 2, 2), (5, 3, 3)])
def test_dimensions(d, n_components, shown):
    display = TrajectoryDisplay.from_estimator(fitted(d), n_components=n_components)
    assert (display.ax_.name == "3d") == (shown == 3)


def test_trajectory_without_target_and_without_frames():
    X, y = blobs()
    flow = ConstrainedFlow([("norm", NormPotential())], **QUICK).fit(X, y)
    assert len(TrajectoryDisplay.from_estimator(flow).ax_.collections) == 4  # starts, and ends of three classes
    with pytest.raises(ValueError, match="has kept 0 frames.*keep_trajectory=20"):
        TrajectoryDisplay.from_estimator(fitted(keep_trajectory=0))


@pytest.mark.parametrize("d", [2, 3])
def test_animation(tmp_path, d):
    flow = fitted(d)
    TrajectoryDisplay.from_estimator(flow).save_animation(tmp_path / "flow.gif", fps=5, dpi=30)
    with Image.open(tmp_path / "flow.gif") as gif:
        assert gif.n_frames == len(flow.trajectory_)


def test_particles():
    X, y = load_digits(return_X_y=True)
    flow = OTDDFlowTransformer((X[:300], y[:300]), safeguard=False, **QUICK).fit(16 - X[300:500], y[300:500])
    display = ParticlesDisplay.from_estimator(flow, n_particles=10, n_frames=3)
    assert display.axes_.shape == (10, 3)
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == [str(k) for k in range(10)]
    rows = [np.flatnonzero((flow.trajectory_[0] == image.ravel()).all(1)) for image in display.images[0]]
    for k, row in enumerate(rows):
        np.testing.assert_array_equal(display.axes_[k, 2].images[0].get_array().ravel(), flow.particles_[row[0]])
    assert display.ax_ is display.axes_[0, 0]
    with pytest.raises(ValueError, match="image_shape=\\(4, 8\\)"):
        ParticlesDisplay.from_estimator(flow, image_shape=(4, 8))


@pytest.mark.parametrize("display", [ObjectiveDisplay, CouplingDisplay, TrajectoryDisplay, ParticlesDisplay])
def test_unfitted(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(OTDDFlowTransformer(blobs()))


EVERY_DISPLAY = [ObjectiveDisplay, CouplingDisplay, TrajectoryDisplay, ParticlesDisplay]


@pytest.mark.parametrize("display", EVERY_DISPLAY)
@pytest.mark.parametrize("estimator", [StandardScaler().fit(np.eye(2)), OTDDFlowTransformer, "flow", None])
def test_an_estimator_that_is_no_flow_is_named(display, estimator):
    with pytest.raises(ValueError, match="estimator=.*flow"):
        display.from_estimator(estimator)


@pytest.mark.parametrize("value", [0, 1, 4, 2.5, "2", None])
def test_numbers_of_components_that_cannot_be_drawn(flow, value):
    with pytest.raises(ValueError, match=f"'n_components' parameter of .* Got {value!r}"):
        TrajectoryDisplay.from_estimator(flow, n_components=value)


@pytest.mark.parametrize(
    ("display", "parameter", "value"),
    [
        *((TrajectoryDisplay, "max_paths", value) for value in (-3, 0, 2.5, None)),
        *((ParticlesDisplay, name, value) for name in ("n_particles", "n_frames") for value in (-1, 0, 2.5, "5")),
        (ParticlesDisplay, "image_shape", 6),
        (TrajectoryDisplay, "legend", "yes"),
    ],
)
def test_parameters_out_of_range_are_named(flow, display, parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of .* Got {value!r}"):
        display.from_estimator(flow, **{parameter: value})


@pytest.mark.parametrize("image_shape", [None, (1, 1), (1.0, 2.0), (2,), (-1, -2), [1, 2, 1], ("a", "b")])
def test_image_shapes_that_do_not_fit_are_named(flow, image_shape):
    with pytest.raises(ValueError, match="image_shape="):
        ParticlesDisplay.from_estimator(flow, image_shape=image_shape)
    assert ParticlesDisplay.from_estimator(flow, image_shape=(1, 2), n_particles=1, n_frames=1).axes_.shape == (1, 1)


@pytest.mark.parametrize(
    ("d", "projection", "message"),
    [(3, None, "TrajectoryDisplay draws 3 dimensions"), (2, "3d", "TrajectoryDisplay draws 2 dimensions")],
)
def test_axes_of_other_dimensions_are_refused(d, projection, message):
    with pytest.raises(ValueError, match=f"{message}, which ax=.* has not"):
        TrajectoryDisplay.from_estimator(fitted(d), ax=plt.figure().add_subplot(projection=projection))
    with pytest.raises(ValueError, match="ax must be matplotlib Axes or None; got 3"):
        ObjectiveDisplay([1.0, 0.5]).plot(ax=3)


FRAMES = np.zeros((3, 5, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrajectoryDisplay(FRAMES, list("abcd")), r"labels must have the shape \(5,\); got \(4,\)"),
        (lambda: TrajectoryDisplay(FRAMES[0], list("abcde")), r"trajectory must have the shape \(any, any, any\)"),
        (lambda: TrajectoryDisplay(FRAMES, list("abcde"), X_target=np.ones((4, 3))), r"X_target .* \(any, 2\)"),
        (
            lambda: TrajectoryDisplay(FRAMES, list("abcde"), X_target=np.ones((4, 2)), y_target=[1]),
            r"y_target .* \(4,\)",
        ),
        (lambda: TrajectoryDisplay(FRAMES, list("abcde"), y_target=[1]), "y_target was given, but X_target=None"),
        (lambda: ParticlesDisplay(FRAMES), r"images must have the shape \(any, any, any, any\); got \(3, 5, 2\)"),
        (lambda: ParticlesDisplay(np.zeros((2, 3, 4, 4)), labels=["a"]), r"labels must have the shape \(3,\)"),
        (lambda: CouplingDisplay(np.eye(2), ["a"], ["b", "c"]), r"classes must have the shape \(2,\); got \(1,\)"),
        (lambda: CouplingDisplay(np.ones(3), ["a"], ["b"]), r"matrix must have the shape \(any, any\)"),
        (lambda: ObjectiveDisplay(np.eye(2)), r"objective must have the shape \(any,\); got \(2, 2\)"),
        (lambda: ObjectiveDisplay([1.0, 2.0], terms={"norm": [1.0]}), r"terms\['norm'\] must have the shape \(2,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
