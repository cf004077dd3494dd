"""A frozen model of a table with categories: rows carried freely beside rows carried into the target's support.

The UCI heart disease data: a model of one hospital, the rows of another, whose blood pressure, cholesterol and other
numbers are in other units (gains and offsets), with all labels. Categories are one-hot columns. Printed: the share of
values in indicator columns that are exactly 0 or 1, and the accuracy of a frozen model on unseen rows.

    python benchmarks/mixed_tables.py [--data DIR] [--quick] [--seeds 5]
"""

import argparse

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from _protocol import add_data_argument, hospitals
from _scores import Scores, percent
from skflow import OTDDFlowTransformer, Reference

CATEGORIES = [1, 2, 5, 6, 8, 10, 12]
"""Sex, kind of pain, fasting sugar, resting ECG, angina by exercise, slope, thallium test."""
NUMBERS = [0, 3, 4, 7, 9]
"""Age, blood pressure, cholesterol, heart rate, ST depression."""


def prepared(X):
    """A transformer fitted on the model's own hospital, and the number of its numeric columns."""
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES)).fit(X), len(NUMBERS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="one seed and one pair of hospitals, to see that it runs")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    X, y, domain, names = hospitals(args.data)
    scores = Scores()
    for seed in range(1 if args.quick else args.seeds):
        rng = np.random.default_rng(seed)
        for home, away in [(0, 1), (1, 0), (0, 3), (3, 1)][: 1 if args.quick else None]:
            prepare, n_numbers = prepared(X[domain == home])
            Z = prepare.transform(X)
            Z[:, :n_numbers] = np.where(
                (domain == home)[:, None],
                Z[:, :n_numbers],
                Z[:, :n_numbers] * rng.uniform(0.5, 2, n_numbers) + rng.normal(size=n_numbers),
            )
            X_ref, y_ref = Z[domain == home], y[domain == home]
            split = train_test_split(
                Z[domain == away], y[domain == away], stratify=y[domain == away], random_state=seed
            )
            X_src, X_new, y_src, y_new = split
            models = {
                "boosting": HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(X_ref, y_ref),
                "forest": RandomForestClassifier(200, random_state=0).fit(X_ref, y_ref),
                "logistic": LogisticRegression(max_iter=1000).fit(X_ref, y_ref),
                "SVC": SVC().fit(X_ref, y_ref),
            }
            column = f"{names[home]}: {names[away]}"
            flow = OTDDFlowTransformer(Reference(X_ref, y_ref), random_state=seed).fit(X_src, y_src)
            rows = {"as they are": X_new, "**carried**": flow.transform(X_new)}
            # What transform ends with where the reference of the flow has this support.
            support = Reference(X_ref, y_ref, support="auto").find_support()
            rows["**carried, into the support**"] = support.project(rows["**carried**"])
            for name, values in rows.items():
                held = np.isin(values[:, n_numbers:], [0.0, 1.0]).mean()
                scores.add(f"{name}: indicators that are 0 or 1", column, held)
                for kind, model in models.items():
                    scores.add(f"{name}: {kind}", column, model.score(values, y_new))
            print(f"{column}, seed {seed}", flush=True)
    print(f"\n### Heart disease, categories and rescaled numbers; seeds: {1 if args.quick else args.seeds}\n")
    print(scores.table(percent), flush=True)


if __name__ == "__main__":
    main()
