"""Results that are kept: the same as computed anew, and of no one's else."""

import threading

import numpy as np
import pytest

from skflow import DomainAligner, Reference
from skflow._aligner import ALIGN
from skflow._remembered import Remembered
from skflow.alignment import Orthogonal, align

RNG = np.random.default_rng(0)
X_TARGET = RNG.normal(size=(60, 4)) * [1.0, 2.0, 3.0, 4.0]
X = X_TARGET[::-1] + np.arange(1.0, 5.0)


class Counted:
    """Twice the array, and how often that was asked for."""

    def __init__(self):
        self.n_calls = 0

    def __call__(self, values, factor=2.0):
        self.n_calls += 1
        return factor * values


def test_an_answer_is_kept_and_is_the_callers_own():
    counted = Counted()
    twice = Remembered(counted, max_bytes=10_000)
    first = twice(np.ones(3))
    first[:] = np.nan
    second = twice(np.ones(3))
    np.testing.assert_array_equal(second, 2.0)
    second[:] = np.nan
    np.testing.assert_array_equal(twice(np.ones(3)), 2.0)
    assert counted.n_calls == 1
    # Another value, type, shape or parameter is another question.
    for values in (np.zeros(3), np.ones(3, dtype=np.float32), np.ones((3, 1))):
        twice(values)
    twice(np.ones(3), factor=3.0)
    assert counted.n_calls == 5


def test_the_oldest_is_forgotten():
    counted = Counted()
    twice = Remembered(counted, max_bytes=3000)  # three of them
    for value in (0, 1, 2, 0, 3, 0):
        twice(np.full(100, float(value)))
    assert counted.n_calls == 4
    twice(np.full(100, 1.0))
    assert counted.n_calls == 5
    assert sum(map(len, twice._kept.values())) <= 3000
    twice(np.ones(1000))
    assert not twice._kept


def test_a_failure_is_not_kept():
    def fails(x):
        raise KeyboardInterrupt

    kept = Remembered(fails, max_bytes=1000)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            kept(1)


def test_what_does_not_pickle_is_answered_and_not_kept():
    counted = Counted()
    same = Remembered(lambda x: (counted(1.0), x)[1], max_bytes=1000)
    for value in (lambda: 0, threading.Lock(), [lambda: 0]):
        assert same(value) is value
    made = Remembered(lambda x: (counted(1.0), lambda: x)[1], max_bytes=1000)
    assert made(3)() == made(3)() == 3
    assert counted.n_calls == 5


def test_threads_share_it():
    counted = Counted()
    twice, answers = Remembered(counted, max_bytes=10_000), []
    threads = [threading.Thread(target=lambda: answers.append(twice(np.ones(3)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(answers, np.full((8, 3), 2.0))


def test_alignments_are_kept_but_where_somebody_watches_them(monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs.get("monitor"))
        return align(*args, **kwargs)

    monkeypatch.setattr(ALIGN, "function", counted)
    monkeypatch.setattr("skflow._aligner.align", counted)
    ALIGN._kept.clear()
    target = Reference(X_TARGET, None)
    first, again = (DomainAligner(target, random_state=0).fit(X).alignment_ for _ in range(2))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert first.matrix is not again.matrix
    assert calls == [None]
    ALIGN._kept.clear()
    anew = DomainAligner(target, random_state=0).fit(X).alignment_
    np.testing.assert_array_equal(first.matrix, anew.matrix)
    calls.pop()
    DomainAligner(target, random_state=1).fit(X)
    DomainAligner(target, invariance=Orthogonal(), random_state=0).fit(X)
    DomainAligner(target, random_state=0).fit(X, sample_weight=np.arange(60) + 1.0)
    assert len(calls) == 4
    seen = Watching()
    DomainAligner(target, random_state=0).set_callbacks(seen).fit(X)
    assert len(calls) == 5
    assert calls[-1] is not None
    assert seen.n_steps > 0

    class Own(Orthogonal):
        """A user's, of which nobody knows whether it is pure."""

    for _ in range(2):
        DomainAligner(target, invariance=Own(), random_state=0).fit(X)
    assert len(calls) == 7


class Watching:
    """A callback that counts the steps of an alignment."""

    def __init__(self):
        self.n_steps = 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.n_steps += context.task_name == "alignment step"

    def teardown(self, estimator, context):
        pass
