"""What aligned rows, their names and the class labels of both sides are to estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from ._inputs import FLOATS
from ._sklearn import check_feature_names_in
from ._support import Support
from ._target import Reference
from .alignment import Alignment
from .labelling import split_labels


class AlignedRows:
    """An alignment, or a fitted aligner, as a map of rows, in their own dtype; it pickles."""

    def __init__(self, alignment: Any, support: Support | None = None) -> None:
        self.alignment, self.support = alignment, support

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows, aligned, and in the target's support where that is given."""
        rows = np.asarray(self.alignment.transform(X)).astype(X.dtype, copy=False)
        return rows if self.support is None else self.support.project(rows)


def inverse_rows(X: ArrayLike, alignment: Alignment) -> np.ndarray:
    """Rows in the target's columns as rows of the source, in the dtype of `X`."""
    rows = check_array(X, dtype=FLOATS, input_name="X")
    if rows.shape[1] != len(alignment.map.image):
        raise ValueError(f"X has {rows.shape[1]} features, but the target has {len(alignment.map.image)}.")
    return alignment.inverse_transform(rows).astype(rows.dtype, copy=False)


class ReturnsTargetColumns(TransformerMixin):
    """What transformers share whose rows come out in the columns of `target_`."""

    target_: Reference
    n_features_in_: int

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that `transform` returns: the target's.

        Parameters
        ----------
        input_features : array-like of shape (n_features,) or None, default=None
            Names of the source's columns, which are kept where the target has as many columns and no names.

        Returns
        -------
        ndarray of shape (n_columns,)
        """
        check_is_fitted(self)
        if self.target_.feature_names is not None:
            return np.asarray(self.target_.feature_names, dtype=object)
        if self._n_features_out == self.n_features_in_:
            return check_feature_names_in(self, input_features)
        return np.array([f"x{k}" for k in range(self._n_features_out)], dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.target_.X.shape[1]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def is_narrow(aligner: Any) -> bool:
    """Whether a fitted aligner loses some of what rows hold: between many columns it runs in fewer principal axes."""
    alignment = getattr(aligner, "alignment_", None)
    if alignment is None:
        return False
    width = min(len(alignment.map.center), len(alignment.map.image))
    return any(min(factor.shape) < width for factor in alignment.map.factors if factor.ndim == 2)


def is_doubtful(aligner: Any) -> bool:
    """Whether an alignment in all columns is not to be believed without a label: its verdict is "not found".

    Between many columns it runs in a few principal axes; what it leaves is for the flow, and is judged with it.
    """
    alignment = getattr(aligner, "alignment_", None)
    return alignment is not None and alignment.verdict == "not found" and not is_narrow(aligner)


def class_codes(
    y: ArrayLike | None,
    y_target: np.ndarray | None,
    unlabelled: Any = None,
    names: Mapping[Any, Any] | None = None,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Class labels of both sides in one coding, -1 where a row has none; None where they say nothing.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        Labels of the source.
    y_target : ndarray of shape (m_samples,) or None
        Labels of the target.
    unlabelled : object
        Marker in `y`.
    names : mapping or None
        Target label of each source label, where they are not the same.

    Returns
    -------
    codes, codes_target : ndarray of int or None
    """
    if y_target is None or not is_class_label(y_target):
        return None, None
    classes, codes_target = np.unique(y_target, return_inverse=True)
    if y is None or not is_class_label(np.asarray(y)):
        return None, codes_target
    labels, known = split_labels(y, unlabelled, target_classes=classes)
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    for label in np.unique(labels).tolist():
        code_of.setdefault(label, len(code_of))
    codes = np.full(len(known), -1)
    codes[known] = [code_of[label if names is None else names.get(label, label)] for label in labels.tolist()]
    return codes, codes_target


def is_class_label(y: np.ndarray) -> bool:
    """Whether labels are classes, and no continuous values."""
    if y.dtype.kind != "f":
        return True
    present = y[~np.isnan(y)]
    return len(present) == 0 or not type_of_target(present).startswith("continuous")
