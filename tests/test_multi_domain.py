"""MultiDomainFlow: each domain its own map, what the domains have in common, and new ones without the old data."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skflow import DomainAligner, MultiDomainFlow, OTDDFlowTransformer, PseudoLabelFlow, Reference
from tests._data import PLAIN, any_width

X, y = make_blobs(300, n_features=3, centers=4 * np.eye(3), random_state=0)
HOME = np.arange(60)
MODEL = LogisticRegression().fit(X[HOME], y[HOME])
REFERENCE = Reference(X[HOME], y[HOME])
FLOW = OTDDFlowTransformer(REFERENCE, alignment="diagonal", max_iter=4, tol=0, random_state=0)
FEW_STEPS = {**PLAIN, "max_iter": 3, "tol": 0, "pushforward": LinearRegression()}
UNITS = {"A": ([3.0, 0.4, 1.0], 6.0), "B": ([3.4, 0.5, 1.0], 7.0), "C": ([3.2, 0.45, 1.0], 6.5)}
SITES = np.repeat(["A", "B"], 40)
KNOWN, NEW, UNSEEN = slice(60, 140), slice(140, 180), slice(180, 300)

pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")


def at(site, rows):
    gain, offset = UNITS[site]
    return gain * X[rows] + offset


KNOWN_X = np.r_[at("A", slice(60, 100)), at("B", slice(100, 140))]


@parametrize_with_checks([MultiDomainFlow(OTDDFlowTransformer(any_width, **FEW_STEPS))])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted():
    return MultiDomainFlow(FLOW, random_state=0).fit(KNOWN_X, y[KNOWN], sample_domain=SITES)


def accuracy(flow, site):
    return MODEL.score(flow.transform(at(site, UNSEEN), sample_domain=site), y[UNSEEN])


def test_each_domain_has_a_map(fitted):
    assert MODEL.score(at("A", UNSEEN), y[UNSEEN]) < 0.8
    assert min(accuracy(fitted, site) for site in "AB") > 0.95
    mixed = np.r_[at("B", UNSEEN), at("A", UNSEEN)]
    together = fitted.transform(mixed, sample_domain=np.repeat(["B", "A"], 120))
    alone = [fitted.transform(at(site, UNSEEN), sample_domain=site) for site in "BA"]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert set(fitted.evidence_) == set(fitted.decisions_) == {"A", "B"}
    assert all(np.shares_memory(flow.target_.X, fitted.target_.X) for flow in fitted.flows_.values())


@pytest.mark.parametrize("n_labelled", [0, 15])
def test_a_new_domain_without_the_old_data(fitted, n_labelled):
    flow = pickle.loads(pickle.dumps(fitted))
    before = flow.transform(KNOWN_X, sample_domain=SITES)
    few = np.where(np.arange(40) < n_labelled, y[NEW], -1)
    flow.fit_new_domain(at("C", NEW), few if n_labelled else None, sample_domain="C")
    assert flow.domains_ == ["A", "B", "C"]
    assert accuracy(flow, "C") > 0.95
    np.testing.assert_array_equal(flow.transform(KNOWN_X, sample_domain=SITES), before)
    assert "other domains" in flow.decisions_["C"].judged_by


def test_two_rows_are_like_the_other_domains(fitted):
    flow = pickle.loads(pickle.dumps(fitted)).fit_new_domain(at("C", slice(140, 142)), sample_domain="C")
    assert accuracy(flow, "C") > 0.95
    assert flow.flows_["C"] is None or flow.decisions_["C"].chosen.name != "own"


def test_a_domain_unlike_the_others_with_labels_has_its_own_map(fitted):
    flow = pickle.loads(pickle.dumps(fitted))
    flow.fit_new_domain(-at("A", NEW), y[NEW], sample_domain="inverted")
    assert flow.decisions_["inverted"].chosen.name == "own"
    moved = flow.transform(-at("A", UNSEEN), sample_domain="inverted")
    assert MODEL.score(moved, y[UNSEEN]) > 0.95


def test_labels_in_a_column_are_labels(fitted):
    again = clone(fitted).fit(KNOWN_X, y[KNOWN][:, None], sample_domain=SITES)
    rows = at("A", UNSEEN)
    np.testing.assert_array_equal(*(flow.transform(rows, sample_domain="A") for flow in (again, fitted)))


def test_one_domain_is_its_flow():
    flow = MultiDomainFlow(FLOW).fit(at("A", NEW), y[NEW])
    alone = FLOW.fit(at("A", NEW), y[NEW])
    np.testing.assert_array_equal(flow.transform(at("A", UNSEEN)), alone.transform(at("A", UNSEEN)))
    np.testing.assert_array_equal(flow.transform(at("A", UNSEEN), sample_domain=1), flow.transform(at("A", UNSEEN)))
    flow.fit_new_domain(at("C", NEW), sample_domain=2)  # nobody else has labels: the divergence decides
    assert flow.decisions_[2].judged_by == "divergence"
    assert MODEL.score(flow.transform(at("C", UNSEEN), sample_domain=2), y[UNSEEN]) > 0.95


def test_a_domain_that_fails_leaves_all_as_it_was(fitted, monkeypatch):
    flow = pickle.loads(pickle.dumps(fitted))
    decide = flow._judge_.decide

    def fails(domain, *rest):
        return decide(domain, *rest) if len(domain.rows) == 25 else 1 / 0

    monkeypatch.setattr(flow._judge_, "decide", fails)
    with pytest.raises(ZeroDivisionError):
        flow.fit_new_domain(at("C", NEW), sample_domain=np.repeat(["C", "D"], [25, 15]))
    assert flow.domains_ == list(flow.flows_) == list(flow.decisions_) == ["A", "B"]


def test_what_is_not_known_is_named(fitted):
    with pytest.raises(ValueError, match=r"sample_domain has 'C', but the flow knows \['A', 'B'\]"):
        fitted.transform(X[:3], sample_domain=["A", "C", "B"])
    with pytest.raises(ValueError, match="sample_domain=None, but the flow knows several"):
        fitted.transform(X[:3])
    with pytest.raises(ValueError, match="sample_domain has 2 values for the 3 rows of X"):
        fitted.transform(X[:3], sample_domain=["A", "B"])
    with pytest.raises(ValueError, match="missing values"):
        fitted.transform(X[:2], sample_domain=["A", None])
    with pytest.raises(ValueError, match="has no target"):
        MultiDomainFlow(OTDDFlowTransformer()).fit(X, y)


def test_domains_reach_it_in_a_pipeline():
    with config_context(enable_metadata_routing=True):
        flow = MultiDomainFlow(DomainAligner(REFERENCE, invariance="diagonal"), random_state=0)
        flow.set_fit_request(sample_domain=True).set_transform_request(sample_domain=True)
        pipe = make_pipeline(flow, FrozenEstimator(MODEL)).fit(KNOWN_X, y[KNOWN], sample_domain=SITES)
        right = pipe.predict(at("B", UNSEEN), sample_domain=np.full(120, "B")) == y[UNSEEN]
    assert right.mean() > 0.95


@pytest.mark.parametrize("flow", [DomainAligner(REFERENCE, invariance="diagonal"), PseudoLabelFlow(flow=FLOW)])
def test_other_flows_without_labels(flow):
    flow = MultiDomainFlow(flow, random_state=0).fit(KNOWN_X, sample_domain=SITES)
    assert flow.evidence_ == {}
    assert min(accuracy(flow, site) for site in "AB") > 0.9


def test_continuous_labels_and_names():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    Z = rng.gamma(2.0, size=(180, 3))
    numbers = Z @ [1.0, 2.0, -1.0] + 0.1 * rng.normal(size=180)
    model = Ridge().fit(Z[:60], numbers[:60])
    target = Reference(pd.DataFrame(Z[:60], columns=list("abc")), numbers[:60])
    flow = MultiDomainFlow(clone(FLOW).set_params(target=target), random_state=0)
    source = pd.DataFrame(2 * Z[60:130] + 1, columns=list("abc"))
    flow = flow.fit(source, numbers[60:130], sample_domain=np.repeat([7, 8], 35))
    flow.set_output(transform="pandas").fit_new_domain(source[:20], sample_domain=9)
    moved = flow.transform(pd.DataFrame(2 * Z[130:] + 1, columns=list("abc")), sample_domain=9)
    assert list(moved.columns) == ["a", "b", "c"]
    assert model.score(moved.to_numpy(), numbers[130:]) > 0.9
