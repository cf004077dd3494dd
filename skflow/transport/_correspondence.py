"""Which target class each source class goes to (section 6.4)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

CORRESPONDENCES = ("auto", "coupling", "assignment", "same")


def class_coupling(distances: np.ndarray, mass: np.ndarray, target_mass: np.ndarray) -> np.ndarray:
    """The optimal coupling (K, K') of two class histograms under the label `distances` (section 6.4)."""
    import ot

    mass, target_mass = (np.asarray(m, dtype=np.float64) for m in (mass, target_mass))
    distances = np.ascontiguousarray(distances, dtype=np.float64)
    return ot.emd(mass / mass.sum(), target_mass / target_mass.sum(), distances)


def resolve_correspondence(
    correspondence: str | Mapping[Any, Any],
    classes: Sequence[Any],
    target_classes: Sequence[Any],
    distances: Callable[[], np.ndarray],
) -> np.ndarray | None:
    """Target code of each source class, shape (K,), or None where the plan itself decides ("coupling").

    Parameters
    ----------
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping {source label: target label}
        "auto" is "same" where every source label is a target label, else "assignment" where the target has enough
        classes, else "coupling".
    classes, target_classes : sequence
        The label of each class code.
    distances : callable () -> ndarray of shape (K, K')
        Computes the label distances, called where an assignment asks for them.

    Raises
    ------
    ValueError
        For an unknown name, a mapping that misses classes or names unknown ones, "same" with labels that the target
        lacks, "assignment" with more source than target classes.
    """
    codes = {label: code for code, label in enumerate(_plain(target_classes))}
    labels = _plain(classes)
    if isinstance(correspondence, Mapping):
        return _from_mapping(dict(correspondence), labels, codes)
    if correspondence not in CORRESPONDENCES:
        near = difflib.get_close_matches(str(correspondence), CORRESPONDENCES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"correspondence={correspondence!r} is not one of {CORRESPONDENCES} or a mapping "
            f"{{source label: target label}}.{hint}"
        )
    missing = [label for label in labels if label not in codes]
    if correspondence == "auto":
        correspondence = "same" if not missing else "assignment" if len(labels) <= len(codes) else "coupling"
    if correspondence == "coupling":
        return None
    if correspondence == "same":
        if missing:
            raise ValueError(f"correspondence='same', but the target has no class {missing}; it has {list(codes)}.")
        return np.array([codes[label] for label in labels])
    if len(labels) > len(codes):
        raise ValueError(
            f"correspondence='assignment' needs at least as many target classes as source classes, got {len(codes)} "
            f"and {len(labels)}; use 'coupling' or a mapping."
        )
    return linear_sum_assignment(distances())[1]


def _from_mapping(mapping: dict, labels: list, codes: dict) -> np.ndarray:
    missing = [label for label in labels if label not in mapping]
    if missing:
        raise ValueError(f"correspondence={mapping!r} has no entry for the source classes {missing}.")
    unknown = sorted({repr(mapping[label]) for label in labels if mapping[label] not in codes})
    if unknown:
        raise ValueError(
            f"correspondence={mapping!r} names {', '.join(unknown)}, not among the target classes {list(codes)}."
        )
    return np.array([codes[mapping[label]] for label in labels])


def _plain(labels: Sequence[Any]) -> list:
    """Labels as Python objects, so that 1, np.int64(1) and 1.0 are found alike."""
    return np.asarray(labels).tolist()
