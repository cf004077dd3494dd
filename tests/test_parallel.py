"""Grids under joblib's backends: the same results, no more threads than cores, one target for all, no hang."""

import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info, threadpool_limits

from skflow import (
    MultiDomainFlow,
    OTDDFlowTransformer,
    PseudoLabelFlow,
    Reference,
    RepurposedClassifier,
    _threads,
)
from skflow.flow import Euler
from skflow.pushforward import ImagePushForward, TabularPushForward

X, y = make_blobs(120, n_features=16, centers=3, random_state=0)
TARGET = Reference(2 * X + 1, y)
FEW_STEPS = {
    "alignment": None,
    "safeguard": False,
    "tol": 0.2,
    "optimizer": Euler(n_iter_no_change=1),
    "random_state": 0,
}


@contextmanager
def backend(name):
    """Two workers, of the kind that `name` says."""
    if not name.startswith("dask"):
        with joblib.parallel_config(name, n_jobs=1 if name == "sequential" else 2):
            yield
        return
    distributed = pytest.importorskip("distributed")
    cluster = {
        "dask, processes": {"n_workers": 2, "threads_per_worker": 1},
        "dask, threads": {"n_workers": 1, "threads_per_worker": 2, "processes": False},
    }[name]
    with (
        distributed.LocalCluster(**cluster, dashboard_address=None) as local,
        distributed.Client(local),
        joblib.parallel_config("dask"),
    ):
        yield


WORKERS = [
    "loky",
    "threading",
    pytest.param("dask, processes", marks=pytest.mark.slow),
    pytest.param("dask, threads", marks=pytest.mark.slow),
]
"""The slow ones start a cluster each."""


@pytest.fixture
def two_threads():
    """However few the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def search(flow, scoring, name, grid=None, refit=True):
    grid = grid or {"reg": [0.01, 0.1, 1.0]}
    with backend(name):
        return GridSearchCV(flow, grid, cv=2, scoring=scoring, refit=refit, error_score="raise").fit(X, y)


def minus_error(flow, X, y):
    """How near to where they belong: it tells every bit of the push-forward."""
    return -np.square(flow.transform(X) - (2 * X + 1)).mean()


class CountThreads(TabularPushForward):
    """Notes how many threads PyTorch computes with."""

    def fit(self, X, y, labels=None):
        n_threads = torch.get_num_threads()
        super().fit(X, y, labels)
        self.n_threads_ = {"fit": n_threads}
        return self

    def predict(self, X):
        self.n_threads_ = {**getattr(self, "n_threads_", {}), "predict": torch.get_num_threads()}
        return super().predict(X)


def errors_and_threads(flow, X, y):
    error = minus_error(flow, X, y)
    return {"error": error} | {name: float(n) for name, n in flow.pushforward_.n_threads_.items()}


def search_threads(name, regs=(0.01, 1.0)):
    flow = OTDDFlowTransformer(TARGET, pushforward=CountThreads(random_state=0), **FEW_STEPS)
    grid = {"reg": list(regs), "pushforward__rank": [1, 2][: len(regs)]}
    return search(flow, errors_and_threads, name, grid, refit=False).cv_results_


def told(results, *names):
    return np.array([results[f"split{i}_test_{name}"] for i in range(2) for name in names])


@pytest.fixture(scope="module")
def alone():
    """The results without workers, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    results = search_threads("sequential")
    torch.set_num_threads(before)
    return told(results, "error")


@pytest.mark.parametrize("name", WORKERS)
def test_same_results_on_one_thread_in_each_worker(name, alone, two_threads):
    results = search_threads(name)
    assert len(np.unique(alone)) == 8
    assert_allclose(told(results, "error"), alone, rtol=1e-6)
    assert_array_equal(told(results, "fit", "predict"), 1)


@pytest.mark.usefixtures("two_threads")
def test_all_threads_where_nothing_runs_beside(monkeypatch):
    assert_array_equal(told(search_threads("sequential", [1.0]), "fit"), 1)  # little work
    monkeypatch.setattr(_threads, "LITTLE_WORK", 0)
    assert_array_equal(told(search_threads("sequential", [1.0]), "fit", "predict"), 2)
    with ThreadPoolExecutor(1) as pool:  # whoever starts threads without joblib may have one fit in them
        assert_array_equal(told(pool.submit(search_threads, "sequential", [1.0]).result(), "fit", "predict"), 2)


SEEN = []
"""Numbers of threads that PyTorch, or scikit-learn, might compute with when they were looked at."""


def look():
    SEEN.append(max(library["num_threads"] for library in threadpool_info()))


class Clusterer(KMeans):
    def fit_predict(self, X, y=None, sample_weight=None):
        look()
        return super().fit_predict(X, y, sample_weight)


