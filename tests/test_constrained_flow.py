"""ConstrainedFlow: nested constraints, labels only where they matter, scikit-learn's conventions."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import ConstrainedFlow, OTDDFlowTransformer, Reference
from skflow.flow import DYNAMICS, OPTIMIZERS
from skflow.functionals import (
    AffinePotential,
    ClassRepulsion,
    CollapsePotential,
    Entropy,
    FunctionalSum,
    MarginPotential,
    NormPotential,
    PotentialEnergy,
    TubePotential,
)
from tests._data import PLAIN, any_width

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_blobs(40, centers=[[0, 0], [2, 0]], cluster_std=0.5, random_state=0)
X_ref, y_ref = make_blobs(30, centers=[[0, 5], [2, 5]], cluster_std=0.5, random_state=1)


@parametrize_with_checks(
    [
        ConstrainedFlow([("collapse", CollapsePotential(0)), ("tube", TubePotential(0.3))], max_iter=5),
        ConstrainedFlow([("repulsion", ClassRepulsion())], max_iter=5, pushforward=LinearRegression()),
        ConstrainedFlow(
            [("norm", NormPotential(weight=0.1))], any_width, alignment=None, max_iter=5, pushforward=LinearRegression()
        ),
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_parameters_are_nested_as_in_a_pipeline():
    flow = ConstrainedFlow([("tube", TubePotential()), ("repulsion", ClassRepulsion())])
    assert flow.get_params()["tube__weight"] == 1.0
    assert "tube__weight" not in flow.get_params(deep=False)
    flow.set_params(tube__weight=0.1, repulsion__kernel="quadratic", step_size=0.2)
    assert dict(flow.constraints)["tube"].weight == 0.1
    assert dict(flow.constraints)["repulsion"].kernel == "quadratic"
    flow.set_params(tube=NormPotential(weight=3))
    assert flow.get_params()["tube__weight"] == 3
    copy = clone(flow)
    assert dict(copy.constraints)["tube"] is not dict(flow.constraints)["tube"]
    assert copy.get_params()["tube__weight"] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'wait'"):
        flow.set_params(tube__wait=1)


@pytest.mark.slow
def test_grid_search_over_a_constraints_weight():
    """The reference's classes lie the other way round, and a heavy tube holds the flow back: the light one wins.

    The classes are eight standard deviations apart and the way is a reflection, which a linear map can represent: what
    unseen rows lose is the tube's doing alone.
    """
    X, y = make_blobs(80, centers=[[0, 0], [2, 0]], cluster_std=0.25, random_state=0)
    reference = Reference([2, 1] + X * [-1, 1], y)
    clf = LogisticRegression().fit(*reference)
    flow = ConstrainedFlow(
        [("tube", TubePotential(0.1))],
        reference,
        alignment=None,
        pushforward=LinearRegression(),
        random_state=0,
    )
    pipe = Pipeline([("flow", flow), ("clf", FrozenEstimator(clf))])
    search = GridSearchCV(pipe, {"flow__tube__weight": [20.0, 0.01]}, cv=2).fit(X, y)
    assert search.best_params_ == {"flow__tube__weight": 0.01}
    held, free = search.cv_results_["mean_test_score"]
    assert held < 0.5
    assert free > 0.95


def test_without_constraints_it_is_the_flow_to_the_target():
    plain = OTDDFlowTransformer((X_ref, y_ref), **PLAIN, random_state=0).fit(X, y)
    flow = ConstrainedFlow([], (X_ref, y_ref), alignment=None, random_state=0).fit(X, y)
    np.testing.assert_array_equal(flow.particles_, plain.particles_)
    np.testing.assert_array_equal(flow.transform(X_ref), plain.transform(X_ref))
    assert flow.label_map_ == plain.label_map_
    np.testing.assert_allclose(flow.coupling_, plain.coupling_)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_constraint_shapes_the_flow_to_a_target(dynamics, optimizer):
    settings = {
        "alignment": None,
        "dynamics": dynamics,
        "optimizer": OPTIMIZERS[optimizer](n_iter_no_change=60),
        "random_state": 0,
        "max_iter": 60,
        "pushforward": Mean(),
    }
    free = OTDDFlowTransformer((X_ref, y_ref), safeguard=False, **settings).fit(X, y)
    flow = ConstrainedFlow([("collapse", CollapsePotential(0, weight=3))], (X_ref, y_ref), **settings).fit(X, y)
    assert flow.particles_[:, 0].std() < 0.6 * free.particles_[:, 0].std()
    assert abs(flow.particles_[:, 1].mean() - 5) < 2
    np.testing.assert_allclose(flow.objective_, sum(flow.objective_terms_.values()), rtol=1e-5)
    assert set(flow.objective_terms_) == {"collapse", "target"}
    assert flow.objective_.shape == (flow.n_iter_ + 1,)
    assert flow.target_classes_.tolist() == [0, 1]


class Mean:
    """A push-forward that costs nothing."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, Z):
        self.mean_ = Z.mean(0)
        return self

    def predict(self, X):
        return np.tile(self.mean_, (len(X), 1))


