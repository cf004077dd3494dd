"""A reference dataset is passed on, not copied, and stands for the tuple (X, y)."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from skflow import OTDDFlowTransformer, Reference
from tests._data import PLAIN

X, y = np.arange(12.0).reshape(6, 2), np.array(["a", "b"] * 3)


def test_clones_share_it_and_its_arrays():
    reference = Reference(X, y)
    copied = clone(clone(OTDDFlowTransformer(target=reference))).target
    assert copied is reference
    assert copied.X is X
    assert copied.y is y


def test_clones_copy_a_tuple():
    """Which is what a reference is there to avoid."""
    assert clone(OTDDFlowTransformer(target=(X, y))).target[0] is not X


def test_candidates_of_a_grid_search_share_it():
    reference = Reference(X, y)
    search = clone(GridSearchCV(OTDDFlowTransformer(target=reference), {"reg": [0.1, 0.2]}))
    assert search.estimator.set_params(reg=0.3).target is reference


def test_unpacks_like_a_tuple():
    features, labels = Reference(X, y)
    assert features is X
    assert labels is y


@pytest.mark.parametrize(
    ("features", "labels"), [(X, y), (X.tolist(), y.tolist()), (pd.DataFrame(X), pd.Series(y))], ids=str
)
def test_says_what_it_holds(features, labels):
    assert repr(Reference(features, labels)) == "Reference(n_samples=6, n_features=2, n_classes=2)"


def test_survives_pickling():
    again = pickle.loads(pickle.dumps(Reference(X, y)))
    np.testing.assert_array_equal(again.X, X)
    np.testing.assert_array_equal(again.y, y)


def test_flows_as_the_tuple_does():
    source, labels = np.random.default_rng(0).normal(size=(20, 2)), np.array(["a", "b"] * 10)
    ends = [
        OTDDFlowTransformer(target=target, pushforward=LinearRegression(), max_iter=30, random_state=0, **PLAIN)
        .fit(source, labels)
        .particles_
        for target in ((X, y), Reference(X, y))
    ]
    np.testing.assert_array_equal(*ends)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="X and y of a Reference differ in length: 6 and 5"):
        Reference(X, y[:-1])
