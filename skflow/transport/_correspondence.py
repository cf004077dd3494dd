"""Which target class each source class goes to (section 6.4)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from .._warnings import warn

CORRESPONDENCES = ("auto", "coupling", "assignment", "same")


def histogram_coupling(distances: np.ndarray, mass: np.ndarray, target_mass: np.ndarray) -> np.ndarray:
    """The optimal coupling (K, K') of two class histograms under the label `distances` (section 6.4)."""
    import ot

    mass, target_mass = (np.asarray(m, dtype=np.float64) for m in (mass, target_mass))
    distances = _finite(np.ascontiguousarray(distances, dtype=np.float64))
    scale = distances.max() or 1.0  # POT's tolerances are absolute
    return ot.emd(mass / mass.sum(), target_mass / target_mass.sum(), distances / scale)


def resolve_correspondence(
    correspondence: str | Mapping[Any, Any],
    classes: Sequence[Any] | np.ndarray,
    target_classes: Sequence[Any] | np.ndarray,
    distances: Callable[[], np.ndarray],
) -> np.ndarray | None:
    """Target code of each source class, shape (K,), or None where the plan itself decides ("coupling").

    Parameters
    ----------
    correspondence : {"auto", "coupling", "assignment", "same"} or mapping {source label: target label}
        "auto": labels that both sides have go to each other. Source labels that the target lacks go to what is left of
        its classes, each to one of its own by the best assignment where enough are left, else each to the nearest of
        all; a warning names them. Where no label is shared, it is "assignment" where the target has enough classes,
        else "coupling".
    classes, target_classes : sequence
        The label of each class code.
    distances : callable () -> ndarray of shape (K, K')
        Computes the label distances, called where an assignment asks for them.

    Raises
    ------
    ValueError
        For an unknown name, a mapping that misses classes or names unknown ones, "same" with labels that the target
        lacks, "assignment" with more source than target classes, label distances that are not finite.

    Warns
    -----
    UserWarning
        Where text and numbers are taken for the same label, or some but not all labels are shared.
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
    if correspondence == "coupling":
        return None
    if correspondence == "assignment" or not (shared := _by_name(labels, codes)):
        return _without_names(correspondence, labels, codes, distances)
    missing = [label for label in labels if label not in shared]
    if missing and correspondence == "same":
        raise ValueError(f"correspondence='same', but the target has no class {missing}; it has {list(codes)}.")
    if missing:
        return _complete(shared, labels, codes, _finite(distances()))
    return np.array([shared[label] for label in labels])


def _without_names(correspondence: str, labels: list, codes: dict, distances: Callable) -> np.ndarray | None:
    """Where no name helps, or none is to help."""
    if correspondence == "same":
        raise ValueError(f"correspondence='same', but the target has no class {labels}; it has {list(codes)}.")
    if len(labels) <= len(codes):
        return linear_sum_assignment(_finite(distances()))[1]
    if correspondence == "auto":
        return None
    raise ValueError(
        f"correspondence='assignment' needs at least as many target classes as source classes, got {len(codes)} "
        f"and {len(labels)}; use 'coupling' or a mapping."
    )


def _by_name(labels: list, codes: dict) -> dict:
    """The target code of each source label that the target has, be it as text for a number or the other way round."""
    shared = {label: codes[label] for label in labels if label in codes}
    taken = set(shared.values())
    values: dict = {}
    for label, code in codes.items():
        if code not in taken:
            values.setdefault(_value(label), []).append((label, code))
    alike = {}
    for label in labels:
        found = values.get(_value(label), [])
        if label not in shared and len(found) == 1:
            alike[label] = found[0][0]
            shared[label] = found[0][1]
            del values[_value(label)]
    if alike:
        pairs = ", ".join(f"{one!r} and {other!r}" for one, other in list(alike.items())[:3])
        warn(
            f"{len(alike)} class labels of source and target differ in type alone ({pairs}{', ...' * (len(alike) > 3)})"
            " and are taken for the same. Give both sides labels of one type, or pass correspondence={source label: "
            "target label}."
        )
    return shared


def _complete(shared: dict, labels: list, codes: dict, distances: np.ndarray) -> np.ndarray:
    """The shared names stay; the others are assigned to what is left of the target, or to the nearest of all."""
    goes_to = np.array([shared.get(label, -1) for label in labels])
    missing = np.flatnonzero(goes_to < 0)
    left = np.setdiff1d(np.arange(len(codes)), goes_to)
    if len(missing) <= len(left):
        goes_to[missing] = left[linear_sum_assignment(distances[np.ix_(missing, left)])[1]]
    else:
        goes_to[missing] = distances[missing].argmin(1)
    names = list(codes)
    found = ", ".join(f"{labels[k]!r} to {names[goes_to[k]]!r}" for k in missing)
    warn(
        f"The target has no class {', '.join(repr(labels[k]) for k in missing)}; by the label distances they go "
        f"{found}. The other {len(shared)} classes go to those of the same name. If that is not meant, pass "
        "correspondence={source label: target label}."
    )
    return goes_to


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


def _finite(distances: np.ndarray) -> np.ndarray:
    """Label distances, which no assignment can do without."""
    bad = np.argwhere(~np.isfinite(distances))
    if len(bad):
        k, l = bad[0]
        raise ValueError(
            f"The label distance between source class {k} and target class {l} (of those sorted) is {distances[k, l]}; "
            "look for features of these classes that are not finite, or too large to be squared."
        )
    return distances


def _plain(labels: Sequence[Any] | np.ndarray) -> list:
    """Labels as Python objects, so that 1, np.int64(1) and 1.0 are found alike."""
    return [label.item() if isinstance(label, np.generic) else label for label in np.asarray(labels).tolist()]


def _value(label: Any) -> Any:
    """What a label says, be it text or a number."""
    if isinstance(label, str):
        try:
            return float(label)
        except ValueError:
            return label.strip()
    return label
