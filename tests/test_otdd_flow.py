"""OTDDFlowTransformer at home in scikit-learn."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import OTDDFlowTransformer, Reference
from skflow.flow import Euler
from skflow.metrics import otdd
from skflow.pushforward import ImagePushForward
from tests._data import PLAIN, any_width

CENTRES = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
QUICK = {**PLAIN, "pushforward": LinearRegression(), "random_state": 0}


@parametrize_with_checks(
    [OTDDFlowTransformer(target=any_width, **PLAIN, max_iter=3, tol=0, pushforward=LinearRegression())]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture
def source():
    return make_blobs(90, centers=CENTRES, cluster_std=0.5, random_state=0)


@pytest.fixture
def target():
    return make_blobs(120, centers=CENTRES + np.array([10, -5]), cluster_std=0.5, random_state=1)


class TestFlow:
    def test_brings_the_dataset_to_the_target(self, source, target):
        flow = OTDDFlowTransformer(target, reg=0.01, **QUICK).fit(*source)
        assert otdd(flow.particles_, flow.particle_labels_, *target) < 0.05 * otdd(*source, *target)
        assert np.all(np.diff(flow.objective_) < 1e-3 * flow.objective_[:-1])

    @pytest.mark.parametrize("dynamics", ["fd", "jd-fl", "jd-vl"])
    @pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "auto"])
    def test_every_dynamics_with_every_optimizer(self, source, target, dynamics, optimizer):
        flow = OTDDFlowTransformer(target, dynamics=dynamics, optimizer=optimizer, **QUICK).fit(*source)
        assert flow.objective_[-1] < 0.1 * flow.objective_[0]

    @pytest.mark.parametrize("dynamics", ["fd", "jd-fl", "jd-vl"])
    @pytest.mark.parametrize("correspondence", ["auto", "coupling"])
    def test_solvers_bring_it_to_the_same_place(self, source, target, dynamics, correspondence):
        if dynamics == "jd-vl":
            correspondence = "coupling"
        parameters = {"dynamics": dynamics, "correspondence": correspondence, "max_iter": 20}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            dense, tiled = (
                OTDDFlowTransformer(target, solver=name, **parameters, **QUICK).fit(*source)
                for name in ("dense", "tiled")
            )
        assert_allclose(tiled.particles_, dense.particles_, atol=0.05)
        assert_allclose(tiled.coupling_, dense.coupling_, atol=2e-3)

    @pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "auto"])
    @pytest.mark.parametrize("correspondence", ["auto", "coupling"])
    def test_mini_batches_bring_it_there_too(self, source, target, optimizer, correspondence):
        flow = OTDDFlowTransformer(
            target, batch_size=30, optimizer=optimizer, correspondence=correspondence, reg=0.01, **QUICK
        ).fit(*source)
        assert otdd(flow.particles_, flow.particle_labels_, *target) < 0.05 * otdd(*source, *target)

    def test_fit_transform_is_fit_then_transform(self, source, target):
        flow = OTDDFlowTransformer(target, **QUICK)
        assert_array_equal(flow.fit_transform(*source), clone(flow).fit(*source).transform(source[0]))

    def test_attributes_fit_each_other(self, source, target):
        X, y = source
        flow = OTDDFlowTransformer(target, keep_trajectory=4, **QUICK).fit(X, y)
        assert flow.objective_.shape == (flow.n_iter_ + 1,)
        assert flow.trajectory_.shape == (4, *X.shape)
        assert_allclose(flow.trajectory_[0], X, rtol=1e-6)
        assert_array_equal(flow.trajectory_[-1], flow.particles_)
        assert_array_equal(flow.particle_labels_, y)
        assert_array_equal(flow.particle_indices_, np.arange(90))
        assert_array_equal(flow.classes_, flow.target_classes_)
        assert_allclose(flow.coupling_, np.eye(3) / 3, atol=1e-6)
        assert flow.label_distances_.shape == (3, 3)
        assert flow.label_map_ == {0: 0, 1: 1, 2: 2}

    def test_no_trajectory_unless_asked_for(self, source, target):
        flow = OTDDFlowTransformer(target, **QUICK).fit(*source)
        assert flow.trajectory_.shape == (0, 90, 2)

    def test_far_from_the_origin_is_as_good_as_near(self, source, target):
        (X, y), (X_target, y_target) = source, target
        near = OTDDFlowTransformer(target, **QUICK).fit(X, y)
        far = OTDDFlowTransformer((X_target + 1000, y_target), **QUICK).fit(X + 1000, y)
        assert_allclose(far.particles_ - 1000, near.particles_, atol=1e-3)
        assert_allclose(far.objective_[-1], near.objective_[-1], rtol=1e-3)

    def test_same_random_state_same_bits(self):
        X, y = load_digits(return_X_y=True)
        X = (X / 16).astype("float32")
        flow = OTDDFlowTransformer((X[600:900], y[600:900]), alignment=None, max_iter=10, random_state=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            first, second = (clone(flow).fit(1 - X[:300], y[:300]) for _ in range(2))
        assert_array_equal(first.particles_, second.particles_)
        assert_array_equal(first.transform(X[900:]), second.transform(X[900:]))

    def test_leaves_the_global_generators_alone(self, source, target):
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        OTDDFlowTransformer(target, random_state=0).fit(*source)
        assert torch.equal(torch.get_rng_state(), torch_state)
        assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002

    def test_never_changes_the_users_arrays(self, source, target):
        arrays = [*source, *target]
        copies = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        OTDDFlowTransformer(target, keep_trajectory=3, **QUICK).fit(*source).transform(source[0])
        for array, copy in zip(arrays, copies, strict=True):
            assert_array_equal(array, copy)

    def test_max_particles_is_a_stratified_subsample(self, target):
        X, y = make_blobs([100, 50, 10], centers=CENTRES, random_state=0)
        flow = OTDDFlowTransformer(target, max_particles=32, **QUICK).fit(X, y)
        assert_array_equal(np.bincount(flow.particle_labels_), [20, 10, 2])
        assert_array_equal(y[flow.particle_indices_], flow.particle_labels_)
        assert flow.transform(X).shape == X.shape

    def test_max_particles_keeps_every_class(self, target):
        X, y = make_blobs([500, 500, 2], centers=CENTRES, random_state=0)
        flow = OTDDFlowTransformer(target, max_particles=10, **QUICK).fit(X, y)
        assert set(flow.particle_labels_) == {0, 1, 2}

    def test_class_with_a_single_sample(self, source, target):
        X, y = source
        keep = (y > 0) | (np.arange(len(y)) == np.flatnonzero(y == 0)[0])
        flow = OTDDFlowTransformer(target, **QUICK).fit(X[keep], y[keep])
        assert_allclose(flow.particles_[y[keep] == 0][0], target[0][target[1] == 0].mean(0), atol=0.3)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_dtype_is_kept(self, source, target, dtype):
        flow = OTDDFlowTransformer(target, **QUICK)
        X, y = source
        assert flow.fit_transform(X.astype(dtype), y).dtype == dtype
        assert flow.particles_.dtype == dtype

    def test_verbose_prints_now_and_then(self, source, target, capsys):
        OTDDFlowTransformer(target, verbose=1, **QUICK).fit(*source)
        assert "objective" in capsys.readouterr().out


class TestCorrespondence:
    def test_labels_with_nothing_in_common(self, source, target):
        """The assignment is found from where the classes are, and the pipeline speaks the target's language."""
        (X, y), (X_target, y_target) = source, target
        names, codes = np.array(["ant", "bee", "cat"]), np.array([30, 10, 20])
        model = SVC().fit(X_target, codes[y_target])
        flow = OTDDFlowTransformer((X_target, codes[y_target]), **QUICK)
        pipe = make_pipeline(flow, FrozenEstimator(model)).fit(X, names[y])
        label_map = pipe[0].label_map_
        assert label_map == {"ant": 30, "bee": 10, "cat": 20}
        expected = np.array([label_map[name] for name in names[y]])
        assert np.mean(pipe.predict(X) == expected) > 0.95

    def test_minus_one_is_a_label_like_any_other(self, source, target):
        (X, y), (X_target, y_target) = source, target
        flow = OTDDFlowTransformer((X_target, y_target - 1), **QUICK).fit(X, y - 1)
        assert flow.label_map_ == {-1: -1, 0: 0, 1: 1}
        assert set(flow.particle_labels_) == {-1, 0, 1}

    def test_mapping_is_followed(self, source, target):
        mapping = {0: 1, 1: 2, 2: 0}
        flow = OTDDFlowTransformer(target, correspondence=mapping, **QUICK).fit(*source)
        assert flow.label_map_ == mapping
        means = np.array([target[0][target[1] == mapping[k]].mean(0) for k in range(3)])
        assert_allclose([flow.particles_[source[1] == k].mean(0) for k in range(3)], means, atol=0.3)

    def test_more_source_than_target_classes_couple_softly(self, source, target):
        (X, y), (X_target, y_target) = source, target
        few = y_target < 2
        flow = OTDDFlowTransformer((X_target[few], y_target[few]), **QUICK).fit(X, y)
        assert flow.coupling_.shape == (3, 2)
        assert_allclose(flow.coupling_.sum(axis=1), 1 / 3, rtol=1e-3)

    def test_does_not_depend_on_the_names_of_labels(self, source, target):
        (X, y), (X_target, y_target) = source, target
        names = np.array(["z", "a", "m"])
        plain = OTDDFlowTransformer(target, correspondence="coupling", **QUICK).fit(X, y)
        named = OTDDFlowTransformer((X_target, names[y_target]), correspondence="coupling", **QUICK).fit(X, names[y])
        assert_allclose(named.particles_, plain.particles_, atol=1e-3)


