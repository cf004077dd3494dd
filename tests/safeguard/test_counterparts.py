"""Rows and classes without a counterpart: found where they are, and nowhere else."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

from skflow import DomainAligner, OTDDFlowTransformer, PseudoLabelFlow, Reference
from skflow._matching import LocalMass, match_sides
from skflow.safeguard import find_counterparts, lie_amid, rows_apart

X, Y = load_digits(return_X_y=True)
ORDER = np.random.RandomState(5).permutation(len(X))
T, S = ORDER[:800], ORDER[800:1300]
LETTERS = np.array(list("abcdefghij"))
QUICK = {"max_iter": 5, "tol": 0.0, "alignment": "identity", "random_state": 0}


def without(rows, label):
    return rows[Y[rows] != label]


def with_noise(rows, n=30):
    """The rows, and as many whose pixels are shuffled, last."""
    rng = np.random.default_rng(0)
    noise = rng.permuted(X[rows[:n]], axis=1)
    return np.concatenate([X[rows], noise]), np.arange(len(rows) + n) >= len(rows)


def counterparts(source, target, labels=None, names=None, **options):
    return find_counterparts(X[source], labels, X[target], Y[target], names or {}, **options)


@pytest.mark.parametrize("labels", [None, Y[S], LETTERS[Y[S]]], ids=["none", "same", "other"])
def test_nothing_is_missing(labels):
    names = dict(zip(range(10), range(10))) if labels is not None and labels.dtype.kind == "i" else {}
    found = counterparts(S, T, labels, names)
    assert found.unmatched == {"source": [], "target": []}
    assert (found.row_mass == 1).all()


def test_proportions_are_those_of_the_labels():
    source = S[(Y[S] < 5) | (np.arange(len(S)) % 4 == 0)]
    truth = np.bincount(Y[source]) / len(source)
    for labels, names in ((None, {}), (Y[source], {k: k for k in range(10)}), (LETTERS[Y[source]], {})):
        found = np.array([share.source for share in counterparts(source, T, labels, names).proportions])
        assert np.abs(found - truth).sum() / 2 < (0.05 if labels is None else 1e-12)


def test_standard_errors_are_those_of_other_draws():
    draws = [ORDER[800:1797][np.random.RandomState(k).permutation(997)[:300]] for k in range(12)]
    found = [counterparts(rows, T).proportions for rows in draws]
    spread = np.std([[share.source for share in table] for table in found], axis=0).mean()
    told = np.mean([[share.standard_error for share in table] for table in found])
    # Draws of 300 of 997 rows vary by a factor of sqrt(0.7) less than draws of a population.
    assert 0.7 < spread / (told * np.sqrt(0.7)) < 1.4


@pytest.mark.parametrize("label", [0, 4, 9])
def test_a_class_that_the_source_lacks(label):
    source = without(S, label)
    for labels, names in ((None, {}), (Y[source], {k: k for k in range(10)}), (LETTERS[Y[source]], {})):
        found = counterparts(source, T, labels, names)
        assert found.unmatched == {"source": [], "target": [label]}
        assert (found.row_mass == 1).all()


@pytest.mark.parametrize("label", [0, 4, 9])
def test_a_class_that_the_target_lacks(label):
    target, strange = without(T, label), Y[S] == label
    unlabelled = counterparts(S, target)
    assert (unlabelled.row_mass[strange] == 0).mean() > 0.7
    assert (unlabelled.row_mass[~strange] == 0).mean() < 0.02
    for labels, names in ((Y[S], {k: k for k in range(10) if k != label}), (LETTERS[Y[S]], {})):
        found = counterparts(S, target, labels, names)
        assert found.unmatched == {"source": [labels[strange][0]], "target": []}
        assert (found.row_mass[strange] == 0).all()
        assert [share.target for share in found.proportions if share.label == labels[strange][0]] == [0.0]


def test_rows_of_no_class_and_the_mass_that_is_asked_for():
    rows, noise = with_noise(S)
    found = find_counterparts(rows, None, X[T], Y[T], {})
    assert (found.row_mass[noise] == 0).mean() > 0.8
    assert (found.row_mass[~noise] == 0).mean() < 0.02
    asked = find_counterparts(rows, None, X[T], Y[T], {}, mass=0.9)
    assert (asked.row_mass == 0).sum() == round(0.1 * len(rows))
    assert (asked.row_mass[noise] == 0).mean() > 0.9
    assert (find_counterparts(rows, None, X[T], Y[T], {}, mass=1.0).row_mass == 1).all()
    # Most rows are not foreign at all. Which of them are left does not depend on the order in which they came.
    few = find_counterparts(rows, None, X[T], Y[T], {}, mass=0.2).row_mass
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(find_counterparts(rows[order], None, X[T], Y[T], {}, mass=0.2).row_mass, few[order])


def test_a_class_of_the_same_name_that_lies_elsewhere_is_not_foreign():
    rows, strange = X[S].copy(), Y[S] == 1
    rows[strange] = 16 - rows[strange]
    alone = find_counterparts(rows, None, X[T], Y[T], {})
    assert (alone.row_mass[strange] == 0).mean() > 0.9
    named = find_counterparts(rows, Y[S], X[T], Y[T], {k: k for k in range(10)})
    assert named.unmatched == {"source": [], "target": []}
    assert (named.row_mass[strange] == 1).all()
    # Single rows of it may be.
    one = X[S].copy()
    one[np.flatnonzero(strange)[:15]] = 16 - one[np.flatnonzero(strange)[:15]]
    named = find_counterparts(one, Y[S], X[T], Y[T], {k: k for k in range(10)})
    assert (named.row_mass[np.flatnonzero(strange)] == 0).sum() == 15


def test_sides_that_lie_in_no_common_space_say_nothing():
    found = counterparts(S, without(T, 3), LETTERS[Y[S]], comparable=False)
    assert found.unmatched == {"source": [], "target": []}
    assert (found.row_mass == 1).all()


def test_a_flow_leaves_them_alone():
    rows, noise = with_noise(S)
    labels = np.where(noise, 0, np.concatenate([Y[S], Y[S][:30]]))
    with pytest.warns(UserWarning, match="belong to nothing in the target"):
        flow = OTDDFlowTransformer(Reference(X[T], Y[T]), **QUICK, safeguard=False).fit(rows, labels)
    alone = flow.unmatched_rows_
    assert alone[noise].mean() > 0.8
    assert not np.isin(np.flatnonzero(alone), flow.particle_indices_).any()
    np.testing.assert_allclose(flow.transform(rows[alone]), flow.aligner_.transform(rows[alone]), atol=1e-3)
    flow.set_params(mass=1.0).fit(rows, labels)
    assert not flow.unmatched_rows_.any()
    assert len(flow.particles_) == len(rows)


def test_estimated_class_weights_reach_the_objective():
    source = S[(Y[S] < 5) | (np.arange(len(S)) % 4 == 0)]
    flow = OTDDFlowTransformer(
        Reference(X[T], Y[T]), class_weight="estimated", correspondence="coupling", **QUICK, safeguard=False
    ).fit(X[source], Y[source])
    shares = [share.source for share in flow.class_proportions_]
    np.testing.assert_allclose(flow.coupling_.sum(axis=1), shares, atol=1e-4)
    np.testing.assert_allclose(flow.coupling_.sum(axis=0), shares, atol=1e-2)


def test_pseudo_labels_do_not_hide_a_class_that_the_source_lacks():
    source = without(S, 4)
    flow = PseudoLabelFlow(Reference(X[T], Y[T]), flow=OTDDFlowTransformer(**QUICK), random_state=0).fit(X[source])
    assert flow.unmatched_classes_ == {"source": [], "target": [4]}
    truth = np.bincount(Y[source], minlength=10) / len(source)
    assert np.abs([share.source - of for share, of in zip(flow.class_proportions_, truth)]).sum() / 2 < 0.05


def test_rows_without_weight_tell_nothing():
    """As if they were not there, wherever they lie."""
    source, noise = with_noise(S)
    more = np.concatenate([source, source[:200] + 99])
    aligner = SimpleNamespace(alignment_=SimpleNamespace(verdict="aligned"))
    plain, found = (
        match_sides(rows, rows, None, Reference(X[T], Y[T]), aligner, "auto", "auto", weight)
        for rows, weight in ((source, None), (more, np.r_[np.ones(len(source)), np.zeros(200)]))
    )
    np.testing.assert_array_equal(found.row_mass, np.r_[plain.row_mass, np.zeros(200)])
    assert plain.row_mass[noise].sum() < noise.sum()
    assert (found.unmatched, found.proportions) == (plain.unmatched, plain.proportions)


def test_a_row_that_is_there_twice_is_one_neighbour():
    rng = np.random.default_rng(0)
    rows, mass, unseen = rng.standard_normal((20, 3)), rng.integers(0, 2, 20), rng.standard_normal((50, 3))
    twice = LocalMass(np.concatenate([rows, rows[:8]]), np.concatenate([mass, mass[:8]]))
    np.testing.assert_array_equal(twice(unseen), LocalMass(rows, mass)(unseen))


@pytest.mark.parametrize("names", [{}, {"a": 0}], ids=["other names", "a name of one"])
def test_rows_that_are_there_twice_tell_no_more_of_their_class(names):
    rng = np.random.default_rng(1)
    for _ in range(40):
        centres, classes = 2 * rng.normal(size=(2, 2)), np.repeat([0, 1], 6)
        source, target = (centres[classes] + rng.normal(size=(12, 2)) for _ in range(2))
        labels = np.array(["a", "b"])[classes]
        source[:6] += rng.uniform(0, 4)  # one class is off, more or less
        twice = np.r_[np.arange(12), rng.choice(12, 6, replace=False)]
        once, found = (
            find_counterparts(source[rows], labels[rows], target, classes, names) for rows in (np.arange(12), twice)
        )
        assert found.unmatched == once.unmatched
        np.testing.assert_array_equal(found.row_mass, once.row_mass[twice])


def test_a_few_rows_of_a_small_table_that_belong_nowhere():
    """They are not heeded by the alignment, which would stretch to reach them, and are found after it."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(3, 8))
    codes = np.arange(160) % 3
    rows = centres[codes] + rng.normal(size=(160, 8))
    strange = np.concatenate([rows[80:], 12 * rng.uniform(-1, 1, (4, 8))])
    assert np.flatnonzero(rows_apart(strange, rows[:80])).tolist() == [80, 81, 82, 83]
    assert not rows_apart(rows[80:], rows[:80]).any()
    aligner = DomainAligner(Reference(rows[:80], codes[:80]), random_state=0).fit(strange)
    assert aligner.alignment_.verdict == "identity"
    found = find_counterparts(strange, None, rows[:80], codes[:80], {})
    assert np.flatnonzero(found.row_mass == 0).tolist() == [80, 81, 82, 83]


