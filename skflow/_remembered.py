"""Results that are kept, since searches and cross-validation ask for the same ones many times."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import joblib


class Remembered:
    """A function that keeps its last results, by the content of its arguments.

    It must be pure, and its arguments and results must pickle. Each answer is a copy of its own. joblib's `Memory`
    keeps files, which somebody would have to clear; `functools.lru_cache` takes no arrays.

    Parameters
    ----------
    function : callable
    max_bytes : int
        Of all results that are kept; the oldest is forgotten first.
    """

    def __init__(self, function: Callable, max_bytes: int) -> None:
        self.function, self.max_bytes = function, max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's answer."""
        key = joblib.hash((args, kwargs))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return pickle.loads(self._kept[key])
        result = self.function(*args, **kwargs)
        with self._lock:
            self._kept[key] = pickle.dumps(result)
            while sum(map(len, self._kept.values())) > self.max_bytes:
                self._kept.popitem(last=False)
        return result
