"""DomainAligner at home in scikit-learn, and the alignment stage of flows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import ConstrainedFlow, DomainAligner, OTDDFlowTransformer, Reference
from skflow.functionals import TubePotential
from tests._data import any_width, labelled

X, y = load_digits(return_X_y=True)
X = X / 16
TARGET, SOURCE, UNSEEN = np.split(np.random.default_rng(0).permutation(len(X)), [350, 700])
REFERENCE = Reference(X[TARGET], y[TARGET])
MODEL = SVC(C=5).fit(*REFERENCE)


def turned(rows):
    return np.rot90(rows.reshape(-1, 8, 8), axes=(1, 2)).reshape(len(rows), -1)


@parametrize_with_checks([DomainAligner(any_width, invariance="diagonal")])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def unlabelled():
    return DomainAligner(REFERENCE, random_state=0).fit(turned(X[SOURCE]))


def test_a_target_of_one_row_is_refused():
    with pytest.raises(ValueError, match="target: X has 1 row"):
        DomainAligner((X[:1], y[:1]), random_state=0).fit(X)


def test_classes_in_a_column_are_classes():
    A, a = labelled(40, 3, 2)
    flat = DomainAligner((A, a), invariance="affine", random_state=0).fit(A + 1, a)
    with pytest.warns(DataConversionWarning):
        column = DomainAligner((A, a[:, None]), invariance="affine", random_state=0).fit(A + 1, a[:, None])
    assert_array_equal(column.transform(A), flat.transform(A))
    assert not column.target_.is_continuous


@pytest.mark.parametrize("labels", ["word", 1.0, csr_array(y[:9, None]), y[:5]])
def test_labels_of_other_rows_are_refused(labels):
    with pytest.raises(ValueError, match="^y (has 5 labels for the 9 rows of X|must have a row for each sample)"):
        DomainAligner(REFERENCE, random_state=0).fit(X[:9], labels)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_of_the_target_is_named(missing):
    with pytest.raises(ValueError, match="target: .*(missing label|NaN)"):
        DomainAligner((X[:9], np.array([*y[:8], missing], dtype=object)), random_state=0).fit(X[9:30], y[9:30])


class TestAligner:
    def test_content_is_carried_without_a_label(self, unlabelled):
        moved = unlabelled.transform(turned(X[UNSEEN]))
        assert unlabelled.alignment_.verdict == "aligned"
        assert MODEL.score(moved, y[UNSEEN]) > 0.9
        assert r2_score(X[UNSEEN], moved, multioutput="variance_weighted") > 0.9

    def test_there_and_back(self, unlabelled):
        rows = turned(X[UNSEEN])
        assert_allclose(unlabelled.inverse_transform(unlabelled.transform(rows)), rows, atol=1e-6)

    def test_pickles_and_repeats(self, unlabelled):
        rows = turned(X[UNSEEN[:9]])
        again = clone(unlabelled).fit(turned(X[SOURCE]))
        assert_array_equal(again.transform(rows), unlabelled.transform(rows))
        assert_array_equal(pickle.loads(pickle.dumps(unlabelled)).transform(rows), unlabelled.transform(rows))

    def test_labels_of_another_kind_say_nothing(self):
        """Continuous labels, or names that the target does not know, are as none."""
        A, a = labelled(80, 3, 2)
        B, _ = labelled(60, 3, 2, seed=0, shift=5.0)
        plain = DomainAligner((A, a), invariance="translation").fit(B)
        for other in (np.linspace(0, 1, 60), np.array(["x", "y"])[np.arange(60) % 2]):
            named = DomainAligner((A, a), invariance="translation").fit(B, other)
            assert_allclose(named.transform(B), plain.transform(B))

    def test_ahead_of_a_regressor(self):
        rng = np.random.default_rng(0)
        A, B = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        coefficients = np.array([1.0, -2.0, 0.5, 3.0])
        model = Ridge(alpha=1e-3).fit(A, A @ coefficients)
        pipe = make_pipeline(DomainAligner((A, A @ coefficients), invariance="translation"), FrozenEstimator(model))
        assert pipe.fit(B + 7, B @ coefficients).score(B + 7, B @ coefficients) > 0.95

    def test_names_are_the_targets(self):
        A, a = labelled(60, 3, 2)
        B, _ = labelled(60, 2, 2, seed=1)
        target = Reference(pd.DataFrame(A, columns=["a", "b", "c"]), a)
        aligner = DomainAligner(target, random_state=0).fit(pd.DataFrame(B, columns=["u", "v"]))
        assert aligner.n_features_in_ == 2
        assert aligner.get_feature_names_out().tolist() == ["a", "b", "c"]
        moved = aligner.set_output(transform="pandas").transform(pd.DataFrame(B, columns=["u", "v"]))
        assert moved.columns.tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"target": None}, "target=None: DomainAligner has nothing to align with"),
            ({"invariance": "orthogonl"}, "Did you mean 'orthogonal'"),
            ({"max_starts": 0}, "max_starts"),
            ({"target": (X[:9, :5], y[:9]), "invariance": "translation"}, "same columns"),
        ],
    )
    def test_errors_name_parameter_and_value(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            DomainAligner(**{"target": REFERENCE, **parameters}).fit(X[SOURCE])


class TestStageOfAFlow:
    def test_the_flow_moves_what_is_left(self):
        """One label for all rows: the flow alone would not know where to go."""
        one = np.zeros(len(SOURCE), dtype=int)
        flow = OTDDFlowTransformer(Reference(X[TARGET], np.zeros(len(TARGET), dtype=int)), random_state=0)
        flow.fit(turned(X[SOURCE]), one)
        assert flow.aligner_.alignment_.verdict == "aligned"
        assert MODEL.score(flow.transform(turned(X[UNSEEN])), y[UNSEEN]) > 0.85

    def test_other_columns_than_the_models(self):
        X, y = load_breast_cancer(return_X_y=True)
        ref, src, new = np.array_split(np.random.default_rng(0).permutation(len(X)), 3)
        X = StandardScaler().fit(X[ref]).transform(X)
        some = np.random.default_rng(1).permutation(30)[:20]
        model = LogisticRegression(max_iter=2000).fit(X[ref], y[ref])
        flow = OTDDFlowTransformer(Reference(X[ref], y[ref]), random_state=0)
        pipe = make_pipeline(flow, FrozenEstimator(model)).fit(X[src][:, some], y[src])
        assert flow.n_features_in_ == 20
        assert pipe.score(X[new][:, some], y[new]) > 0.9

    def test_inverse_transform(self):
        A, a = labelled(80, 3, 2)
        B, b = labelled(80, 3, 2, seed=2, shift=4.0)
        flow = OTDDFlowTransformer((A, a), alignment="translation", fit_inverse_transform=True, random_state=0)
        with pytest.raises(ValueError, match="fit_inverse_transform=True"):
            clone(flow).set_params(fit_inverse_transform=False).fit(B, b).inverse_transform(A)
        flow.fit(B, b)
        assert r2_score(B, flow.inverse_transform(flow.transform(B))) > 0.8
        with pytest.raises(ValueError, match="X has 2 features, but transform returns 3"):
            flow.inverse_transform(A[:, :2])

    def test_an_aligner_with_a_target_of_its_own_is_refused(self):
        with pytest.raises(ValueError, match="has a target of its own"):
            OTDDFlowTransformer(REFERENCE, alignment=DomainAligner(REFERENCE)).fit(X[SOURCE], y[SOURCE])

    def test_an_aligner_is_cloned(self):
        A, a = labelled(60, 3, 2)
        aligner = DomainAligner(invariance="translation")
        OTDDFlowTransformer((A, a), alignment=aligner, pushforward=LinearRegression()).fit(A + 3, a)
        assert not hasattr(aligner, "alignment_")
        assert aligner.target is None

    def test_constraints_act_on_aligned_rows(self):
        A, a = labelled(60, 3, 2)
        tube = [("tube", TubePotential(0.1, weight=50))]
        flow = ConstrainedFlow(tube, (A, a), alignment="translation", pushforward=LinearRegression()).fit(A + 3, a)
        assert_allclose(flow.particles_, A, atol=0.3)

    def test_shuffled_names_are_refused(self):
        frame = pd.DataFrame(X[SOURCE][:, :3], columns=["a", "b", "c"])
        target = Reference(pd.DataFrame(X[TARGET][:, :3], columns=["b", "a", "c"]), y[TARGET])
        with pytest.raises(ValueError, match="in another order"):
            OTDDFlowTransformer(target).fit(frame, y[SOURCE])
