"""Seconds of whole fits, and of the same fit beside one other busy process.

Each fit runs in a process of its own, once with one thread and once with all. "CPU" is
processor time of the process, all threads together: where it is more than the seconds, threads worked; where it is much
more than with one thread, they waited for one another.

- a default flow, USPS to MNIST, 2000 rows of 784 pixels a side, all labels; and the same with `ImagePushForward`;
- `RepurposedClassifier` for 26 letters, 2002 rows, on a logistic regression of ten digits, all labels;
- `RepurposedClassifier` for all 7291 rows of USPS on the same model, with 0, 1 and 5 labels a class;
- a default flow of scikit-learn's digits, 600 rows;
- a search over eight values of its `reg`, two folds, in two worker processes that are started for it.

    python benchmarks/fit_time.py [--data DIR] [--quick] [--only flow|images|letters|usps|digits|grid] [--busy]
"""

import argparse
import os
import subprocess
import sys
import time
import warnings

from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from _protocol import add_data_argument, digit_shifts, few_labels, load, load_usps
from _tables import markdown
from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier
from skflow.pushforward import ImagePushForward

FITS = ("flow", "images", "letters", "usps, k=0", "usps, k=1", "usps, k=5", "digits", "grid")
BUSY = "while True: pass"


def prepared(name, data, quick):
    """An estimator, what it is fitted to, and a function that gives its accuracy on unseen rows."""
    few = slice(200 if quick else None)
    if name in ("digits", "grid"):
        _, X, y, X_test, y_test, *target = next(digit_shifts(0))
        model = LogisticRegression(max_iter=1000).fit(*target)
        flow = OTDDFlowTransformer(Reference(*target), random_state=0)
        if name == "grid":
            pipe = make_pipeline(flow, FrozenEstimator(model))
            regs = {"otddflowtransformer__reg": [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]}
            search = GridSearchCV(pipe, regs, cv=2, n_jobs=2)
            return search, (X[:600][few], y[:600][few]), lambda: search.score(X_test, y_test)
        return flow, (X[:600][few], y[:600][few]), lambda: model.score(flow.transform(X_test), y_test)
    X_ref, y_ref = (part[:2000][few] for part in load("mnist", data)[:2])
    model, target = LogisticRegression().fit(X_ref, y_ref), Reference(X_ref, y_ref)
    if name == "letters":
        X, y, X_test, y_test = load("nist_letters", data)
        X, y = X[:2002][few], y[:2002][few]
        estimator = RepurposedClassifier(model, OTDDFlowTransformer(target, random_state=0))
        return estimator, (X, y), lambda: estimator.score(X_test, y_test)
    X, y, X_test, y_test = load_usps(data, centred=True)
    if name in ("flow", "images"):
        net = ImagePushForward((28, 28), random_state=0) if name == "images" else None
        flow = OTDDFlowTransformer(target, pushforward=net, random_state=0)
        return flow, (X[:2000][few], y[:2000][few]), lambda: model.score(flow.transform(X_test), y_test)
    estimator = RepurposedClassifier(model, PseudoLabelFlow(target, random_state=0))
    known = few_labels(y[few], int(name[-1]), 0)
    return estimator, (X[few], known), lambda: estimator.score(X_test, y_test)


def measure(name, data, quick):
    """Fit, and print the seconds, those of the processors, and the accuracy; for the process that asked."""
    estimator, given, accuracy = prepared(name, data, quick)
    start, used = time.perf_counter(), time.process_time()
    estimator.fit(*given)
    print("fitted", time.perf_counter() - start, time.process_time() - used, accuracy())


def in_process(name, args, threads, busy):
    """Seconds, seconds of the processors, and accuracy of a fit in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, "--data", args.data, *["--quick"] * args.quick]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
    try:
        limit = {"OMP_NUM_THREADS": str(threads)} if threads else {}
        done = subprocess.run(command, env=environment | limit, capture_output=True, text=True)
    finally:
        if other is not None:
            other.kill()
            other.wait()
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    return [float(value) for value in done.stdout.splitlines()[-1].split()[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--quick", action="store_true", help="200 rows: to see that it runs")
    parser.add_argument(
        "--only", choices=["flow", "images", "letters", "usps", "digits", "grid"], help="one of the fits"
    )
    parser.add_argument("--busy", action="store_true", help="each fit also beside a process that is always busy")
    parser.add_argument("--measure", choices=FITS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.measure:
        return measure(args.measure, args.data, args.quick)
    rows = []
    for name in FITS:
        if args.only is not None and not name.startswith(args.only):
            continue
        for threads in (1,) if args.quick else (1, None):
            for busy in (False, True) if args.busy else (False,):
                seconds, used, accuracy = in_process(name, args, threads, busy)
                said = "one" if threads == 1 else "all"
                figures = f"{seconds:.1f}", f"{used:.1f}", f"{100 * accuracy:.1f}"
                rows.append([name, said, "yes" if busy else "no", *figures])
                print(*rows[-1], flush=True)
    print(f"\n### Seconds of whole fits ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end)\n")
    print(markdown(["fit", "threads", "beside a busy process", "seconds", "CPU seconds", "unseen rows, %"], rows))


if __name__ == "__main__":
    main()
