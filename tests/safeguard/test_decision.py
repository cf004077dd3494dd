"""The choice between leaving rows, aligning them and flowing: simple where that is as good, and never a silent harm."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer, Reference
from skflow.safeguard import Panel, decide_by_divergence, decide_by_labels

X, y = load_digits(return_X_y=True)
X = X / 16
TARGET, SOURCE, UNSEEN = np.split(np.random.default_rng(0).permutation(len(X)), [500, 1000])
MODEL = SVC(C=5).fit(X[TARGET], y[TARGET])


def votes(*shares, n=400):
    """Rows of which the first part is right, by candidate."""
    return [(f"{k}", None if k == 0 else k / 4, (np.arange(n) < share * n) * 1.0) for k, share in enumerate(shares)]


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ((0.90, 0.90, 0.90), "0"),  # all alike: the simplest
        ((0.89, 0.90, 0.90), "0"),  # a gain that is not worth moving for
        ((0.50, 0.90, 0.90), "1"),  # moving pays, more of it does not
        ((0.50, 0.60, 0.95), "2"),
        ((0.90, 0.20, 0.30), "0"),  # moving harms
    ],
)
def test_the_simplest_of_those_that_are_as_good(shares, chosen):
    decision = decide_by_labels(votes(*shares), np.ones(400))
    assert decision.chosen.name == chosen
    assert [choice.score for choice in decision.table] == pytest.approx(shares)
    assert repr(chosen) in decision.reason


def test_standard_errors_are_those_of_the_paired_difference():
    rng = np.random.default_rng(0)
    first, second = rng.random(500), rng.random(500) + 0.5
    decision = decide_by_labels([("a", None, first), ("b", 1.0, second)], np.ones(500))
    expected = (second - first).std() / np.sqrt(500)
    assert decision.table[0].standard_error == pytest.approx(expected)


def test_divergences_decide_without_labels():
    rng = np.random.default_rng(0)
    target, rows = rng.normal(size=(200, 3)), rng.normal(size=(200, 3))

    def divergence(moved, at):
        return float(np.square(moved.mean(0) - target[at].mean(0)).sum())

    candidates = [("leave", None, rows + 5), ("align", 0.0, rows), ("flow", 1.0, rows + 1)]
    decision = decide_by_divergence(candidates, divergence, 200, 0.05, np.random.RandomState(0))
    assert decision.chosen.name == "align"
    assert decision.floor == 0.05
    assert -decision.table[0].score > 50


def test_the_panel_knows_the_target():
    blobs, labels = make_blobs(200, centers=3, cluster_std=0.3, random_state=0)
    panel = Panel(blobs[:100], labels[:100])
    assert panel.agreement(blobs[100:], labels[100:]).mean() > 0.98
    assert panel.agreement(blobs[100:], (labels[100:] + 1) % 3).mean() < 0.02


def test_where_nothing_moved_nothing_is_moved():
    flow = OTDDFlowTransformer(Reference(X[TARGET], y[TARGET]), random_state=0).fit(X[SOURCE], y[SOURCE])
    assert flow.decision_.chosen.name == "leave"
    np.testing.assert_array_equal(flow.transform(X[UNSEEN]), X[UNSEEN])


def test_a_map_that_harms_is_not_used():
    """The push-forward sends all rows to one place."""
    rows = X[SOURCE] * np.linspace(0.8, 1.2, 64)
    flow = OTDDFlowTransformer(Reference(X[TARGET], y[TARGET]), alignment=None, pushforward=Constant())
    flow.fit(rows, y[SOURCE])
    assert flow.decision_.chosen.name == "leave"
    unguarded = OTDDFlowTransformer(flow.target, alignment=None, pushforward=Constant(), safeguard=False)
    assert MODEL.score(unguarded.fit(rows, y[SOURCE]).transform(rows), y[SOURCE]) < 0.3


class Constant(LinearRegression):
    def predict(self, X):
        return np.tile(super().predict(X).mean(axis=0), (len(X), 1))


def test_few_rows_do_no_harm():
    """Eight rows a class of inverted digits."""
    rows = np.concatenate([SOURCE[y[SOURCE] == k][:8] for k in range(10)])
    flow = OTDDFlowTransformer(Reference(X[TARGET], y[TARGET]), random_state=0).fit(1 - X[rows], y[rows])
    moved = MODEL.score(flow.transform(1 - X[UNSEEN]), y[UNSEEN])
    retrained = LogisticRegression(max_iter=999).fit(1 - X[rows], y[rows]).score(1 - X[UNSEEN], y[UNSEEN])
    assert moved > max(MODEL.score(1 - X[UNSEEN], y[UNSEEN]), retrained) - 0.02


@pytest.mark.parametrize("mode", ["labels", "divergence"])
def test_modes(mode):
    rows = X[SOURCE] + 0.5
    flow = OTDDFlowTransformer(Reference(X[TARGET], y[TARGET]), safeguard=mode, random_state=0).fit(rows, y[SOURCE])
    assert flow.decision_.judged_by == mode
    assert MODEL.score(flow.transform(X[UNSEEN] + 0.5), y[UNSEEN]) > 0.95


def test_parameter():
    with pytest.raises(ValueError, match="(?s)safeguard.*'divergance'.*Did you mean 'divergence'"):
        OTDDFlowTransformer((X[TARGET], y[TARGET]), safeguard="divergance").fit(X[SOURCE], y[SOURCE])
