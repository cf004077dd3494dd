"""Small inputs of users that once went wrong: silently, by a hang or with a riddle. Each is one of a kind."""

import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skflow import ConstrainedFlow, OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.flow import JointVariableLabels
from skflow.functionals import Entropy, OTDDFunctional, PotentialEnergy, TubePotential
from skflow.inspection import CouplingDisplay
from skflow.metrics import class_coupling, divergence, label_distances, neg_otdd_scorer, otdd
from skflow.pushforward import ImagePushForward, SmoothPushForward, TabularPushForward, left_out_predictions
from tests._data import PLAIN

X, y = load_iris(return_X_y=True)
A, a, B, b = X[::2], y[::2], X[1::2] + 2, y[1::2]  # A: the model's data, B: the source
MIXED = np.random.default_rng(0).permutation(len(B))
CLF = LogisticRegression(max_iter=999).fit(A, a)
QUICK = {"pushforward": LinearRegression(), "random_state": 0}


def flow(**parameters):
    return OTDDFlowTransformer(Reference(A, a), **{**QUICK, **parameters})


class TestUnits:
    @pytest.mark.parametrize("label_distance", ["gaussian", "gaussian-diag", "means", "exact"])
    def test_otdd_scales_with_the_data(self, label_distance):
        plain = otdd(A, a, B - 2, b, label_distance=label_distance)
        for scale in (1e-30, 1e-9, 1e-7, 1e30):
            scaled = otdd(A * scale, a, (B - 2) * scale, b, label_distance=label_distance)
            assert scaled / scale == pytest.approx(plain, rel=1e-6)

    @pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e9, 1e30])
    def test_class_coupling_does_not_see_units(self, scale):
        coupling = class_coupling(A * scale, a, B * scale, b)
        assert_array_equal(coupling.argmax(axis=1), [0, 1, 2])

    @pytest.mark.parametrize("scale", [1e-30, 1e11])
    def test_a_flow_in_other_units_is_the_same_flow(self, scale):
        plain = flow().fit(B, b)
        scaled = OTDDFlowTransformer(Reference(A * scale, a), **QUICK).fit(B * scale, b)
        assert scaled.n_iter_ == plain.n_iter_
        assert_allclose(scaled.particles_ / scale, plain.particles_, atol=1e-6)
        assert_allclose(scaled.transform(B * scale) / scale, plain.transform(B), atol=1e-6)
        assert_allclose(scaled.objective_ / scale / scale, plain.objective_, rtol=1e-6)

    @pytest.mark.parametrize(("offset", "optimizer"), [(1e4, "auto"), (1e6, "sgd"), (1e7, "auto"), (1e9, "sgd")])
    def test_far_from_the_origin_is_as_good_as_near(self, offset, optimizer):
        near = flow(optimizer=optimizer).fit(B, b)
        far = OTDDFlowTransformer(Reference(A + offset, a), optimizer=optimizer, **QUICK).fit(B + offset, b)
        rounding = 1e-12 * offset + 1e-7
        assert_allclose(far.particles_ - offset, near.particles_, atol=rounding)

    def test_one_column_of_epoch_seconds(self):
        offset = np.array([0, 0, 1.7e9, 0])
        near = flow().fit(B, b)
        far = OTDDFlowTransformer(Reference(A + offset, a), **QUICK).fit(B + offset, b)
        assert_allclose(far.particles_ - offset, near.particles_, atol=1e-5)

    def test_columns_of_very_different_units_are_named(self):
        X, y = load_wine(return_X_y=True, as_frame=True)
        with pytest.warns(UserWarning, match=r"(?s)'proline'.*'(hue|nonflavanoid_phenols)'.*StandardScaler"):
            OTDDFlowTransformer((X[::2], y[::2]), **QUICK).fit(X[1::2], y[1::2])
        scaler = StandardScaler().fit(X[::2])
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Columns are in very different units")
            OTDDFlowTransformer((scaler.transform(X[::2]), y[::2]), **QUICK).fit(scaler.transform(X[1::2]), y[1::2])


