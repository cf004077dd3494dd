"""A fit starts from nothing, and is whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator


def fitted_attributes(estimator: BaseEstimator) -> dict[str, Any]:
    """What `fit` has set."""
    return {name: value for name, value in vars(estimator).items() if name.endswith("_") and not name.startswith("__")}


class FitInterrupted(KeyboardInterrupt):
    """An interrupt after which the estimator is fitted as far as it came."""

    def __init__(self, estimator: BaseEstimator, message: str) -> None:
        super().__init__(message)
        self.estimator = estimator


@contextmanager
def fresh_fit(estimator: BaseEstimator) -> Iterator[None]:
    """Let a fit start from nothing; where it fails, the estimator is what it was before.

    After an interrupt of its own flow it is fitted as far as it came.
    """
    before = fitted_attributes(estimator)
    for name in before:
        delattr(estimator, name)
    try:
        yield
    except BaseException as error:
        if isinstance(error, FitInterrupted) and error.estimator is estimator:
            raise
        for name in fitted_attributes(estimator):
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
