"""Which classes a source has, and which of the model's classes they are, as far as names tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._warnings import warn
from ..labelling import rows_to_one


def classes_and_targets(
    labels: np.ndarray, full: bool, correspondence: str | Mapping[Any, Any], target_classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """The source's classes (K,), and the code of the target class that each of them is known to be.

    A class without a label does not vanish: where rows are left without one (`full` is False) and all labels are names
    of target classes, or of classes that the correspondence names, all these are the source's classes.

    Parameters
    ----------
    labels : ndarray of shape (n_known,)
        The known labels.
    full : bool
        Whether every row has one.
    correspondence : str or mapping
        The flow's. Names count under "auto" and "same", and those of a mapping ``{source label: target label}``.
    target_classes : ndarray of shape (K',)
        The target's.

    Returns
    -------
    classes : ndarray of shape (K,)
        Sorted.
    goes_to : ndarray of shape (K,) or None
        Codes, -1 for a class whose name says nothing; None where no name does.

    Warns
    -----
    UserWarning
        If some of the classes have no label although others have.
    """
    if len(labels) == 0:
        return target_classes, np.arange(len(target_classes))
    found, codes = np.unique(labels), {name: code for code, name in enumerate(target_classes.tolist())}
    names: dict[Any, Any] = {}
    if isinstance(correspondence, Mapping):
        names = {name: codes[target] for name, target in correspondence.items() if target in codes}
    elif correspondence in ("auto", "same"):
        names = codes
    without = [name for name in names if name not in found.tolist()]
    if not full and without and len(names) - len(without) == len(found):
        warn(
            f"No row is labelled as {without}, {len(without)} of {len(names)} classes. They are kept, and found by the "
            "classifier's predictions alone."
        )
        found = np.unique(np.array(list(names), dtype=target_classes.dtype if names is codes else None))
    goes_to = np.array([names.get(name, -1) for name in found.tolist()])
    return found, goes_to if (goes_to >= 0).any() else None


def predictions_for(probabilities: np.ndarray, goes_to: np.ndarray) -> np.ndarray:
    """A model's probabilities (n, K') as those of the source's classes (n, K).

    Of a class that it does not know (-1 in `goes_to`) it says as much as of the average class.
    """
    unknown = goes_to < 0
    found = rows_to_one(probabilities[:, np.where(unknown, 0, goes_to)] * ~unknown + 1e-9)
    found[:, ~unknown] *= 1 - unknown.mean()
    found[:, unknown] = 1 / len(goes_to)
    return rows_to_one(found)