class TestDegenerateData:
    @pytest.mark.parametrize(
        "parameters", [{}, {"label_weight": 0, "correspondence": "coupling"}, {"reg": 0}, {"solver": "tiled"}]
    )
    def test_all_rows_equal_on_both_sides(self, parameters):
        O, o = np.ones((20, 3)), np.arange(20) % 2
        fitted = OTDDFlowTransformer((O, o), **parameters, **QUICK).fit(O, o)
        assert_allclose(fitted.objective_, 0, atol=1e-12)
        assert_array_equal(fitted.particles_, O)

    def test_empty_batches(self):
        X, y = make_blobs(40, centers=20, random_state=0)
        fitted = OTDDFlowTransformer((X + 1, y), batch_size=4, correspondence="coupling", max_iter=3, tol=0, **QUICK)
        assert np.isfinite(fitted.fit(X, y).particles_).all()

    def test_two_rows(self):
        assert PseudoLabelFlow(Reference(A, a), flow=OTDDFlowTransformer(**QUICK)).fit(B[:2]).particles_.shape == (2, 4)

    def test_many_classes(self):
        X, y = np.random.default_rng(0).normal(size=(900, 16)), np.arange(900) % 300
        begin = time.perf_counter()
        OTDDFlowTransformer((X[::-1] + 1, y), max_iter=5, tol=0, **QUICK, **PLAIN).fit(X, y)
        assert time.perf_counter() - begin < 30  # it took a loop over all pairs 20 to 33 seconds on a quiet machine