class TestTarget:
    def test_tuple_reference_callable_and_metadata_are_the_same(self, source, target):
        particles = [
            OTDDFlowTransformer(target, **QUICK).fit(*source).particles_,
            OTDDFlowTransformer(Reference(*target), **QUICK).fit(*source).particles_,
            OTDDFlowTransformer(lambda X, y: target, **QUICK).fit(*source).particles_,
            OTDDFlowTransformer(**QUICK).fit(*source, X_target=target[0], y_target=target[1]).particles_,
        ]
        for other in particles[1:]:
            assert_array_equal(other, particles[0])

    def test_routed_through_a_pipeline(self, source, target):
        import sklearn

        with sklearn.config_context(enable_metadata_routing=True):
            flow = OTDDFlowTransformer(**QUICK).set_fit_request(X_target=True, y_target=True)
            clf = FrozenEstimator(SVC().fit(*target))
            pipe = make_pipeline(flow, clf).fit(*source, X_target=target[0], y_target=target[1])
        assert pipe.score(*source) > 0.95

    def test_a_callable_gets_copies(self, source, target):
        def careless(X, y):
            X += 1
            y += 1
            return target

        X, y = source[0].copy(), source[1].copy()
        OTDDFlowTransformer(careless, **QUICK).fit(X, y)
        assert_array_equal(X, source[0])
        assert_array_equal(y, source[1])


