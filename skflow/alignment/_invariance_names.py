"""Classes of maps by name, and which of them are tried."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from .._sklearn import InvalidParameterError
from ._base import Invariance
from ._invariances import (
    Affine,
    Diagonal,
    Gaussian,
    Identity,
    Orthogonal,
    Similarity,
    Translation,
)
from ._monomial import Monomial
from ._permutation import Permutation

MAX_PERMUTED = 2048
"""Columns beyond which their order is not looked for unless asked."""
Classes = str | Invariance | Sequence[str | Invariance]

INVARIANCES: dict[str, type[Invariance]] = {
    "identity": Identity,
    "translation": Translation,
    "diagonal": Diagonal,
    "permutation": Permutation,
    "monomial": Monomial,
    "orthogonal": Orthogonal,
    "similarity": Similarity,
    "gaussian": Gaussian,
    "affine": Affine,
}
"""Classes of maps by name, from the simplest to the one with the most freedom."""


def read_invariance(invariance: Classes, d: int, k: int) -> dict[str, Invariance]:
    """The classes of maps to be tried between `d` and `k` columns, by name."""
    if isinstance(invariance, str) and invariance == "auto":
        classes: dict[str, Invariance] = {name: kind() for name, kind in INVARIANCES.items()}
        if max(d, k) > MAX_PERMUTED:
            del classes["permutation"], classes["monomial"]
        if d < k:  # an isometry leaves the columns that the source lacks to chance; the affine map fills them in
            return {name: classes[name] for name in ("permutation", "monomial", "affine") if name in classes}
        return {name: c for name, c in classes.items() if d == k or not c.same_columns}
    asked = [invariance] if isinstance(invariance, str | Invariance) else list(invariance)
    classes = dict(named_invariance(item) for item in asked)
    if not classes:
        raise InvalidParameterError("invariance must name at least one class of maps; got an empty sequence.")
    for name, c in classes.items():
        c.validate()
        if c.same_columns and d != k:
            raise InvalidParameterError(
                f"invariance={name!r} needs the same columns on both sides; X has {d} and X_target has {k}."
            )
    return classes


def named_invariance(item: str | Invariance, parameter: str = "invariance") -> tuple[str, Invariance]:
    """Name and object of a class of maps.

    Raises
    ------
    InvalidParameterError
        For what is none, by the name of the `parameter` that it was passed as.
    """
    if isinstance(item, Invariance):
        names = [name for name, kind in INVARIANCES.items() if type(item) is kind]
        return (names[0] if names else type(item).__name__), item
    if isinstance(item, str) and item in INVARIANCES:
        return item, INVARIANCES[item]()
    near = difflib.get_close_matches(str(item), INVARIANCES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InvalidParameterError(
        f"{parameter} must be 'auto', an Invariance or one of {list(INVARIANCES)}; got {item!r}.{hint}"
    )
