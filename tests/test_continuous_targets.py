"""Flows, aligners, scorers and displays where labels are numbers, ahead of frozen regressors."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import ot
import pytest
from scipy.spatial.distance import cdist
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skflow import ConstrainedFlow, DomainAligner, OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow.functionals import TubePotential
from skflow.inspection import CouplingDisplay, TrajectoryDisplay
from skflow.metrics import neg_divergence_scorer, neg_otdd_scorer, otdd
from tests._data import PLAIN
from tests._tolerances import EXACT_OTDD


def regression(n=150, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.gamma(2.0, size=(n, 4)) @ np.array([[1, 0.3, 0, 0], [0, 1, 0.5, 0], [0, 0, 1, 0.2], [0.4, 0, 0, 1]])
    return X, X @ [2.0, -1.0, 0.5, 1.0] + 0.3 * X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n)


def shifted(X):
    return X * [0.6, 1.5, 0.8, 1.2] + [2, -1, 0.5, 3]


X_REF, Y_REF = regression()
X_SRC, Y_SRC = regression(120, seed=1)
X_NEW, Y_NEW = regression(200, seed=2)
MODELS = [RidgeCV().fit(X_REF, Y_REF), RandomForestRegressor(50, random_state=0).fit(X_REF, Y_REF)]


@pytest.fixture(scope="module")
def plain():
    flow = OTDDFlowTransformer(Reference(X_REF, Y_REF), **PLAIN, keep_trajectory=3, random_state=0)
    return flow.fit(shifted(X_SRC), Y_SRC)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("alignment", ["diagonal", None])
def test_a_frozen_regressor_is_brought_back(model, alignment, plain):
    flow = plain
    if alignment:
        flow = OTDDFlowTransformer(Reference(X_REF, Y_REF), alignment=alignment, random_state=0)
        flow.fit(shifted(X_SRC), Y_SRC)
    own, frozen = model.score(X_NEW, Y_NEW), model.score(shifted(X_NEW), Y_NEW)
    carried = model.score(flow.transform(shifted(X_NEW)), Y_NEW)
    assert frozen < 0.5 * own
    assert carried > (0.9 if alignment else 0.7) * own


def test_fitted_attributes_are_those_of_numbers(plain):
    np.testing.assert_array_equal(plain.particle_labels_, Y_SRC)
    assert not hasattr(plain, "classes_")
    assert not hasattr(plain, "label_map_")
    assert plain.target_.is_continuous
    assert plain.objective_[-1] < 0.5 * plain.objective_[0]


def test_the_objective_starts_at_the_squared_distance():
    flow = OTDDFlowTransformer((X_REF, Y_REF), **PLAIN, reg=0, max_iter=1, tol=0).fit(X_SRC, Y_SRC)
    assert flow.objective_[0] == pytest.approx(otdd(X_SRC, Y_SRC, X_REF, Y_REF) ** 2, rel=EXACT_OTDD)


def test_otdd_is_pots():
    Y, Y_target = np.c_[Y_SRC, X_SRC[:, 0]], np.c_[Y_REF, X_REF[:, 1] * 1e3]
    a, b = np.full(120, 1 / 120), np.full(150, 1 / 150)
    of_features = (X_SRC.var(0).sum() + X_REF.var(0).sum()) / 2
    cost = cdist(X_SRC, X_REF, "sqeuclidean")
    for own, other in zip(Y.T, Y_target.T):
        cost += of_features * np.subtract.outer(own, other) ** 2 / (own.var() + other.var())
    assert otdd(X_SRC, Y, X_REF, Y_target) ** 2 == pytest.approx(ot.emd2(a, b, cost), rel=EXACT_OTDD)


def test_otdd_takes_whole_numbers_for_what_it_is_told():
    whole, whole_target = np.round(Y_SRC), np.round(Y_REF)
    value = otdd(X_SRC, whole, X_REF, whole_target, target_type="continuous")
    noise = 1e-9 * np.arange(150)  # no whole numbers any more
    assert value == pytest.approx(otdd(X_SRC, whole + noise[:120], X_REF, whole_target + noise), rel=EXACT_OTDD)


def test_several_labels_a_row():
    Y, Y_ref = np.c_[Y_SRC, 1e3 * X_SRC[:, 0]], np.c_[Y_REF, 1e3 * X_REF[:, 0]]
    flow = OTDDFlowTransformer(Reference(X_REF, Y_ref), **PLAIN, max_iter=20, random_state=0)
    flow.fit(shifted(X_SRC), Y)
    assert flow.particle_labels_.shape == (120, 2)
    model = RidgeCV().fit(X_REF, Y_ref)
    Y_new = np.c_[Y_NEW, 1e3 * X_NEW[:, 0]]
    assert model.score(flow.transform(shifted(X_NEW)), Y_new) > 0.5 + model.score(shifted(X_NEW), Y_new)
    with pytest.raises(ValueError, match="target: y has 2 labels a row, but the source's has 1"):
        flow.fit(X_SRC, Y_SRC)


def test_sample_weights_count_rows():
    weight = np.arange(120) % 3
    rows = np.repeat(np.arange(120), weight)
    parameters = {**PLAIN, "max_iter": 10, "random_state": 0}
    weighted = OTDDFlowTransformer(Reference(X_REF, Y_REF), **parameters).fit(X_SRC, Y_SRC, sample_weight=weight)
    repeated = OTDDFlowTransformer(Reference(X_REF, Y_REF), **parameters).fit(X_SRC[rows], Y_SRC[rows])
    np.testing.assert_allclose(weighted.transform(X_NEW), repeated.transform(X_NEW), rtol=1e-4, atol=1e-4)


def test_an_aligner_needs_no_labels():
    aligner = DomainAligner(Reference(X_REF, Y_REF), invariance="diagonal", random_state=0)
    carried = [aligner.fit(shifted(X_SRC), y).transform(shifted(X_NEW)) for y in (None, Y_SRC)]
    for rows in carried:
        assert MODELS[0].score(rows, Y_NEW) > 0.9 * MODELS[0].score(X_NEW, Y_NEW)


def test_a_constraint_holds_beside_the_target():
    def farthest(weight):
        tube = [("tube", TubePotential(radius=0.1, weight=weight))]
        flow = ConstrainedFlow(tube, Reference(X_REF, Y_REF), alignment=None, max_iter=30, random_state=0)
        moved = flow.fit(shifted(X_SRC), Y_SRC).particles_
        assert set(flow.objective_terms_) == {"tube", "target"}
        return np.linalg.norm(moved - shifted(X_SRC), axis=1).max()

    assert farthest(5.0) < 0.7 * farthest(0.0)


def test_a_search_over_a_frozen_regressor_and_scorers_without_one():
    reference = Reference(X_REF, Y_REF)
    flow = OTDDFlowTransformer(reference, **PLAIN, max_iter=20, random_state=0)
    pipe = make_pipeline(flow, FrozenEstimator(MODELS[0]))
    search = GridSearchCV(pipe, {"otddflowtransformer__label_weight": [0.5, 1.0]}, cv=2)
    search.fit(shifted(X_SRC), Y_SRC)
    assert search.score(shifted(X_NEW), Y_NEW) > MODELS[0].score(shifted(X_NEW), Y_NEW)
    some = np.where(np.arange(200) % 2, np.nan, Y_NEW)
    for y in (None, Y_NEW, some):
        for scorer in (neg_otdd_scorer, neg_divergence_scorer):
            still = OTDDFlowTransformer(reference, **PLAIN, max_iter=1, random_state=0)
            still = still.fit(shifted(X_SRC), Y_SRC)
            assert scorer(search, shifted(X_NEW), y) > scorer(still, shifted(X_NEW), y)


def test_displays_draw_numbers_on_a_scale(plain):
    display = TrajectoryDisplay.from_estimator(plain)
    assert len(display.ax_.get_legend().get_texts()) == 2
    matplotlib.pyplot.close(display.figure_)
    with pytest.raises(ValueError, match="no classes of a target"):
        CouplingDisplay.from_estimator(plain)


def test_reference_says_what_its_labels_are():
    assert Reference(X_REF, Y_REF).is_continuous
    assert not Reference(X_REF, np.round(Y_REF)).is_continuous
    assert Reference(X_REF, np.round(Y_REF), target_type="continuous").is_continuous
    assert repr(Reference(X_REF, Y_REF)) == "Reference(n_samples=150, n_features=4, n_labels=1)"
    with pytest.raises(ValueError, match="target_type of a Reference"):
        Reference(X_REF, Y_REF, target_type="regression")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(120) == 3, np.nan, Y_SRC), "y contains NaN"),
        (np.array(["a"] * 120), "could not convert"),
        (Y_SRC[:50], "y has 50 labels for n_samples=120"),
    ],
)
def test_labels_that_are_no_numbers_are_refused(y, message):
    flow = OTDDFlowTransformer(Reference(X_REF, Y_REF, target_type="continuous"))
    with pytest.raises(ValueError, match=message):
        flow.fit(X_SRC, y)


def test_what_knows_classes_alone_says_so():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        PseudoLabelFlow(Reference(X_REF, Y_REF)).fit(X_SRC)
    with pytest.raises(ValueError, match="dynamics='fd'"):
        OTDDFlowTransformer(Reference(X_REF, Y_REF), **PLAIN, dynamics="jd-fl").fit(X_SRC, Y_SRC)