class TestPushForward:
    def test_any_regressor_stands_in(self, source, target):
        flow = OTDDFlowTransformer(target, pushforward=KNeighborsRegressor(1), **PLAIN).fit(*source)
        assert_allclose(flow.transform(source[0]), flow.particles_, rtol=1e-5)

    def test_image_pushforward(self):
        X, y = load_digits(return_X_y=True)
        X = X / 16
        flow = OTDDFlowTransformer(
            (X[:200], y[:200]),
            alignment=None,
            pushforward=ImagePushForward((8, 8), max_epochs=2, random_state=0),
            random_state=0,
        ).fit(1 - X[200:400], y[200:400])
        assert flow.transform(X[:7]).shape == (7, 64)

    def test_regressor_passed_in_is_not_fitted(self, source, target):
        regressor = LinearRegression()
        OTDDFlowTransformer(target, pushforward=regressor).fit(*source)
        with pytest.raises(NotFittedError):
            regressor.predict(source[0])


class TestAtHome:
    def test_pipeline_ahead_of_a_frozen_classifier(self):
        X, y = load_digits(return_X_y=True)
        X = X / 16
        X_ref, X_src, y_ref, y_src = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
        X_src, X_new, y_src, y_new = train_test_split(1 - X_src, y_src, random_state=0, stratify=y_src)
        model = SVC(C=5).fit(X_ref, y_ref)
        before = pickle.dumps(model)
        pipe = Pipeline(
            [("flow", OTDDFlowTransformer((X_ref, y_ref), random_state=0)), ("clf", FrozenEstimator(model))]
        )
        pipe.fit(X_src, y_src)
        assert model.score(X_new, y_new) < 0.2
        assert pipe.score(X_new, y_new) > 0.93
        assert pickle.dumps(model) == before

    def test_grid_search(self, source, target):
        model = LogisticRegression().fit(*target)
        flow = OTDDFlowTransformer(Reference(*target), **QUICK)
        pipe = Pipeline([("flow", flow), ("clf", FrozenEstimator(model))])
        search = GridSearchCV(pipe, {"flow__reg": [0.01, 0.05]}, cv=2).fit(*source)
        assert search.best_score_ > 0.95

    def test_pickles(self, source, target):
        flow = OTDDFlowTransformer(target, random_state=0).fit(*source)
        again = pickle.loads(pickle.dumps(flow))
        assert_array_equal(again.transform(source[0]), flow.transform(source[0]))

    def test_frozen_flow(self, source, target):
        flow = OTDDFlowTransformer(target, **QUICK).fit(*source)
        assert_array_equal(FrozenEstimator(flow).fit(None, None).transform(source[0]), flow.transform(source[0]))

    @pytest.mark.parametrize("frame", [pd.DataFrame, lambda X, columns: pl.DataFrame(X, schema=columns)])
    def test_data_frames(self, source, target, frame):
        X = frame(source[0], columns=["width", "height"])
        flow = OTDDFlowTransformer((frame(target[0], columns=["width", "height"]), target[1]), **QUICK)
        flow.fit(X, source[1])
        assert_array_equal(flow.feature_names_in_, ["width", "height"])
        assert_array_equal(flow.get_feature_names_out(), ["width", "height"])
        assert list(flow.set_output(transform="pandas").transform(X).columns) == ["width", "height"]
        assert isinstance(flow.set_output(transform="polars").transform(X), pl.DataFrame)

    def test_html_repr(self, target):
        assert "OTDDFlowTransformer" in OTDDFlowTransformer(target)._repr_html_()


