"""What may be done with a flow's rows, from simple to rich, and what of it is believed without a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .safeguard import CentralRange, Named

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the flow's movement after the alignment."""
MOST_LIMITED = 0.3
"""Share of the values that may lie outside the target's central range: with more it is no matter of a few of them."""
REST = 0.35
"""Share of its excess over the floor that the divergence may have left where rows are limited to the target's range:
where the limits do not take away most of what makes both sides differ, they are not the remedy. Nor are they where the
excess is above the floor itself."""


@dataclass(frozen=True)
class Moved:
    """What may be done, and the held-out rows after it."""

    name: str
    share: float | None
    rows: np.ndarray


def candidates_of(
    rows: np.ndarray,
    aligned: np.ndarray | None,
    start: np.ndarray,
    predicted: np.ndarray,
    limits: CentralRange | None,
) -> list[Moved]:
    """What may be done with held-out rows, the simplest first.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        As they came. Where the target has other columns, they can't be left.
    aligned : ndarray of shape (n_samples, n_columns) or None
        By an alignment that was not fitted to them; None without any.
    start, predicted : ndarray of shape (n_samples, n_columns)
        Where the flow began, and where a map that was not fitted to them carries them.
    limits : CentralRange or None
        The target's.
    """
    found = unmoved(rows, limits) if rows.shape[1] == start.shape[1] else []
    if aligned is not None:
        found.append(Moved("align", 0.0, aligned))
    base = start if aligned is None else aligned
    for share in SHARES:
        found.append(Moved("flow" if share == 1 else f"flow {share:g}", share, base + share * (predicted - start)))
    return found


def unmoved(rows: np.ndarray, limits: CentralRange | None) -> list[Moved]:
    """Rows in the target's columns as they came, and with few of their values limited to the target's range."""
    found = [Moved("leave", None, rows)]
    limited = rows if limits is None else limits(rows)
    if 0 < (limited != rows).mean() <= MOST_LIMITED:
        found.append(Moved("range", None, limited))
    return found


def believed(names: Named, divergences: np.ndarray, floors: np.ndarray, *, doubtful: bool) -> list[bool]:
    """Which candidates may be chosen where no label speaks for them.

    Where it is enough to limit a few values, no map is needed.

    Parameters
    ----------
    names : sequence of (name, share)
        Of the candidates.
    divergences, floors : ndarray of shape (n_candidates, n_draws)
        See :func:`~skflow.safeguard.decide_by_divergence`.
    doubtful : bool
        Whether another map than the alignment's does as well: then rows are left, if they can be.
    """
    excess = (divergences - floors).mean(axis=1)
    may_stay = any(share is None for _, share in names)
    limited = [k for k, (name, _) in enumerate(names) if name == "range"]
    remedy = any(excess[k] <= min(REST * max(excess[0], 0), floors[k].mean()) for k in limited)
    return [
        remedy if name == "range" else share is None or not (may_stay and (doubtful or remedy)) for name, share in names
    ]