WINE, KINDS = load_wine(return_X_y=True)
WINE = StandardScaler().fit_transform(WINE)
HOME = np.random.RandomState(0).permutation(len(WINE))[:100]
AWAY = np.setdiff1d(np.arange(len(WINE)), HOME)


@pytest.mark.parametrize("gone", range(3))
def test_a_class_of_a_small_table_is_judged_by_its_median_row(gone):
    target = HOME[KINDS[HOME] != gone]
    for labels, names in (
        (KINDS[AWAY], {k: k for k in range(3) if k != gone}),
        (np.array(list("abc"))[KINDS[AWAY]], {}),
    ):
        found = find_counterparts(WINE[AWAY], labels, WINE[target], KINDS[target], names)
        strange = KINDS[AWAY] == gone
        assert found.unmatched == {"source": [labels[strange][0]], "target": []}
        assert (found.row_mass[strange] == 0).all()
        assert (found.row_mass[~strange] == 0).sum() <= 1
    whole = find_counterparts(WINE[AWAY], KINDS[AWAY], WINE[HOME], KINDS[HOME], {0: 0, 1: 1})
    assert whole.unmatched == {"source": [], "target": []}


@pytest.mark.parametrize("verdict", ["aligned", "not found"])
def test_sides_are_compared_where_rows_came_if_they_lie_amid_the_target(verdict):
    """A class that is missing has misled the alignment."""
    source, target = AWAY[KINDS[AWAY] != 1], Reference(WINE[HOME], KINDS[HOME])
    aligner = SimpleNamespace(alignment_=SimpleNamespace(verdict=verdict))
    found = match_sides(WINE[source], 9 - WINE[source], None, target, aligner, "auto", "auto", None)
    assert found.unmatched == {"source": [], "target": [1]}
    assert lie_amid(WINE[source], WINE[HOME])
    assert not lie_amid(1.5 * WINE[source] + 1, WINE[HOME])
    assert not lie_amid(np.flip(WINE[source], axis=1), WINE[HOME])