def spoiled(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


class TestBadInput:
    """Every message names the parameter and the value received."""

    @pytest.mark.parametrize(
        ("parameter", "value", "hint"),
        [
            ("reg", -0.1, "-0.1"),
            ("label_weight", -1, "-1"),
            ("label_distance", "gausian", "Did you mean 'gaussian'"),
            ("dynamics", "jd_fl", "Did you mean 'jd-fl'"),
            ("optimizer", "adm", "Did you mean 'adam'"),
            ("correspondence", "assignement", "Did you mean 'assignment'"),
            ("correspondence", 3, "3"),
            ("class_weight", "balance", "Did you mean 'balanced'"),
            ("step_size", 0, "0"),
            ("max_iter", 0, "0"),
            ("tol", -1e-3, "-0.001"),
            ("max_particles", 0, "0"),
            ("keep_trajectory", -1, "-1"),
            ("pushforward", "ridge", "ridge"),
            ("solver", "tile", "Did you mean 'tiled'"),
            ("batch_size", 0, "0"),
            ("device", "cuda:99", "cuda:99"),
            ("device", "gpu", "gpu"),
        ],
    )
    def test_parameters(self, source, target, parameter, value, hint):
        flow = OTDDFlowTransformer(target, **{**QUICK, parameter: value})
        with pytest.raises(ValueError, match=rf"(?s){parameter}.*{hint}"):
            flow.fit(*source)

    def test_parameters_of_an_option(self, source, target):
        with pytest.raises(ValueError, match="'n_iter_no_change' parameter of Euler must be .* Got 0"):
            OTDDFlowTransformer(target, optimizer=Euler(n_iter_no_change=0), **QUICK).fit(*source)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "target=None"),
            ((np.zeros((4, 2)),), r"(?s)target=.* is not a pair"),
            (np.zeros((4, 2)), "target"),
            ((np.zeros((4, 3)), [0, 0, 1, 1]), "target has 3 features, but X has 2"),
            ((np.zeros((4, 2)), [0, 1, 1]), "target: .*inconsistent numbers of samples"),
            ((np.full((4, 2), np.nan), [0, 0, 1, 1]), "target: .*NaN"),
            ((np.zeros((4, 2)), [0.5, 0.1, 1.3, 2.2]), "target: .*Unknown label type: continuous"),
        ],
    )
    def test_target(self, source, value, message):
        with pytest.raises(ValueError, match=message):
            OTDDFlowTransformer(value, **QUICK).fit(*source)

    def test_target_twice(self, source, target):
        with pytest.raises(ValueError, match="target was given twice"):
            OTDDFlowTransformer(target, **QUICK).fit(*source, *target)

    def test_half_a_target(self, source, target):
        with pytest.raises(ValueError, match="y_target=None"):
            OTDDFlowTransformer(**QUICK).fit(*source, X_target=target[0])

    def test_target_with_other_columns(self, source, target):
        X = pd.DataFrame(source[0], columns=["a", "b"])
        X_target = pd.DataFrame(target[0], columns=["b", "a"])
        with pytest.raises(ValueError, match=r"target has the columns \['b', 'a'\], but X has \['a', 'b'\]"):
            OTDDFlowTransformer((X_target, target[1]), **QUICK).fit(X, source[1])

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nan_and_inf(self, source, target, value):
        with pytest.raises(ValueError, match="X contains"):
            OTDDFlowTransformer(target, **QUICK).fit(spoiled(source[0], value), source[1])

    def test_sparse(self, source, target):
        with pytest.raises(TypeError, match="[Ss]parse"):
            OTDDFlowTransformer(target, **QUICK).fit(sp.csr_array(source[0]), source[1])

    def test_regression_targets(self, source, target):
        with pytest.raises(ValueError, match="continuous"):
            OTDDFlowTransformer(target, **QUICK).fit(source[0], source[0][:, 0])

    @pytest.mark.parametrize(
        ("correspondence", "message"),
        [
            ("same", r"correspondence='same'.*no class \[5\]"),
            ({0: 0, 1: 1}, r"correspondence=.*no entry for the source classes \[5\]"),
            ({0: 0, 1: 1, 5: "x"}, "correspondence=.*names 'x'"),
        ],
    )
    def test_correspondence_that_does_not_fit(self, source, target, correspondence, message):
        labels = np.array([0, 1, 5])[source[1]]
        with pytest.raises(ValueError, match=message):
            OTDDFlowTransformer(target, correspondence=correspondence, **QUICK).fit(source[0], labels)

    def test_assignment_with_too_few_target_classes(self, source, target):
        few = target[1] < 2
        with pytest.raises(ValueError, match="correspondence='assignment'.*got 2 and 3"):
            OTDDFlowTransformer((target[0][few], target[1][few]), correspondence="assignment", **QUICK).fit(*source)

    def test_transform_of_no_rows(self, source, target):
        flow = OTDDFlowTransformer(target, **QUICK).fit(*source)
        with pytest.raises(ValueError, match="0 sample"):
            flow.transform(source[0][:0])

    def test_transform_of_another_width(self, source, target):
        flow = OTDDFlowTransformer(target, **QUICK).fit(*source)
        with pytest.raises(ValueError, match="expecting 2 features"):
            flow.transform(np.zeros((3, 5)))

    def test_transform_before_fit(self, target):
        with pytest.raises(NotFittedError):
            OTDDFlowTransformer(target).transform(np.zeros((3, 2)))


class TestWarnings:
    def test_divergence_ends_with_the_last_finite_state(self, source, target):
        flow = OTDDFlowTransformer(target, step_size=50.0, **QUICK)
        with pytest.warns(ConvergenceWarning, match=r"diverged after .* Lower step_size=50.0") as caught:
            flow.fit(*source)
        assert caught[0].filename == __file__
        assert np.isfinite(flow.particles_).all()
        assert np.isfinite(flow.objective_).all()

    def test_too_few_steps(self, source, target):
        with pytest.warns(ConvergenceWarning, match="did not converge to tol=0.001 in max_iter=3"):
            OTDDFlowTransformer(target, max_iter=3, **QUICK).fit(*source)

    def test_none_where_it_converged(self, source, target):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            OTDDFlowTransformer(target, **QUICK).fit(*source)
