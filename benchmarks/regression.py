"""Frozen regressors on another domain, with few labels or none: R² on unseen rows, skflow and its peers.

- meats: near infrared spectra; the calibration (PLS) of one instrument, the other simulated by six changes;
- diabetes: scikit-learn's table, with columns gained and offset, or rotated; ridge, forest and boosting.

No setting was chosen on what is printed: those of :class:`skflow.alignment.Spectral` on protein, other seeds and other
sizes of the changes.

    python benchmarks/regression.py [--data DIR] [--quick] [--only meats|diabetes] [--response fat] [--seeds 5]
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from _protocol import add_data_argument
from _scores import Scores
from skflow import DomainAligner, Reference, RepurposedRegressor
from skflow.alignment import Spectral

N_REFERENCE, N_SOURCE, N_KNOWN = 100, 60, 10


def two_digits(value):
    return f"{value:.3f}"


def warped(X, channels):
    at = np.arange(X.shape[1])
    return CubicSpline(at, X, axis=1)(at + channels)


def instruments(n_channels):
    """Six changes of an instrument; a channel is 2 nm wide."""
    slope = np.linspace(-1, 1, n_channels)
    return {
        "+1.2 nm": lambda X: warped(X, 0.6),
        "-2.4 nm": lambda X: warped(X, -1.2),
        "resolution": lambda X: gaussian_filter1d(X, 1.2, axis=1, mode="nearest"),
        "slope": lambda X: X + 0.08 + 0.06 * slope,
        "gain": lambda X: 1.06 * X - 0.1,
        "all of these": lambda X: 0.96 * gaussian_filter1d(warped(X, 0.5), 1.0, axis=1) + 0.05 - 0.04 * slope,
        "none": lambda X: X,
    }


def snv(X):
    """Standard normal variate: each spectrum about its own mean, in units of its own spread."""
    return (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)


def calibrated(X, y, most=18):
    """PLS with as many components as cross-validation says."""
    most = min(most, len(X) // 2)
    grid = {"n_components": list(range(1 if most < 4 else 3, most + 1))}
    return GridSearchCV(PLSRegression(scale=False), grid, cv=5).fit(X, y).best_estimator_


def direct_standardisation(X, X_target, n_components=8):
    """Wang, Veltkamp, Kowalski (1991): the regression of one instrument's spectra on the other's, from pairs."""
    n = min(n_components, len(X) - 2)
    return PLSRegression(n, scale=False).fit(X, X_target).predict


def meats(data, response, seeds, changes):
    path = Path(data) / "meats.npz"
    if not path.exists():
        raise SystemExit(f"No file {path.name} in {path.parent.resolve()}. Name the folder that holds it with --data.")
    with np.load(path, allow_pickle=False) as z:
        X = z["X"].astype(np.float64)
        y = z["y"][:, list(z["y_names"].astype(str)).index(response)]
    scores = Scores()
    for seed in range(seeds):
        home, source, unseen = np.split(
            np.random.default_rng(seed).permutation(len(X)), [N_REFERENCE, N_REFERENCE + N_SOURCE]
        )
        known = source[:N_KNOWN]
        model, of_snv = calibrated(X[home], y[home]), calibrated(snv(X[home]), y[home])
        aligner = DomainAligner(Reference(X[home], y[home]), invariance=Spectral(), random_state=seed)
        for name, change in list(instruments(X.shape[1]).items())[:changes]:
            there = change(X)

            def add(method, answers, column=name, truth=y[unseen]):
                scores.add(method, column, r2_score(truth, np.ravel(answers)))

            add("on its own instrument", model.predict(X[unseen]))
            add("frozen", model.predict(there[unseen]))
            add("mean centring, no labels", model.predict(there[unseen] - there[source].mean(0) + X[home].mean(0)))
            add("SNV on both sides, no labels", of_snv.predict(snv(there[unseen])))
            ours = RepurposedRegressor(model, aligner)
            add("**skflow, no labels**", ours.fit(there[source]).predict(there[unseen]))
            few = np.where(np.isin(source, known), y[source], np.nan)
            add(f"**skflow, {N_KNOWN} labels**", ours.fit(there[source], few).predict(there[unseen]))
            slope, offset = np.polyfit(np.ravel(model.predict(there[known])), y[known], 1)
            add(f"slope and bias, {N_KNOWN} labels", slope * np.ravel(model.predict(there[unseen])) + offset)
            add(f"retrained on {N_KNOWN} labels", calibrated(there[known], y[known]).predict(there[unseen]))
            pairs = direct_standardisation(there[known], X[known])
            add(f"direct standardisation, {N_KNOWN} pairs", model.predict(pairs(there[unseen])))
        print(f"meats, {response}, seed {seed}", flush=True)
    print(f"\n### Meats, {response}: R² on {len(unseen)} unseen rows; frozen PLS; seeds: {seeds}\n")
    print(scores.table(two_digits), flush=True)


def diabetes(seeds, kinds):
    X, y = load_diabetes(return_X_y=True)
    X = X / X.std(axis=0)
    scores = Scores()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        home, source, unseen = np.split(rng.permutation(len(X)), [180, 310])
        gains, offsets = rng.uniform(0.5, 2, X.shape[1]), rng.normal(size=X.shape[1])
        rotation = np.linalg.qr(rng.normal(size=(X.shape[1],) * 2))[0]
        shifts = {"gained, offset": X * gains + offsets, "rotated, offset": X @ rotation + offsets}
        shifts["gained, offset, rotated"] = (X * gains + offsets) @ rotation
        models = {
            "ridge": RidgeCV(alphas=np.geomspace(1e-2, 1e3, 12)),
            "forest": RandomForestRegressor(200, min_samples_leaf=5, random_state=seed),
            "boosting": HistGradientBoostingRegressor(max_iter=60, learning_rate=0.05, random_state=seed),
        }
        for model in models.values():
            model.fit(X[home], y[home])
        target = Reference(X[home], y[home], target_type="continuous")
        for shift, there in itertools.islice(shifts.items(), kinds):
            carried = DomainAligner(target, random_state=seed).fit(there[source]).transform(there[unseen])
            for name, model in models.items():
                scores.add(f"{name}, on its own data", shift, model.score(X[unseen], y[unseen]))
                scores.add(f"{name}, frozen", shift, model.score(there[unseen], y[unseen]))
                scores.add(f"**{name}, skflow, no labels**", shift, model.score(carried, y[unseen]))
        print(f"diabetes, seed {seed}", flush=True)
    print(f"\n### Diabetes: R² on {len(unseen)} unseen rows, no labels; seeds: {seeds}\n")
    print(scores.table(two_digits), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="one seed and few shifts, to see that it runs")
    parser.add_argument("--only", choices=["meats", "diabetes"])
    parser.add_argument("--response", choices=["water", "fat", "protein"], default="fat")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    seeds = 1 if args.quick else args.seeds
    if args.only in (None, "meats"):
        meats(args.data, args.response, seeds, 2 if args.quick else None)
    if args.only in (None, "diabetes"):
        diabetes(seeds, 1 if args.quick else None)


if __name__ == "__main__":
    main()
