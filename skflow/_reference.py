"""The reference dataset of a frozen model, shared by all who flow towards it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Reference:
    """A labelled reference dataset that is shared, not copied, by clones.

    :func:`sklearn.base.clone` deep-copies arrays, once for every candidate and fold of a grid search. A reference is
    passed on as it is. It unpacks like the tuple ``(X, y)`` that it stands for.

    Under joblib's threads all candidates have the same arrays, under its processes (`loky`) they have arrays from one
    megabyte up as maps of one file. A dask cluster is sent the reference with every fit: if it is large, give the flow
    a callable that loads it there.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Labels.

    Raises
    ------
    ValueError
        If `X` and `y` differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import clone
    >>> from skflow import OTDDFlowTransformer, Reference
    >>> reference = Reference(np.zeros((4, 2)), ["a", "a", "b", "b"])
    >>> reference
    Reference(n_samples=4, n_features=2, n_classes=2)
    >>> clone(OTDDFlowTransformer(target=reference)).target is reference
    True
    """

    def __init__(self, X: ArrayLike, y: ArrayLike) -> None:
        self.X = X if hasattr(X, "shape") else np.asarray(X)
        self.y = y if hasattr(y, "shape") else np.asarray(y)
        if len(self.X) != len(self.y):
            raise ValueError(f"X and y of a Reference differ in length: {len(self.X)} and {len(self.y)}.")

    def __iter__(self) -> Iterator[Any]:
        yield self.X
        yield self.y

    def __sklearn_clone__(self) -> Reference:
        return self

    def __repr__(self) -> str:
        n_classes = len(np.unique(np.asarray(self.y)))
        return f"Reference(n_samples={self.X.shape[0]}, n_features={self.X.shape[1]}, n_classes={n_classes})"