class Model(LogisticRegression):
    def predict_proba(self, X):
        look()
        return super().predict_proba(X)


@pytest.mark.usefixtures("two_threads")
def test_few_rows_are_worked_on_with_one_thread():
    """With more, they wait for one another for longer than they compute."""
    blind = PseudoLabelFlow(TARGET, Clusterer(3, n_init=1), flow=OTDDFlowTransformer(**FEW_STEPS))
    for estimator in (blind, MultiDomainFlow(blind), RepurposedClassifier(Model().fit(*TARGET), blind)):
        SEEN.clear()
        with threadpool_limits(2):
            estimator.fit(X)
            look()
        assert_array_equal(SEEN[:-1], 1)
        assert len(SEEN) > 1
        assert SEEN[-1] == 2


@pytest.mark.usefixtures("two_threads")
def test_limits_are_lifted():
    search_threads("threading", [1.0])
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


@pytest.mark.parametrize("pushforward", [TabularPushForward(), ImagePushForward((4, 4), max_epochs=3)])
@pytest.mark.usefixtures("one_thread")
def test_pushforwards_fitted_in_threads_do_not_share_random_numbers(pushforward):
    def fit(seed):
        return clone(pushforward).set_params(random_state=seed).fit(X, 2 * X, y).predict(X)

    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(fit, range(8)))
    assert torch.equal(torch.get_rng_state(), state)
    for seed in range(8):
        assert_allclose(beside[seed], fit(seed), rtol=1e-6)


BIG = Reference(*make_blobs(10_000, n_features=16, centers=3, random_state=0))


def which_target(flow, X, y):
    """A number that tells the array, in this process or, where it is mapped, the file."""
    reference = flow.target.X
    if isinstance(reference, np.memmap):
        return {"mapped": 1.0, "array": float(zlib.crc32(reference.filename.encode()))}
    return {"mapped": 0.0, "array": float(id(reference))}


@pytest.mark.parametrize(("name", "mapped"), [("sequential", 0), ("threading", 0), ("loky", 1)])
def test_all_candidates_have_one_target(name, mapped):
    flow = OTDDFlowTransformer(BIG, pushforward=LinearRegression(), **FEW_STEPS)
    results = search(flow, which_target, name, refit=False).cv_results_
    assert_array_equal([results[f"split{i}_test_mapped"] for i in range(2)], mapped)
    arrays = {*results["split0_test_array"], *results["split1_test_array"]}
    assert len(arrays) == 1
    assert mapped or arrays == {id(BIG.X)}


FORKED = """
import multiprocessing, sys, joblib, torch
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info, threadpool_limits
from skflow import OTDDFlowTransformer
from skflow.flow import Euler
from skflow.pushforward import TabularPushForward

def score(flow, X, y):
    return -flow.objective_[-1] - abs(flow.transform(X)).sum()

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    torch.set_num_threads(2)
    X, y = make_blobs(100, n_features=16, centers=3, random_state=0)
    net = TabularPushForward(random_state=0)
    options = {"alignment": None, "safeguard": False, "tol": 0.2, "optimizer": Euler(n_iter_no_change=1)}
    flow = OTDDFlowTransformer((2 * X + 1, y), pushforward=net, random_state=0, **options)
    flow.fit(X, y).transform(X)  # in threads: a forked process cannot use them
    (torch.rand(500, 500) @ torch.rand(500, 500)).exp().sum()
    scores = []
    for backend, n_jobs in (("sequential", 1), ("multiprocessing", 2)):
        with joblib.parallel_config(backend, n_jobs=n_jobs):
            search = GridSearchCV(flow, {"reg": [0.1]}, cv=2, scoring=score, refit=False).fit(X, y)
        scores.append(search.cv_results_["mean_test_score"])
    assert abs(scores[0] / scores[1] - 1).max() < 1e-2, scores
    print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="there is no fork, or it is not to be used")
def test_forked_processes_warn_and_do_not_hang(tmp_path):
    script = tmp_path / "forked.py"
    script.write_text(FORKED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.stdout == "done\n", done.stderr
    assert "Use joblib's default backend, 'loky'" in done.stderr


def test_no_warning_where_nothing_was_forked(recwarn):
    search(OTDDFlowTransformer(TARGET, pushforward=LinearRegression(), **FEW_STEPS), minus_error, "threading")
    assert not [warning for warning in recwarn if "fork" in str(warning.message)]


def test_numpys_threads_are_one_as_long_as_any_fit_asks_for_it():
    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    first, second = (_threads._one_blas_thread for _ in range(2))  # of two fits in threads, which overlap
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        first.__enter__()
        second.__enter__()
        first.__exit__()
        assert set(threads()) == {1}
        second.__exit__()
        assert threads() == before