@pytest.mark.parametrize(
    ("constraint", "target", "needed"),
    [
        (NormPotential(), None, False),
        (PotentialEnergy(torch.nn.Module()), None, False),
        (AffinePotential(b=1), None, False),
        (AffinePotential(by_class={0: (None, 1)}), None, True),
        (MarginPotential([1, 0]), None, True),
        (ClassRepulsion(), None, True),
        (NormPotential(), (X_ref, y_ref), True),
    ],
)
def test_labels_are_required_where_they_matter(constraint, target, needed):
    flow = ConstrainedFlow([("constraint", constraint)], target, max_iter=2, pushforward=Mean())
    assert get_tags(flow).target_tags.required == needed
    if needed:
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            flow.fit(X)
    elif not isinstance(constraint, PotentialEnergy):
        assert flow.fit(X).classes_.tolist() == [0]


def test_target_may_come_to_fit():
    flow = ConstrainedFlow([("norm", NormPotential(weight=0.1))], alignment=None, max_iter=5, random_state=0)
    there = clone(flow).set_params(target=(X_ref, y_ref)).fit(X, y).particles_
    np.testing.assert_array_equal(flow.fit(X, y, X_target=X_ref, y_target=y_ref).particles_, there)
    with pytest.raises(ValueError, match="requires y to be passed where X_target is, but y=None"):
        flow.fit(X, X_target=X_ref, y_target=y_ref)


def test_unseen_rows_are_carried():
    flow = ConstrainedFlow([("collapse", CollapsePotential(1, at=3.0))], random_state=0).fit(X[::2])
    moved = flow.transform(X[1::2])
    np.testing.assert_allclose(moved[:, 1], 3, atol=0.1)
    np.testing.assert_allclose(moved[:, 0], X[1::2, 0], atol=0.1)
    assert pickle.loads(pickle.dumps(flow)).transform(X[1::2]).tolist() == moved.tolist()


def test_noise_comes_from_the_random_state():
    flow = ConstrainedFlow([("entropy", Entropy())], max_iter=3, tol=0, pushforward=Mean())
    one, again, other = (clone(flow).set_params(random_state=seed).fit(X).particles_ for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ("tube", "'constraints' parameter of ConstrainedFlow must be .* Got 'tube'"),
        ([TubePotential()], r"TubePotential\(\) is not a pair \(name, functional\)"),
        ([("tube", "TubePotential")], "tube='TubePotential' is not a functional"),
        ([("tube", TubePotential)], "tube=<class .* is not a functional"),
        ([("a", TubePotential()), ("a", NormPotential())], r"Names provided are not unique: \['a', 'a'\]"),
        ([("target", TubePotential())], r"names conflict with constructor arguments: \['target'\]"),
        ([("a__b", TubePotential())], r"must not contain __: got \['a__b'\]"),
        ([("tube", TubePotential(radius=-1))], "'radius' parameter of TubePotential must be .* Got -1"),
        ([], r"constraints=\[\] and target=None leave nothing to descend"),
    ],
)
def test_errors_name_parameter_and_value(constraints, message):
    with pytest.raises(ValueError, match=message):
        ConstrainedFlow(constraints).fit(X, y)


def test_misspelt_choice_is_guessed():
    with pytest.raises(ValueError, match="Did you mean 'adam'"):
        ConstrainedFlow([("norm", NormPotential())], optimizer="adm").fit(X)


def test_representations():
    flow = ConstrainedFlow([("tube", TubePotential(radius=2.0))])
    assert repr(flow) == "ConstrainedFlow(constraints=[('tube', TubePotential(radius=2.0))])"
    assert "tube" in flow._repr_html_()
    with pytest.raises(NotFittedError):
        flow.transform(X)


def test_sum_is_what_it_descends():
    terms = [("norm", NormPotential()), ("tube", TubePotential(0.1))]
    flow = ConstrainedFlow(terms, max_iter=3, tol=0, pushforward=Mean()).fit(X)
    from skflow.flow import Particles

    start = Particles.from_arrays(X, np.zeros(len(X), dtype=int))
    assert flow.objective_[0] == pytest.approx(FunctionalSum(terms).bind(start).evaluate(start).value.item())
