"""Results that are kept, since searches and cross-validation ask for the same ones many times."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import joblib

NO_PICKLE = (pickle.PicklingError, TypeError, AttributeError)
"""What pickle raises for an object that it cannot take."""


class Remembered:
    """A function that keeps its last results, by the content of its arguments.

    It must be pure. What does not pickle, such as a lambda in a user's own object, is answered and not kept. Each
    answer is a copy of its own. joblib's `Memory` keeps files, which somebody would have to clear;
    `functools.lru_cache` takes no arrays.

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
        try:
            key = joblib.hash((args, kwargs))
        except NO_PICKLE:
            return self.function(*args, **kwargs)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return pickle.loads(self._kept[key])
        result = self.function(*args, **kwargs)
        try:
            pickled = pickle.dumps(result)
        except NO_PICKLE:
            return result
        with self._lock:
            self._kept[key] = pickled
            while sum(map(len, self._kept.values())) > self.max_bytes:
                self._kept.popitem(last=False)
        return result
