"""Columns that are indicators, categories, counts or bounded stay so when rows are carried."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skflow import DomainAligner, OTDDFlowTransformer, Reference


def table(n, seed):
    """Two numbers, a colour of three, a flag, a count; and classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    frame = pd.DataFrame(
        {
            "height": rng.normal(y, 1.0),
            "weight": rng.normal(2.0 * y, 2.0),
            "colour": rng.choice(["blue", "green", "red"], n),
            "flag": rng.integers(0, 2, n),
            "visits": rng.poisson(3.0, n),
        }
    )
    return frame, y


ENCODER = make_column_transformer(
    (StandardScaler(), ["height", "weight"]),
    (OneHotEncoder(sparse_output=False), ["colour"]),
    ("passthrough", ["flag", "visits"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
FRAME, Y = table(150, 0)
X = ENCODER.fit_transform(FRAME)
SOURCE, LABELS = table(100, 1)
SOURCE = ENCODER.transform(SOURCE)
MOVED = SOURCE + np.array([0.5, -0.3, 0.1, 0.2, -0.1, 0.3, 1.4])
COLOURS = ["colour_blue", "colour_green", "colour_red"]


@pytest.fixture(
    params=[
        lambda target: DomainAligner(target, invariance="translation"),
        lambda target: OTDDFlowTransformer(target, alignment="translation", max_iter=20, random_state=0),
        lambda target: OTDDFlowTransformer(target, alignment=None, safeguard=False, max_iter=20, random_state=0),
    ],
    ids=["aligner", "flow", "plain"],
)
def carried(request):
    def carry(support):
        estimator = request.param(Reference(X, Y, support=support)).set_output(transform="pandas")
        return estimator.fit(MOVED, LABELS).transform(MOVED)

    return carry


def on_levels(values):
    return np.isin(values, [0.0, 1.0]).mean()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_indicators_and_categories_stay_so(carried):
    free, held = carried(None), carried("auto")
    assert on_levels(free[[*COLOURS, "flag"]]) < 0.5
    assert on_levels(held[[*COLOURS, "flag"]]) == 1
    assert (held[COLOURS].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(held[["height", "weight", "visits"]], free[["height", "weight", "visits"]])
    assert list(held.columns) == list(X.columns)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_mapping_says_what_columns_hold(carried):
    rows = carried({"visits": "counts", "height": (-1, None), 5: "indicator", "weight": (None, 0.5)})
    assert (rows["visits"] == rows["visits"].round()).all()
    assert rows["visits"].min() >= 0
    assert rows["height"].min() == -1
    assert rows["weight"].max() == 0.5
    assert on_levels(rows["flag"]) == 1
    assert on_levels(rows[COLOURS]) < 0.5


def test_levels_are_those_of_the_target():
    sizes = np.array([1.0, 2.5, 10.0])[np.arange(60) % 3]
    target = np.c_[sizes, np.linspace(0, 1, 60)]
    aligner = DomainAligner(Reference(target, None, support={0: "levels"}), invariance="translation", random_state=0)
    moved = target + np.array([0.4, 0.0])
    rows = aligner.fit(moved).transform(moved)
    np.testing.assert_array_equal(rows[:, 0], sizes)


def test_what_is_in_the_support_stays_as_it_is():
    support = Reference(X, Y, support="auto").find_support()
    np.testing.assert_array_equal(support.project(np.asarray(SOURCE, dtype=np.float64)), SOURCE)
    assert [group.tolist() for group in support.groups] == [[2, 3, 4]]
    assert support.project(np.asarray(SOURCE, dtype=np.float32)).dtype == np.float32


def test_scaled_indicators_are_found_too():
    scaled = StandardScaler().fit_transform(X)
    support = Reference(scaled, Y, support="auto").find_support()
    assert sorted(support.levels) == [2, 3, 4, 5]
    np.testing.assert_array_equal(support.project(scaled + 0.01)[:, 2:6], scaled[:, 2:6])


@pytest.mark.parametrize(
    ("support", "message"),
    [
        ("all", "must be 'auto', None or a mapping"),
        ({"flag": "binary"}, r"support\['flag'\] must be one of"),
        ({"flag": (0, 1, 2)}, "a pair of bounds"),
    ],
)
def test_nonsense_is_refused(support, message):
    with pytest.raises(ValueError, match=message):
        Reference(X, Y, support=support)


@pytest.mark.parametrize("column", ["sex", 7, -1])
def test_unknown_columns_are_named(column):
    aligner = DomainAligner(Reference(X, Y, support={column: "counts"}), invariance="translation")
    with pytest.raises(ValueError, match=f"support names the column {column!r}"):
        aligner.fit(SOURCE).transform(SOURCE)


@pytest.mark.parametrize("model", [LogisticRegression(), HistGradientBoostingClassifier(max_iter=20)])
def test_missing_values_are_filled_in_ahead_of_the_flow(model):
    """A table with gaps and categories, end to end: imputers and encoders in the pipeline, a frozen model."""
    rng = np.random.default_rng(0)

    def gaps(n, seed, offset):
        frame, y = table(n, seed)
        frame["weight"] += 4.0 * y + offset
        for column, share in (("height", 0.2), ("colour", 0.1), ("weight", 0.05)):
            frame[column] = frame[column].astype(object).where(rng.random(n) > share, None)
        return frame, y

    def columns():
        number = make_pipeline(FunctionTransformer(lambda Z: Z.astype(float)), SimpleImputer())
        category = make_pipeline(
            SimpleImputer(strategy="most_frequent", missing_values=None),
            OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
        )
        return make_column_transformer(
            (number, ["height", "weight"]), (category, ["colour"]), ("passthrough", ["flag", "visits"])
        )

    home, y_home = gaps(150, 0, 0.0)
    away, y_away = gaps(150, 1, 9.0)
    new, y_new = gaps(100, 2, 9.0)
    X_home = columns().fit_transform(home)
    model.fit(X_home, y_home)
    flow = OTDDFlowTransformer(Reference(X_home, y_home, support="auto"), alignment="translation", max_iter=10, tol=0)
    pipe = make_pipeline(columns(), flow, FrozenEstimator(model)).fit(away, y_away)
    assert pipe.score(new, y_new) > 0.85 > 0.6 > model.score(pipe[0].transform(new), y_new)
    assert on_levels(pipe[:-1].transform(new)[:, 2:6]) == 1
