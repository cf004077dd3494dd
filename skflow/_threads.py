"""Cores shared by fits that run beside one another in threads, and no threads at all after a fork."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits

LITTLE_WORK = 4 * 10**9
"""Rows times target rows times columns up to which a flow computes with one thread, and rows times rows times columns
up to which neighbours and clusters are found with one: a second one gains little there or loses, and beside another
busy process the two wait for one another (``benchmarks/fit_time.py``)."""
_forked = False
_here = threading.local()
"""Of a thread, whether it computes with one thread already: to find and limit all libraries takes milliseconds."""


class _OneBlasThread:
    """The BLAS that NumPy and SciPy call, at one thread for as long as somebody asks for it.

    It keeps one number for the whole process, and its threads spin while they wait for one another. So scikit-learn
    limits it for a while, too; here the first of several fits in threads sets the limit, and the last lifts it.
    """

    def __init__(self) -> None:
        self._lock, self._n_users = threading.Lock(), 0
        self._limits: threadpool_limits | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._n_users == 0:
                self._limits = threadpool_limits(1, user_api="blas")
            self._n_users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0 and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


_one_blas_thread = _OneBlasThread()


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@contextmanager
def shared_cores(work: float = float("inf")) -> Iterator[None]:
    """Compute with one thread where joblib runs estimators in threads, and with PyTorch's own number elsewhere.

    So it does for little `work`, in the units of :data:`LITTLE_WORK`.

    Each of `n_jobs` threads would start as many threads as there are cores. joblib's `loky` and dask's worker
    processes see to that themselves. OpenMP, which PyTorch and its BLAS compute with, keeps a number for each thread
    that calls it, so that a limit is set and lifted with no effect on other threads. NumPy's BLAS is limited for all
    threads of the process meanwhile, as scikit-learn does.
    """
    if _forked:
        _do_without_threads()
    with one_thread() if work <= LITTLE_WORK or _in_joblib_thread() else nullcontext():
        yield


def cores_for(X: np.ndarray, Y: np.ndarray | None = None) -> AbstractContextManager[None]:
    """:func:`shared_cores` for what is done between the rows of `X` and those of `Y`, or among the rows of `X`."""
    return shared_cores(X.size * len(X if Y is None else Y))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: the caller is one of many that keep the cores busy, or its products are small."""
    if getattr(_here, "is_limited", False):
        yield
        return
    torch.get_num_threads()  # a thread's first call to PyTorch sets its number, and would undo the limit
    with _one_blas_thread, threadpool_limits(1, user_api="openmp"):
        _here.is_limited = True
        try:
            yield
        finally:
            _here.is_limited = False


def _in_joblib_thread() -> bool:
    if threading.current_thread() is threading.main_thread():
        return False
    backend, _ = get_active_backend()
    return backend.nesting_level > 0 or "dask" in type(backend).__module__


def _do_without_threads() -> None:
    """Warn, once in a process, and set one thread for good: OpenMP's others have not survived the fork."""
    global _forked
    _forked = False
    warnings.warn(
        "This process was forked after PyTorch had been loaded, as joblib's 'multiprocessing' backend does. OpenMP "
        "would wait forever for threads that stayed behind, so this process computes with a single one; other "
        "libraries may still hang here. Use joblib's default backend, 'loky'.",
        stacklevel=4,
    )
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="openmp")  # scikit-learn has an OpenMP of its own
