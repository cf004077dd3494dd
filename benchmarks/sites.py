"""A new hospital for a model that others use already: added to what they have in common, or with a flow of its own.

The UCI heart disease data: a frozen model of one hospital, two more that were fitted with all their labels, and the
fourth, of which half of the rows are there with no label or 5 a class. All twelve pairs of home and new hospital, five
kinds of frozen models, unseen rows. Printed: accuracy, points beside the frozen models alone, and seconds of a fit.

    python benchmarks/sites.py [--data DIR] [--quick] [--seeds 0 1 2 3 4] [--models logistic SVC ...]
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _harm_cases import MODELS, Home
from _protocol import add_data_argument, few_labels, hospitals
from _tables import markdown
from skflow import MultiDomainFlow, OTDDFlowTransformer, PseudoLabelFlow, Reference

SHOTS = (0, 5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="one pair, one model, one seed: to see that it runs")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=list(MODELS))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds, models = (args.seeds[:1], ("logistic",)) if args.quick else (args.seeds, tuple(args.models))
    X, y, domain, names = hospitals(args.data)
    accuracy, seconds = {}, {}
    for at_home in range(1 if args.quick else len(names)):
        inside = domain == at_home
        rows = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(X[inside]).transform(X)
        home = Home(rows[inside], y[inside], models)
        reference = Reference(home.X, home.y)
        for new in [n for n in range(len(names)) if n != at_home][: 1 if args.quick else None]:
            pair, known = f"{names[at_home]}: {names[new]}", ~inside & (domain != new)
            flow = OTDDFlowTransformer(reference, alignment="diagonal" if args.quick else "auto", random_state=0)
            start = time.perf_counter()
            many = MultiDomainFlow(flow, random_state=0).fit(rows[known], y[known], sample_domain=domain[known])
            seconds.setdefault("two hospitals fitted", []).append(time.perf_counter() - start)
            for seed in seeds:
                halves = train_test_split(
                    rows[domain == new], y[domain == new], test_size=0.5, random_state=seed, stratify=y[domain == new]
                )
                X_new, unseen, y_new, y_unseen = halves

                def add(method, moved, pair=pair, home=home, y_unseen=y_unseen):
                    score = np.mean([model.score(moved, y_unseen) for model in home.models.values()])
                    accuracy.setdefault(method, {}).setdefault(pair, []).append(100 * score)

                add("frozen", unseen)
                for k in SHOTS:
                    few = few_labels(y_new, min(k, np.bincount(y_new).min()), seed) if k else None
                    start = time.perf_counter()
                    alone = PseudoLabelFlow(reference, random_state=0).fit(X_new, few)
                    middle = time.perf_counter()
                    many.fit_new_domain(X_new, few, sample_domain=new)
                    seconds.setdefault(f"a flow of its own, {k} labels a class", []).append(middle - start)
                    seconds.setdefault(f"**added, {k} labels a class**", []).append(time.perf_counter() - middle)
                    add(f"a flow of its own, {k} labels a class", alone.transform(unseen))
                    add(f"**added, {k} labels a class**", many.transform(unseen, sample_domain=new))
            print(f"{pair}: done", flush=True)
    print_tables(accuracy, seconds, seeds)


def print_tables(accuracy, seconds, seeds):
    def form(value):
        return f"{value:.1f}"

    print(f"\n### Heart disease, the new hospital's unseen rows; mean over pairs and frozen models (seeds: {seeds})\n")
    frozen = {pair: np.mean(values) for pair, values in accuracy["frozen"].items()}
    rows = []
    for method, by_pair in accuracy.items():
        gains = [np.mean(values) - frozen[pair] for pair, values in by_pair.items()]
        mean = np.mean([np.mean(values) for values in by_pair.values()])
        rows.append([method, form(mean), form(np.mean(gains)), form(min(gains))])
    print(markdown(["", "accuracy", "points", "worst pair"], rows))
    print("\n### By pair, accuracy\n")
    pairs = list(frozen)
    rows = [[method, *(form(np.mean(by_pair[pair])) for pair in pairs)] for method, by_pair in accuracy.items()]
    print(markdown(["", *pairs], rows))
    print("\n### Seconds of a fit\n")
    rows = [[name, f"{np.median(values):.2f}", f"{max(values):.2f}"] for name, values in seconds.items()]
    print(markdown(["", "median", "most"], rows), flush=True)


if __name__ == "__main__":
    main()
