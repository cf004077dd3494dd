"""An alignment that loses what rows hold is dropped, and leaves no trace but a word."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

from skflow import OTDDFlowTransformer, Reference, _lossy_alignment, _unfinished
from skflow.alignment import AffineMap
from skflow.pushforward import ImagePushForward


class OneAxis(TransformerMixin, BaseEstimator):
    """Keeps one direction of the rows, which tells nothing of their classes."""

    def fit(self, X, y=None):
        axis = np.eye(X.shape[1])[:, -1:]
        self.alignment_ = SimpleNamespace(
            map=AffineMap(X.mean(0), X.mean(0), (axis, axis.T)), verdict="aligned", candidates=[], invariance="one axis"
        )
        return self

    def transform(self, X):
        return self.alignment_.map(X)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 6)) + 3 * y[:, None] * (np.arange(6) < 5)
    return X, y, Reference(5 - X + 0.1 * rng.normal(size=X.shape), y)


@pytest.mark.parametrize("n_rows", [12, 40])  # in a trial of few rows before the flow, and beside it after it
@pytest.mark.parametrize("by_model", [False, True])
def test_a_lossy_alignment_is_dropped(data, monkeypatch, n_rows, by_model):
    X, y, target = data
    monkeypatch.setattr(_lossy_alignment, "TRIAL_ROWS", n_rows)
    model = LogisticRegression().fit(target.X, target.y)
    settings = {"random_state": 0, "safeguard": model if by_model else True}
    flow = OTDDFlowTransformer(target, alignment=OneAxis(), **settings).fit(X, y)
    assert flow.aligner_ is None
    assert "The alignment was dropped: without the alignment" in flow.decision_.reason
    assert flow.decision_.reason.endswith("Tried on 12 rows.") == (n_rows == 12)
    plain = OTDDFlowTransformer(target, alignment=None, **settings).fit(X, y)
    assert_array_equal(flow.particles_, plain.particles_)
    assert_array_equal(flow.transform(X), plain.transform(X))


def test_an_alignment_that_loses_nothing_is_not_tried(data, monkeypatch):
    X, y, target = data
    monkeypatch.setattr(_lossy_alignment, "TRIAL_ROWS", 12)
    aligner = OneAxis().fit(X)
    aligner.alignment_.map = AffineMap(X.mean(0), X.mean(0), (np.ones(6),))
    flow = OTDDFlowTransformer(target, alignment=FrozenEstimator(aligner), random_state=0).fit(X, y)
    assert flow.aligner_ is not None
    assert "the alignment" not in flow.decision_.reason


def test_other_writers_are_found_and_keep_what_rows_hold():
    """Their inverted digits stay apart from the target's by more than chance, and by little beside unrelated rows."""
    X, y = load_digits(return_X_y=True)
    target, source, unseen = slice(600), slice(600, 900), slice(900, None)
    flow = OTDDFlowTransformer(Reference(X[target], y[target]), random_state=0).fit(16 - X[source], y[source])
    alignment = flow.aligner_.alignment_
    assert alignment.divergence > alignment.floor + 0.15
    assert alignment.verdict == "aligned"
    assert r2_score(X[unseen], flow.transform(16 - X[unseen]), multioutput="variance_weighted") > 0.6


def test_the_trial_is_of_the_kind_of_map_that_is_asked_for(data, monkeypatch):
    X, y, target = data
    monkeypatch.setattr(_lossy_alignment, "TRIAL_ROWS", 12)
    fitted = []

    class Linear(LinearRegression):
        """A user's map."""

        def fit(self, X, y):
            fitted.append(len(X))
            return super().fit(X, y)

    OTDDFlowTransformer(target, alignment=OneAxis(), pushforward=Linear(), random_state=0).fit(X, y)
    of_trials = [n for n in fitted if n <= 12]
    assert len(of_trials) == 4  # with and without the alignment: the map, and one that is judged on held-out rows


@pytest.fixture
def of_nets(data, monkeypatch):
    """A flow of images whose alignment is in question, its rows, and how many rows each net was trained on."""
    X, y, target = data
    source, reference = (np.tile(rows, 3)[:, :16] for rows in (X, target.X))
    monkeypatch.setattr(_lossy_alignment, "TRIAL_ROWS", 12)
    trained_on, fit = [], ImagePushForward.fit

    def counted(self, X, *args, **kwargs):
        trained_on.append(len(X))
        return fit(self, X, *args, **kwargs)

    monkeypatch.setattr(ImagePushForward, "fit", counted)
    net = ImagePushForward((4, 4), max_epochs=2, random_state=0)
    settings = {"alignment": OneAxis(), "pushforward": net, "fit_inverse_transform": True, "random_state": 0}
    return OTDDFlowTransformer(Reference(reference, y), **settings), source, y, trained_on


def test_nets_are_compared_on_all_rows_and_then_one_is_trained(of_nets):
    flow, X, y, trained_on = of_nets
    reason = flow.fit(X, y).decision_.reason
    assert "The alignment" in reason
    assert "Tried on" not in reason
    assert trained_on == [40, 40, 60, 60]  # two on two thirds of the rows; the map that is used, and the way back
    assert isinstance(flow.pushforward_, ImagePushForward)
    assert isinstance(flow.inverse_pushforward_, ImagePushForward)


def test_an_interrupt_while_the_net_is_trained_leaves_all_else_fitted(of_nets, monkeypatch):
    flow, X, y, _ = of_nets
    expected = clone(flow).fit(X, y)

    def interrupted(flow):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_unfinished, "train_nets", interrupted)
        with pytest.raises(KeyboardInterrupt, match="while its map was trained"):
            flow.fit(X, y)
    assert flow.decision_.reason == expected.decision_.reason
    assert_array_equal(flow.transform(X), expected.transform(X))
    assert_array_equal(pickle.loads(pickle.dumps(flow)).transform(X), expected.transform(X))
