"""Grids on several workers, and `transform` of what is larger than memory.

1. A grid of 8 candidates on scikit-learn's digits, in a row and on 2 workers of joblib's backends. In a row each fit
   has all threads, or a single one; the gain is against the faster of the two. The runs take turns, and the gain is the
   median of the ratios within a turn; a busy machine shows in their range.
2. Peak memory and speed of `transform` on a memory map of 2,000,000 × 64 in float32, with the built-in push-forward,
   each in a process of its own. "Anonymous" is memory that is not the pages of a file: neither of the map, which the
   system drops as it likes, nor of the temporary file for the result. "Resident" has the pages of both files in it.

    python benchmarks/parallel.py [--quick] [--only grid|memory]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import torch
from joblib.externals.loky import get_reusable_executor
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.utils import gen_even_slices

from _memory import Watch
from _protocol import digit_shifts
from _tables import markdown
from skflow import OTDDFlowTransformer, Reference

N_WORKERS = 2
GRID = {"flow__reg": [0.01, 0.02, 0.05, 0.1], "flow__label_weight": [0.5, 1.0]}
THREADS = torch.get_num_threads()
BACKENDS = {  # name: joblib's backend, threads of this process, whether workers are started within the time
    "in a row, all threads": ("sequential", THREADS, False),
    "in a row, one thread": ("sequential", 1, False),
    "loky, workers started": ("loky", THREADS, True),
    "loky, workers there": ("loky", THREADS, False),
    "threading": ("threading", THREADS, False),
}
IN_A_ROW = [name for name, (backend, *_) in BACKENDS.items() if backend == "sequential"]


def grid(repeat, quick):
    _, X, y, *_, X_target, y_target = next(digit_shifts(0))
    if quick:
        X, y = X[:100], y[:100]
    flow = OTDDFlowTransformer(Reference(X_target, y_target), random_state=0)
    pipe = Pipeline([("flow", flow), ("clf", FrozenEstimator(SVC(C=5).fit(X_target, y_target)))])
    candidates = GRID if not quick else {"flow__reg": [0.01, 0.05]}
    seconds, scores = {name: [] for name in BACKENDS}, {}
    load = os.getloadavg()[0]
    for _ in range(repeat):
        for name, (backend, n_threads, start_anew) in BACKENDS.items():
            torch.set_num_threads(n_threads)
            if start_anew:
                get_reusable_executor().shutdown(wait=True)
            search = GridSearchCV(pipe, candidates, cv=2, refit=False, error_score="raise")
            start = time.perf_counter()
            with joblib.parallel_config(backend, n_jobs=1 if backend == "sequential" else N_WORKERS):
                search.fit(X, y)
            seconds[name].append(time.perf_counter() - start)
            scores[name] = search.cv_results_["mean_test_score"]
    rows = []
    best = np.min([seconds[name] for name in IN_A_ROW], axis=0)
    for name, times in seconds.items():
        gains = best / times
        spread = f"{min(gains):.2f}-{max(gains):.2f}"
        apart = np.abs(scores[name] - scores[IN_A_ROW[1]]).max()
        rows.append(
            [name, f"{statistics.median(times):.1f}", f"{statistics.median(gains):.2f}", spread, f"{100 * apart:.1f}"]
        )
    n_fits = 2 * len(scores[IN_A_ROW[0]])
    print(f"\n### Grid search on digits, {n_fits} fits, {N_WORKERS} workers, {repeat} turns\n")
    print(f"{THREADS} threads; load before and after: {load:.1f}, {os.getloadavg()[0]:.1f}\n")
    print(markdown(["", "seconds", "gain", "range", "scores apart, points"], rows))


def memory(n_rows, n_features=64):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        X = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=(n_rows, n_features))
        rng = np.random.default_rng(0)
        for block in np.array_split(X, 100):
            block[:] = rng.normal(size=block.shape)
        X.flush()
        size = X.nbytes / 2**20
        del X
        for kind in TRANSFORMS:
            done = subprocess.run(
                [sys.executable, __file__, "--child", kind, path], capture_output=True, text=True, check=True
            )
            anonymous, resident, elapsed = map(float, done.stdout.split()[-3:])
            rows.append(
                [kind, f"{anonymous:.0f}", f"{resident:.0f}", f"{resident - size:.0f}", f"{n_rows / elapsed:,.0f}"]
            )
    print(f"\n### Transform of {n_rows:,} × {n_features} float32, {size:.0f} MiB: peak above what was there, MiB\n")
    print(markdown(["from a memory map", "anonymous", "resident", "resident - map", "rows a second"], rows))


def by_iterator(flow, X):
    return sum(float(block.sum()) for block in flow.transform(iter(np.array_split(X, 100))))


def by_dask(flow, X):
    import dask.array as da
    from dask import delayed

    def chunk(rows):  # dask.array.from_array would copy the whole map
        lazy = delayed(X.__getitem__)(rows)
        return da.from_delayed(lazy, (rows.stop - rows.start, X.shape[1]), meta=np.empty((0, 0), X.dtype))

    rows = da.concatenate([chunk(rows) for rows in gen_even_slices(len(X), 100)])
    return flow.transform(rows).sum().compute(num_workers=N_WORKERS)


TRANSFORMS = {
    "memory map to memory map": lambda flow, X: flow.transform(X),
    "iterator of 100 blocks, summed": by_iterator,
    "dask array of 100 chunks, summed": by_dask,
    "array in memory": lambda flow, X: flow.transform(np.asarray(X)),
}


def memory_child(kind, path):
    """Print the MiB by which the process grows at most, anonymous and in all, and the seconds that it takes."""
    X = np.load(path, mmap_mode="r")
    rng = np.random.default_rng(1)
    source, labels = rng.normal(size=(500, X.shape[1])).astype("float32"), np.arange(500) % 5
    flow = OTDDFlowTransformer((source + 1, labels), random_state=0).fit(source, labels)
    TRANSFORMS[kind](flow, source)  # libraries are loaded, threads are started
    start = time.perf_counter()
    with Watch("RssAnon", "VmRSS") as memory:
        TRANSFORMS[kind](flow, X)
    print(*memory.peak, time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two candidates, one turn, few rows: to see that it runs")
    parser.add_argument("--only", choices=["grid", "memory"], help="one of the two tables")
    parser.add_argument("--repeat", type=int, default=3, help="turns of the grids")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)  # `make bench` passes it to every script; this one needs none
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.child:
        return memory_child(*args.child)
    if args.only != "memory":
        grid(1 if args.quick else args.repeat, args.quick)
    if args.only != "grid" and sys.platform == "linux":
        memory(100_000 if args.quick else 2_000_000)


if __name__ == "__main__":
    main()
