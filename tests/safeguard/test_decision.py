"""The choice between leaving rows, aligning them and flowing: simple where that is as good, and never a silent harm."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow._panel import Panel
from skflow.safeguard import decide_by_both, decide_by_divergence, decide_by_labels

X, y = load_digits(return_X_y=True)
X = X / 16
TARGET, SOURCE, UNSEEN = np.split(np.random.default_rng(0).permutation(len(X)), [500, 1000])
MODEL = SVC(C=5).fit(X[TARGET], y[TARGET])


NAMES = [("leave", None), ("align", 0.0), ("flow", 1.0)]


def votes(*shares, n=400):
    """Rows of which the first part is right, by candidate; one judge."""
    return [((np.arange(n) < share * n) * 1.0)[None] for share in shares]


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ((0.90, 0.90, 0.90), "leave"),  # all alike: the simplest
        ((0.89, 0.90, 0.90), "leave"),  # a gain that is not worth moving for
        ((0.50, 0.90, 0.90), "align"),  # moving pays, more of it does not
        ((0.50, 0.60, 0.95), "flow"),
        ((0.90, 0.20, 0.30), "leave"),  # moving harms
    ],
)
def test_the_simplest_of_those_that_are_as_good(shares, chosen):
    decision = decide_by_labels(NAMES, votes(*shares), np.ones(400))
    assert decision.chosen.name == chosen
    assert [choice.score for choice in decision.table] == pytest.approx(shares)
    assert repr(chosen) in decision.reason


def test_standard_errors_are_those_of_the_paired_difference():
    rng = np.random.default_rng(0)
    first, second = rng.random(500), rng.random(500) + 0.5
    decision = decide_by_labels([("a", 0.0), ("b", 1.0)], [first[None], second[None]], np.ones(500))
    expected = (second - first).std() / np.sqrt(500)
    assert decision.table[0].standard_error == pytest.approx(expected)


def test_what_one_judge_loses_counts():
    """Three judges gain five points by the move, and a fourth loses ten: who comes after may be like the fourth."""
    before, gained, lost = (votes(share)[0] for share in (0.8, 0.85, 0.7))
    moved = np.concatenate([gained, gained, gained, lost])
    decision = decide_by_labels(NAMES[:2], [np.repeat(before, 4, axis=0), moved], np.ones(400))
    assert decision.chosen.name == "leave"
    assert decision.table[1].harm == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize(
    ("divergences", "chosen"),
    [
        ((1.1, 0.9, 0.2), "leave"),  # as near as two parts of the target are: nearer is no sign of a better map
        ((9.0, 1.1, 0.2), "align"),
        ((9.0, 5.0, 0.2), "flow"),
        ((9.0, 5.0, 5.0), "align"),  # none comes as near: the simplest that is as near as the nearest
    ],
)
def test_divergences_decide_without_labels(divergences, chosen):
    values = np.array(divergences)[:, None] + np.linspace(-0.05, 0.05, 4)
    decision = decide_by_divergence(NAMES, values, np.ones((3, 4)))
    assert decision.chosen.name == chosen
    assert decision.floor == 1.0
    assert [-choice.score for choice in decision.table] == pytest.approx(divergences)


@pytest.mark.parametrize(("right", "chosen"), [((0.5, 0.5, 1.0), "flow"), ((1.0, 1.0, 1.0), "leave")])
def test_a_few_labels_leave_out_what_is_worse(right, chosen):
    values = np.full((3, 4), 1.0)
    decision = decide_by_both(NAMES, votes(*right, n=20), np.ones(20), values, values)
    assert decision.chosen.name == chosen
    assert decision.judged_by == "labels and divergence"


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
    flow = OTDDFlowTransformer(Reference(X[TARGET], y[TARGET]), alignment="translation", safeguard=mode, random_state=0)
    flow.fit(rows, y[SOURCE])
    assert flow.decision_.judged_by == mode
    assert MODEL.score(flow.transform(X[UNSEEN] + 0.5), y[UNSEEN]) > 0.95


def test_parameter():
    with pytest.raises(ValueError, match="(?s)safeguard.*'divergance'.*Did you mean 'divergence'"):
        OTDDFlowTransformer((X[TARGET], y[TARGET]), safeguard="divergance").fit(X[SOURCE], y[SOURCE])


def test_the_model_itself_may_judge():
    """It knows the digits by another name of their columns: what helps other models is no good to it."""
    mirrored = SVC(C=5).fit(1 - X[TARGET], y[TARGET])
    target = Reference(X[TARGET], y[TARGET])
    flow = OTDDFlowTransformer(target, alignment="diagonal", safeguard=FrozenEstimator(mirrored), random_state=0)
    flow.fit(1 - X[SOURCE][:250], y[SOURCE][:250])
    assert flow.decision_.chosen.name == "leave"
    assert flow.decision_.chosen.score > 0.95


@pytest.mark.parametrize("frequencies", [False, True])
@pytest.mark.parametrize("n_labels", [0, 5])
def test_few_labels_move_nothing_where_nothing_moved(frequencies, n_labels):
    wine, classes = load_wine(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(wine))
    wine, classes = ((wine - wine.mean(0)) / wine.std(0))[order], classes[order]
    source = np.arange(70, 178)
    if frequencies:
        source = source[(classes[source] == 0) | (np.arange(108) % 3 == 0)]
    known = np.full(len(source), -1)
    for k in range(3):
        rows = np.flatnonzero(classes[source] == k)[:n_labels]
        known[rows] = k
    flow = PseudoLabelFlow(Reference(wine[:70], classes[:70]), random_state=0).fit(wine[source], known)
    assert flow.decision_.chosen.name == "leave"


def test_without_labels_an_ambiguous_map_moves_nothing():
    """Four classes on a square, and the square turned by 30°: each of four turns back fits as well."""
    corners = [(3, 3), (3, -3), (-3, -3), (-3, 3)]
    target, classes = make_blobs(200, centers=corners, cluster_std=0.6, random_state=0)
    rows, truth = make_blobs(160, centers=corners, cluster_std=0.6, random_state=1)
    half, root = 0.5, np.sqrt(0.75)
    rows = 2 * rows @ np.array([[root, half], [-half, root]])
    flow = PseudoLabelFlow(Reference(target, classes), random_state=0).fit(rows)
    assert flow.aligner_.alignment_.verdict == "not found"
    assert flow.decision_.chosen.name == "leave"
    assert "not to be believed" in flow.decision_.reason
    np.testing.assert_array_equal(flow.transform(rows), rows)
    told = OTDDFlowTransformer(Reference(target, classes), random_state=0).fit(rows, truth)
    assert told.decision_.chosen.name != "leave"


def test_a_few_values_out_of_range_are_limited_and_nothing_is_moved():
    """A column that hardly varied at home, and does here: no map is needed, and other values stay."""
    rng = np.random.default_rng(0)
    rows, labels = make_blobs(300, n_features=6, centers=2, cluster_std=2.0, random_state=0)
    rows[:, 5] = 0.01 * rng.standard_normal(300)
    away, truth = rows[150:].copy(), labels[150:]
    away[::2, 5] += 20 * np.abs(rows).max()
    target = Reference(rows[:150], labels[:150])
    model = SVC().fit(rows[:150], labels[:150])
    flow = PseudoLabelFlow(target, random_state=0).fit(away)
    moved = flow.transform(away)
    assert flow.decision_.chosen.name == "range"
    assert model.score(moved, truth) > model.score(away, truth) + 0.1
    inside = (away >= flow.decision_.limits.low) & (away <= flow.decision_.limits.high)
    np.testing.assert_array_equal(moved[inside], away[inside])
    assert np.ptp(moved[:, 5]) < 0.1


def test_labels_that_guide_an_alignment_do_not_judge_it():
    """Labels by chance: an alignment that was told of them seems to gain."""
    rng = np.random.default_rng(0)
    target, source = rng.standard_normal((80, 12)), rng.standard_normal((40, 12))
    flow = OTDDFlowTransformer((target, rng.integers(0, 2, 80)), alignment="affine", random_state=0)
    flow.fit(source, rng.integers(0, 2, 40))
    assert flow.decision_.chosen.name == "leave"
    assert max(choice.score for choice in flow.decision_.table) < 0.6  # 0.68 on rows that the alignment was told of