class TestNamesOfClasses:
    def test_one_class_unknown_to_the_target(self):
        """Its name is all that is lost; those of the others stay."""
        X, y = load_digits(return_X_y=True)
        turned = np.rot90(X.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
        known = y[:400] < 9
        fitted = OTDDFlowTransformer((X[:400][known], y[:400][known]), **QUICK)
        with pytest.warns(UserWarning, match=r"\b9\b"):
            fitted.fit(turned[400:800], y[400:800])
        assert {k: v for k, v in fitted.label_map_.items() if k < 9} == {k: k for k in range(9)}

    def test_text_and_numbers_that_look_alike(self):
        with pytest.warns(UserWarning, match="differ in type alone"):
            fitted = flow().fit(B, b.astype(str))
        assert fitted.label_map_ == {"0": 0, "1": 1, "2": 2}

    def test_labels_of_object_dtype(self):
        numbers = flow(**PLAIN).fit(B, b)
        assert_array_equal(flow(**PLAIN).fit(B, b.astype(object)).particles_, numbers.particles_)
        nullable = flow(**PLAIN).fit(B, pd.Series(b, dtype="Int64"))
        assert nullable.classes_.dtype.kind == "i"
        assert_array_equal(nullable.particles_, numbers.particles_)

    def test_split_classes_keep_their_kind(self):
        X, y = make_blobs(60, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
        two, clusterer = y > 0, JointVariableLabels(clusterer=make_dbscan(1.0), recluster_every=2)
        fitted = OTDDFlowTransformer((X + 1, y), dynamics=clusterer, reg=0.01, **QUICK).fit(X, two)
        assert {True, False} <= set(fitted.classes_.tolist())


def make_dbscan(eps):
    from sklearn.cluster import DBSCAN

    return DBSCAN(eps=eps, min_samples=3)


@pytest.mark.filterwarnings("ignore:The flow did not converge")
class TestUnlabelledRows:
    few_steps = OTDDFlowTransformer(max_iter=9, **QUICK)

    @pytest.mark.parametrize(
        "marked",
        [
            [str(v) if i % 8 == 0 else -1 for i, v in enumerate(b)],
            [str(v) if i % 8 == 0 else None for i, v in enumerate(b)],
            np.array([str(v) if i % 8 == 0 else np.nan for i, v in enumerate(b)], dtype=object),
            pd.Series([str(v) if i % 8 == 0 else pd.NA for i, v in enumerate(b)], dtype="string"),
        ],
        ids=["-1", "None", "NaN", "NA"],
    )
    def test_markers_of_text_labels(self, marked):
        pseudo = PseudoLabelFlow(Reference(A, a.astype(str)), flow=self.few_steps).fit(B, marked)
        assert set(pseudo.classes_) == {"0", "1", "2"}
        assert (pseudo.pseudo_labels_ == b.astype(str)).mean() > 0.8

    @pytest.mark.parametrize("marker", [np.nan, -1, 77])
    def test_markers_of_numbers(self, marker):
        marked = np.where(np.arange(len(b)) % 8 == 0, b, marker)
        pseudo = PseudoLabelFlow(Reference(A, a), flow=self.few_steps, unlabelled=marker).fit(B, marked)
        assert_array_equal(pseudo.classes_, [0, 1, 2])
        assert pseudo.classes_.dtype.kind == "i"
        assert pseudo.label_map_ == {0: 0, 1: 1, 2: 2}


class TestScorers:
    def test_steps_before_the_flow_are_applied(self):
        scaler = StandardScaler().fit(B)
        pipe = make_pipeline(StandardScaler(), flow(), FrozenEstimator(CLF)).fit(B, b)
        assert neg_otdd_scorer(pipe, B, b) == pytest.approx(neg_otdd_scorer(pipe[1], scaler.transform(B), b))

    def test_without_labels(self):
        fitted = flow().fit(B, b)
        assert neg_otdd_scorer(fitted, B) == pytest.approx(neg_otdd_scorer(fitted, B, None))
        search = GridSearchCV(flow(**PLAIN), {"reg": [0.05, 0.5]}, scoring=neg_otdd_scorer, cv=2).fit(
            B[MIXED], b[MIXED]
        )
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class TestSurroundings:
    @pytest.mark.parametrize("surroundings", ["default dtype", "no_grad", "inference_mode", "numpy errors"])
    def test_results_do_not_depend_on_them(self, surroundings):
        def fit():
            constrained = ConstrainedFlow([("v", PotentialEnergy(lambda X, y: (X**2).sum(1)))], max_iter=3, **QUICK)
            return [
                OTDDFlowTransformer(Reference(A, a), random_state=0, max_iter=3, tol=0).fit(B, b).transform(B[:9]),
                constrained.fit(B.astype(np.float32)).particles_,
            ]

        before = fit()
        if surroundings == "default dtype":
            torch.set_default_dtype(torch.float64)
            try:
                after = fit()
            finally:
                torch.set_default_dtype(torch.float32)
        else:
            context = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}.get(surroundings)
            with context() if context else np.errstate(all="raise"):
                after = fit()
        for left, right in zip(before, after, strict=True):
            assert_array_equal(left, right)


class TestState:
    def test_failed_fit_then_transform(self):
        estimator = OTDDFlowTransformer()
        with pytest.raises(ValueError, match="target=None"):
            estimator.fit(B, b)
        with pytest.raises(NotFittedError):
            estimator.transform(B)

    def test_failed_refit_leaves_the_old_fit_whole(self):
        estimator = flow().fit(B, b)
        before, moved = estimator.particles_, estimator.transform(B)
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(np.where(B > 8, np.nan, B), b)
        assert estimator.particles_ is before
        assert_array_equal(estimator.transform(B), moved)

    def test_refits_of_a_repurposed_classifier_start_from_nothing(self):
        few, near = b.copy(), flow(alignment="translation")
        few[::3] = -1
        clf = RepurposedClassifier(FrozenEstimator(CLF), near)
        again = clf.fit(B, few).fit(B[:60], few[:60]).predict_proba(B)
        fresh = RepurposedClassifier(FrozenEstimator(CLF), near).fit(B[:60], few[:60]).predict_proba(B)
        assert_array_equal(again, fresh)

    def test_interrupt_while_the_map_is_learnt(self):
        """A real Ctrl-C, at several moments of a long training."""
        script = """
import _thread, threading
import numpy as np
from sklearn.utils.validation import check_is_fitted
from skflow.pushforward import ImagePushForward
X = np.random.default_rng(0).normal(size=(400, 64))
ImagePushForward((8, 8), max_epochs=1).fit(X, X + 1)  # torch imports much when it first trains
for delay in (0.2, 0.5, 0.9):
    push = ImagePushForward((8, 8), max_epochs=10_000, random_state=0)
    threading.Timer(delay, _thread.interrupt_main).start()
    try:
        push.fit(X, X + 1)
    except KeyboardInterrupt:
        print("interrupted", [name for name in vars(push) if name.endswith("_")])
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.stdout.splitlines() == 3 * ["interrupted []"], done.stderr


class TestUsersOwnPieces:
    def test_functionals_are_validated(self):
        for parameters, message in [
            ({"reg": -1}, "reg"),
            ({"solver": "dens"}, "Did you mean 'dense'"),
            ({"weight": np.nan}, "weight"),
        ]:
            with pytest.raises(ValueError, match=message):
                ConstrainedFlow([("d", OTDDFunctional((A, a), **parameters))], **QUICK).fit(B, b)
        with pytest.raises(ValueError, match="2 features"):
            ConstrainedFlow([("d", OTDDFunctional((A[:, :2], a)))], **QUICK).fit(B, b)

    def test_nan_of_a_users_potential_is_named_as_theirs(self):
        def logarithms(X, y):
            return X.log().sum(1)

        with pytest.raises(ValueError, match="logarithms"):
            ConstrainedFlow([("log", PotentialEnergy(logarithms))], **QUICK).fit(-B)

    def test_a_map_that_blew_up_is_refused(self):
        with pytest.raises(ValueError, match="(?i)pushforward|finite|blew"):
            flow(pushforward=Exploded()).fit(B, b)

    @pytest.mark.parametrize("answer", ["list", "rows", "columns", "text"])
    def test_a_push_forward_of_another_shape_is_named(self, answer):
        with pytest.raises(ValueError, match="pushforward=Answers"):
            flow(pushforward=Answers(answer)).fit(B, b)

    def test_noise_is_not_convergence(self):
        """The stationary law of ``d X = -X dt + dW`` with temperature 1/2 has mean 0 and variance 1/2."""
        start = np.random.default_rng(0).normal(size=(1000, 1)) + 2
        terms = [("bowl", PotentialEnergy(lambda X, y: X[:, 0] ** 2 / 2)), ("noise", Entropy(weight=0.5))]
        fitted = ConstrainedFlow(terms, step_size=0.05, max_iter=200, tol=0, **QUICK).fit(start)
        assert fitted.n_iter_ == 200
        assert abs(fitted.particles_.mean()) < 5 * np.sqrt(0.5 / 1000)


class Exploded(LinearRegression):
    def predict(self, X):
        return super().predict(X) * np.nan


class Answers(LinearRegression):
    def __init__(self, answer="list"):
        super().__init__()
        self.answer = answer

    def predict(self, X):
        moved = super().predict(X)
        return {"list": [1, "a"], "rows": moved[:-1], "columns": moved[:, :-1], "text": moved.astype(str)}[self.answer]


class TestPrinting:
    def test_references_print_whatever_they_hold(self):
        reference = Reference(A[:4], ["a", None, "b", "b"])
        assert repr(reference) == "Reference(n_samples=4, n_features=4, n_classes=3)"
        assert "Reference" in OTDDFlowTransformer(reference)._repr_html_()

    @pytest.mark.parametrize("pair", [(np.zeros(3), [0, 1, 1]), (None, None), (3, 3), ("text", "text")])
    def test_references_that_are_no_tables_are_refused(self, pair):
        with pytest.raises(ValueError, match="Reference"):
            Reference(*pair)


class TestPipelines:
    def test_raw_units_with_a_scaler_inside(self):
        """Wine in other units: a scaler that was fitted on the target goes first, and its target is scaled by it."""
        X, y = load_wine(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        ref, src, new = np.array_split(order, 3)
        rng = np.random.default_rng(1)
        gain, offset = rng.uniform(0.6, 1.6, 13), X.std(axis=0)
        scaler = StandardScaler().fit(X[ref])
        model = SVC().fit(scaler.transform(X[ref]), y[ref])
        target = Reference(scaler.transform(X[ref]), y[ref])
        pipe = make_pipeline(
            FrozenEstimator(scaler), OTDDFlowTransformer(target, random_state=0), FrozenEstimator(model)
        )
        pipe.fit(X[src] * gain + offset, y[src])
        assert pipe.score(X[new] * gain + offset, y[new]) > 0.9

    def test_ahead_of_a_model_that_knows_names(self):
        frame, target = pd.DataFrame(B, columns=list("wxyz")), pd.DataFrame(A, columns=list("wxyz"))
        model = LogisticRegression(max_iter=999).fit(target, a)
        pipe = make_pipeline(OTDDFlowTransformer(Reference(target, a), **QUICK), FrozenEstimator(model))
        pipe.set_output(transform="pandas").fit(frame, b)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pipe.score(frame, b) > 0.9


class TestGenerated:
    """What generated cases (`tests/fuzz`) found."""

    @pytest.mark.parametrize(
        "convert",
        [
            lambda X: X.astype(object),
            lambda X: X.astype(np.longdouble),
            lambda X: pd.DataFrame(X).astype("Float64"),
            lambda X: X.tolist(),
        ],
        ids=["object", "longdouble", "nullable", "list"],
    )
    def test_target_of_a_functional_in_any_container(self, convert):
        def particles(X, labels):
            term = OTDDFunctional((X, labels), debias=True)
            return ConstrainedFlow([("distance", term)], max_iter=3, **QUICK).fit(B, b).particles_

        assert_allclose(particles(convert(A), a[:, None]), particles(A, a), rtol=1e-9)

    @pytest.mark.parametrize("labels", [[None] * len(a), ["a", *a[1:].tolist()], np.where(a == 0, np.nan, a)])
    def test_target_labels_of_a_functional_that_are_none(self, labels):
        with pytest.raises(ValueError, match=r"target\[1\] is to hold labels"):
            ConstrainedFlow([("distance", OTDDFunctional((A, labels)))], **QUICK).fit(B, b)

    @pytest.mark.parametrize("scale", [1e155, 1e-155])
    def test_squares_beyond_floats(self, scale):
        with pytest.raises(ValueError, match=r"X and target|target\[0\] holds|X must be below"):
            OTDDFlowTransformer((A * scale, a), **QUICK).fit(B * scale, b)

    def test_squares_beyond_floats_in_metrics_and_maps(self):
        with pytest.raises(ValueError, match="X and X_target"):
            divergence(A * 1e155, B * 1e155)
        with pytest.raises(ValueError, match="X and X_target"):
            label_distances(A * 1e155, a, B * 1e155, b)
        for regressor in (TabularPushForward(), SmoothPushForward()):
            with pytest.raises(ValueError, match="X holds values beyond"):
                regressor.fit(A * 1e155, A)
        with pytest.raises(ValueError, match="X holds values up to"):
            ConstrainedFlow([("tube", TubePotential())], **QUICK).fit(B * 1e155, b)

    def test_subnormal_rows_are_like_zeros(self):
        moved = TabularPushForward(random_state=0).fit(A * 5e-324, np.ones_like(A)).predict(A)
        assert_allclose(moved, 1)

    def test_numbers_beyond_64_bits(self):
        tube = TubePotential(radius=10**30)
        assert_array_equal(ConstrainedFlow([("tube", tube)], max_iter=2, **QUICK).fit(B, b).particles_, B)
        one, other = (
            ConstrainedFlow([], (A, a), label_weight=weight, max_iter=2, **QUICK).fit(B, b).particles_
            for weight in (10**30, 1e30)
        )
        assert_array_equal(one, other)
        with pytest.raises(ValueError, match="y holds the label 18446744073709551616"):
            flow().fit(B, [2**64] * len(B))

    def test_a_tiny_bandwidth_is_no_domain_error(self):
        term = Entropy(bandwidth=1e-200, weight=1e-3)
        try:
            assert np.isfinite(ConstrainedFlow([("noise", term)], max_iter=2, **QUICK).fit(B, b).particles_).all()
        except ValueError as error:
            assert "bandwidth" in str(error)  # noqa: PT017

    @pytest.mark.parametrize("answer", [0.0, np.zeros(3), None, "a"])
    def test_push_forwards_that_answer_no_rows(self, answer):
        class Odd(LinearRegression):
            def predict(self, X):
                return answer

        with pytest.raises(ValueError, match="pushforward=Odd"):
            flow(pushforward=Odd(), max_iter=2).fit(B, b)

    def test_a_push_forward_that_writes_into_its_rows(self):
        class Writing(LinearRegression):
            def predict(self, X):
                X *= 0
                return X

        X_new = B.copy()
        flow(pushforward=Writing(), max_iter=2).fit(X_new, b).transform(X_new)
        assert_array_equal(X_new, B)

    def test_maps_that_are_not_finite_say_so(self):
        class Bounded(LinearRegression):
            def predict(self, X):
                return np.where(X > 1e9, np.inf, X)

        fitted = flow(pushforward=Bounded(), max_iter=2, safeguard=False).fit(B, b)
        with pytest.raises(ValueError, match="Bounded is not finite"):
            fitted.transform(1e12 * B)

    @pytest.mark.parametrize("n_folds", [1, {1, 2}, 2.5])
    def test_folds_that_are_none(self, n_folds):
        with pytest.raises(ValueError, match="n_folds"):
            left_out_predictions(LinearRegression(), A, A, n_folds=n_folds)

    @pytest.mark.parametrize("marker", [[1, 2], np.ones(2), pd.DataFrame({"a": [1]})])
    def test_several_markers(self, marker):
        with pytest.raises(ValueError, match="one value, not several"):
            PseudoLabelFlow((A, a), unlabelled=marker).fit(B, b)

    def test_one_label_for_all_rows(self):
        with pytest.raises(ValueError, match="y must have one label for each"):
            PseudoLabelFlow((A, a)).fit(B, 1)

    @pytest.mark.parametrize("values_format", [[1], ".2q", {}])
    def test_formats_that_are_none(self, values_format):
        with pytest.raises(ValueError, match="values_format="):
            CouplingDisplay(np.eye(2), [0, 1], [0, 1]).plot(values_format=values_format)


class TestDecisions:
    """Whether to move at all may depend on what the rows are, and on no accident of the table."""

    @staticmethod
    def noisy():
        random = np.random.RandomState(3)
        X = A[::2] + random.normal(scale=1.5, size=A[::2].shape)
        return X, a[::2]

    def test_the_order_of_the_rows_does_not_matter(self):
        X, y = self.noisy()
        order = np.random.RandomState(0).permutation(len(X))
        quick = {"alignment": "translation", "max_iter": 3}
        one, other = flow(**quick).fit(X, y), flow(**quick).fit(X[order], y[order])
        assert one.decision_.table == other.decision_.table
        assert_allclose(one.transform(X), other.transform(X), atol=1e-4)

    def test_repeated_rows_decide_as_rows_of_weight_two(self):
        X, y = self.noisy()
        twice = 1 + (np.arange(len(X)) % 4 == 0)
        quick = {"alignment": "translation", "max_iter": 3}
        weighted = flow(**quick).fit(X, y, sample_weight=twice)
        repeated = flow(**quick).fit(X.repeat(twice, axis=0), y.repeat(twice))
        for one, other in zip(weighted.decision_.table, repeated.decision_.table, strict=True):
            assert (one.name, one.share) == (other.name, other.share)
            assert_allclose([one.score, one.standard_error], [other.score, other.standard_error], atol=1e-9)


@pytest.mark.parametrize("dynamics", ["fd", "jd-fl"])
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "auto"])
def test_a_weight_of_two_is_two_rows_to_all_optimizers(optimizer, dynamics):
    twice = 1 + (np.arange(len(B)) % 4 == 0)
    quick = {**PLAIN, "optimizer": optimizer, "dynamics": dynamics, "max_iter": 4, "reg": 0.1}
    weighted = flow(**quick).fit(B, b, sample_weight=twice)
    repeated = flow(**quick).fit(B.repeat(twice, axis=0), b.repeat(twice))
    assert_allclose(weighted.transform(B), repeated.transform(B), rtol=0, atol=1e-5)


class TestWhoWrites:
    """A user's own piece that writes into what it is given writes into a copy."""

    def test_clusterers(self):
        rows = B.copy()
        PseudoLabelFlow(flow=flow(**PLAIN, max_iter=2), clusterer=Writes()).fit(rows)
        assert_array_equal(rows, B)

    def test_push_forwards(self):
        rows = B.copy()
        flow(**PLAIN, max_iter=2, pushforward=WritesInFit()).fit(rows, b)
        assert_array_equal(rows, B)

    def test_models(self):
        rows, before = B.copy(), B.copy()

        def model(X):
            X *= 0.5
            return np.eye(3)[np.arange(len(X)) % 3]

        clf = RepurposedClassifier(model, flow(max_iter=2), second_query=False).fit(rows)
        clf.predict(rows)
        assert_array_equal(rows, before)


class Writes:
    def fit_predict(self, X):
        X *= 0
        return np.arange(len(X)) % 3

    def get_params(self, deep=True):
        return {}


class WritesInFit(LinearRegression):
    def fit(self, X, y):
        super().fit(X, y)
        X *= 0
        y *= 0
        return self


class TestWrongTypes:
    @pytest.mark.parametrize("alignment", ["", "rotation", "Affine"])
    def test_a_class_of_maps_that_is_none(self, alignment):
        with pytest.raises(ValueError, match="alignment must be .*got"):
            flow(alignment=alignment).fit(B, b)

    def test_images_that_are_shifted_out_of_sight(self):
        with pytest.raises(ValueError, match="max_shift=4 must be smaller"):
            ImagePushForward((4, 4), max_shift=4).fit(np.ones((4, 16)), np.ones((4, 16)))

    @pytest.mark.parametrize("parameters", [{"cmap": {0: 0}}, {"cmap": "no"}, {"include_values": pd.DataFrame([1])}])
    def test_displays_name_their_parameters(self, parameters):
        pytest.importorskip("matplotlib")
        with pytest.raises(ValueError, match=next(iter(parameters))):
            CouplingDisplay(np.eye(2), ["a", "b"], ["c", "d"]).plot(**parameters)

    @pytest.mark.parametrize("model_classes", [np.array(0.5), [[0, 1, 2]], "abc", [0, 1, 2, 2]])
    def test_classes_that_are_no_list(self, model_classes):
        with pytest.raises(ValueError, match="model_classes"):
            RepurposedClassifier(CLF, flow(), model_classes=model_classes).fit(B, b)

    @pytest.mark.parametrize("carried", [3, [], [B, B]])
    def test_carried_rows_that_are_none(self, carried):
        clf = RepurposedClassifier(CLF, flow(**PLAIN, max_iter=2)).fit(B, b)
        with pytest.raises(ValueError, match="carried must be 1 arrays"):
            clf.decode(carried)

    def test_answers_of_several_lengths(self):
        with pytest.raises(ValueError, match="classifier=.* returned no array"):
            RepurposedClassifier(lambda X: [[1], [1, 2]], flow(max_iter=2)).fit(B)

    def test_confidence_that_is_no_number(self):
        with pytest.raises(ValueError, match="confidence must be numbers"):
            PseudoLabelFlow(flow=flow(**PLAIN, max_iter=2)).fit(B, b, confidence="x")
