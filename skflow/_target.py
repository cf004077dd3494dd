"""The reference dataset of a frozen model, and the one place where a target is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils import check_array, check_X_y

from ._inputs import FLOATS, as_labels, as_numbers, check_same_columns, holds_numbers
from ._sklearn import feature_names
from ._support import Columns, Support, check_support, find_support

TARGET_TYPES = ("classes", "continuous")
"""What labels may be."""
MOST_REPEATS = 100
"""Weights that are larger than this on the average are no counts of rows."""


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
        Features: an array, a DataFrame, or what NumPy makes a table of.
    y : array-like of shape (n_samples,), (n_samples, n_labels) or None
        Labels; None where only a :class:`DomainAligner` is to use them.
    columns : sequence of str or None, default=None
        Names of the columns; None is those that `X` has, if any.
    target_type : {"classes", "continuous"} or None, default=None
        What the labels are: names of classes, or numbers that a regressor predicts. None asks
        :func:`sklearn.utils.multiclass.type_of_target`, which takes whole numbers for classes.
    support : "auto", mapping or None, default=None
        Values that columns may take; `transform` ends with the nearest of them. "auto": columns of two values are
        indicators, and neighbouring ones of which exactly one is on in each row are the categories of one column. A
        mapping of columns, by name or number, says "indicator", "levels" (no values but those in `X`), "counts" (whole
        numbers) or a pair of bounds, of which either may be None. None: any value.

    Attributes
    ----------
    X, y : array-like
        As passed.
    feature_names : sequence of str or None
        Names of the columns.
    target_type : {"classes", "continuous"} or None
    support : "auto", mapping or None
        As passed.

    Raises
    ------
    ValueError
        If `X` is no dense table, `y` is no column of labels, or several of numbers, or they differ in length.

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

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        columns: Sequence[str] | None = None,
        target_type: str | None = None,
        support: str | Columns | None = None,
    ) -> None:
        if target_type not in (None, *TARGET_TYPES):
            raise ValueError(f"target_type of a Reference must be one of {TARGET_TYPES} or None; got {target_type!r}.")
        check_support(support)
        self.target_type, self.support = target_type, support
        if sparse.issparse(X):
            raise ValueError(f"X of a Reference must be dense, got a sparse {type(X).__name__}; use X.toarray().")
        self.X: Any = X if hasattr(X, "shape") else np.asarray(X)
        self.y: Any = y if hasattr(y, "shape") or y is None else np.asarray(y)
        self.feature_names: Any = feature_names(X) if columns is None else columns
        if len(self.X.shape) != 2:
            raise ValueError(f"X of a Reference must be a table (n_samples, n_features), got the shape {self.X.shape}.")
        if self.y is None:
            return
        if len(self.y.shape) != 1 and (len(self.y.shape) != 2 or self.target_type == "classes"):
            raise ValueError(
                f"y of a Reference must have the shape (n_samples,), or of numbers (n_samples, n_labels); got "
                f"{self.y.shape}."
            )
        if self.X.shape[0] != self.y.shape[0]:
            raise ValueError(f"X and y of a Reference differ in length: {self.X.shape[0]} and {self.y.shape[0]}.")

    def __iter__(self) -> Iterator[Any]:
        yield self.X
        yield self.y

    def __len__(self) -> int:
        return 2

    def __sklearn_clone__(self) -> Reference:
        return self

    def __repr__(self) -> str:
        shape = f"n_samples={self.X.shape[0]}, n_features={self.X.shape[1]}"
        if self.y is not None and self.is_continuous:
            return f"Reference({shape}, n_labels={np.asarray(self.y).reshape(self.X.shape[0], -1).shape[1]})"
        n_classes = 0 if self.y is None else len(set(map(repr, np.asarray(self.y).tolist())))
        return f"Reference({shape}, n_classes={n_classes})"

    def find_support(self) -> Support:
        """What `support` stands for, by the rows.

        Raises
        ------
        ValueError
            For columns that there are not.
        """
        return find_support(np.asarray(self.X), self.support, self.feature_names)

    @property
    def is_continuous(self) -> bool:
        """Whether the labels are numbers that a regressor predicts."""
        if self.target_type is not None:
            return self.target_type == "continuous"
        return self.y is not None and holds_numbers(self.y)


Target = tuple[ArrayLike, ArrayLike] | Reference | Callable[..., tuple[ArrayLike, ArrayLike]]
"""What users may pass as a target."""


def read_target(
    target: Target | None,
    X: np.ndarray,
    y: np.ndarray | None,
    X_target: ArrayLike | None = None,
    y_target: ArrayLike | None = None,
    *,
    names: np.ndarray | None = None,
    same_columns: bool = True,
    classes: bool = True,
    sample_weight: np.ndarray | None = None,
) -> Reference | None:
    """The reference dataset, from the parameter `target` or from what `fit` was given, checked against the source.

    Where the source's labels `y` are in columns, they are continuous, and so must be the target's.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None
        The estimator's parameter. A callable is given copies of `X` and `y`, as often as whole `sample_weight` say.
    X, y : ndarray of shape (n_samples, n_features), (n_samples,) or (n_samples, n_labels)
        The source, validated. `y` may be None.
    X_target, y_target : array-like or None
        What `fit` was given.
    names : array-like of shape (n_features,) or None
        Names of the source's columns.
    same_columns : bool
        Whether the target must have the source's columns. Else it must not have them in another order.
    classes : bool
        Whether its labels must be classes; else they may be continuous, or None.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the source's rows.

    Returns
    -------
    Reference or None
        Its features in float64 or float32, its labels by :func:`~skflow._inputs.as_labels`; None where there is no
        target.

    Raises
    ------
    ValueError
        For a target that was given twice or by half, that is no pair, has other columns than the source, or labels
        that are not classes.
    """
    if (X_target is None) != (y_target is None) and (classes or X_target is None):
        missing, given = ("X_target", "y_target") if X_target is None else ("y_target", "X_target")
        raise ValueError(f"fit was given {given} but {missing}=None.")
    if X_target is not None and target is not None:
        raise ValueError(f"A target was given twice: as target={target!r} and to fit as X_target, y_target.")
    if X_target is None:
        if target is None:
            return None
        rows = repeats(sample_weight) if callable(target) and sample_weight is not None else slice(None)
        X_target, y_target = pair_of(target, X[rows], None if y is None else as_given(y)[rows])
    own = target.feature_names if isinstance(target, Reference) else feature_names(X_target)
    shuffled = own is not None and names is not None and sorted(own) == sorted(names)
    if same_columns or shuffled:
        check_same_columns(X_target, names, X.shape[1], "target", own_names=own)
    declared, support = (target.target_type, target.support) if isinstance(target, Reference) else (None, None)
    try:
        if y_target is None and not classes:
            return Reference(check_array(X_target, dtype=FLOATS, order="C"), None, own, None, support)
        numeric = y_target is not None and (declared == "continuous" or holds_numbers(y_target))
        if (y is not None and y.ndim == 2) or (numeric and not classes):
            checked = check_array(X_target, dtype=FLOATS, order="C")
            numbers = as_numbers(np.asarray(y_target), len(checked))
            if y is not None and y.ndim == 2 and numbers.shape[1] != y.shape[1]:
                raise ValueError(f"y has {numbers.shape[1]} labels a row, but the source's has {y.shape[1]}.")
            return Reference(checked, as_given(numbers), own, "continuous", support)
        if numeric:
            raise ValueError("y: Unknown label type: continuous; labels of classes are needed.")
        labels = y_target if y_target is None else as_labels(y_target, "target: y")
        checked, labels = check_X_y(X_target, labels, dtype=FLOATS, order="C")
    except ValueError as error:
        raise ValueError(f"target: {error}".replace("target: target: ", "target: ")) from error
    return Reference(checked, labels, own, declared, support)


def is_continuous(target: Target | None, y: ArrayLike | None, y_target: ArrayLike | None = None) -> bool:
    """Whether the labels of a flow are numbers.

    A :class:`Reference` may say so. Else those of the target are asked, if they are known already, and those of the
    source, which must at least be floats.

    Parameters
    ----------
    target : tuple (X, y), Reference, callable or None
        The estimator's parameter.
    y, y_target : array-like or None
        What `fit` was given.
    """
    if isinstance(target, Reference) and target.target_type is not None:
        return target.is_continuous
    if y_target is None and isinstance(target, tuple | Reference) and len(target) == 2:
        y_target = tuple(target)[1]
    known = y if y_target is None else y_target
    if known is None or not holds_numbers(known):
        return False
    return y is None or np.asarray(y).dtype.kind in "fO"


def as_given(y: np.ndarray) -> np.ndarray:
    """A single column of continuous labels as a vector, as users have it; others as they are."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def pair_of(target: Target, X: np.ndarray | None = None, y: np.ndarray | None = None) -> tuple[Any, Any]:
    """The pair ``(X, y)`` that a target stands for, as the user passed it.

    Raises
    ------
    ValueError
        Where it is no pair.
    """
    if callable(target):
        target = target(None if X is None else X.copy(), None if y is None else y.copy())
    try:
        X_target, y_target = target
    except (TypeError, ValueError):
        raise ValueError(f"target={target!r} is not a pair (X, y).") from None
    return X_target, y_target


def repeats(sample_weight: np.ndarray) -> np.ndarray:
    """Rows as often as their weights say, where these are whole numbers; else those with any weight."""
    whole = (sample_weight == np.round(sample_weight)).all() and sample_weight.mean() <= MOST_REPEATS
    return np.repeat(np.arange(len(sample_weight)), sample_weight.astype(int) if whole else sample_weight > 0)
