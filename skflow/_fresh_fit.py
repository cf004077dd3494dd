"""A fit starts from nothing, and is whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator


def fitted_attributes(estimator: BaseEstimator) -> dict[str, Any]:
    """What `fit` has set."""
    return {name: value for name, value in vars(estimator).items() if name.endswith("_") and not name.startswith("__")}


@contextmanager
def fresh_fit(estimator: BaseEstimator) -> Iterator[None]:
    """Let a fit start from nothing; where it fails, the estimator is what it was before."""
    before = fitted_attributes(estimator)
    for name in before:
        delattr(estimator, name)
    try:
        yield
    except BaseException:
        for name in fitted_attributes(estimator):
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
