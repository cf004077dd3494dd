"""What may be done with the rows of one domain among several: its own map, what the others have in common, or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._learning import LearntMap
from ._support import Support


@dataclass(frozen=True)
class DomainCandidate:
    """What may be done with rows.

    Parameters
    ----------
    name : str
    own : float
        Weight of the domain's own map; the rest is that of the common one.
    share : float or None
        Of the other domains' movements after their alignments; None leaves rows as they are.
    kind : {"units", "common"}
        Of the other domains' maps: with an alignment of columns' units alone, or as the flow has it.
    """

    name: str
    own: float
    share: float | None
    kind: str = "common"


CANDIDATES = (
    DomainCandidate("leave", 0.0, None),
    *(
        DomainCandidate(f"{kind} {share}", 0.0, amount, kind)
        for kind in ("units", "common")
        for share, amount in (("align", 0.0), ("0.25", 0.25), ("0.5", 0.5), ("0.75", 0.75), ("flow", 1.0))
    ),
    DomainCandidate("own and common", 0.5, 1.0),
    DomainCandidate("own", 1.0, 1.0),
)
"""The simplest first. A common map is the mean of the other domains' maps."""


class WholeMovement:
    """The whole movement of a fitted flow, whatever it decided for its own rows, or an aligner's map; it pickles."""

    def __init__(self, flow: Any) -> None:
        inner = getattr(flow, "flow_", flow)
        self._flow, self._map = flow, inner._row_map() if hasattr(inner, "pushforward_") else None

    @property
    def is_flow(self) -> bool:
        """Whether there are shares of a movement after an alignment."""
        return self._map is not None

    def __call__(self, X: np.ndarray, share: float) -> np.ndarray:
        """Rows, aligned, and moved by a share of the flow."""
        if self._map is None:
            return np.asarray(self._flow.transform(X))
        return LearntMap(self._map.aligner, self._map.regressor, share, self._map.local_mass)(X)


Others = Mapping[str, Sequence[WholeMovement]]
"""Movements of the other domains, by their kind."""


@dataclass(frozen=True)
class DomainMap:
    """Where rows of one domain are carried; it pickles.

    Parameters
    ----------
    candidate : DomainCandidate
        What is done with them.
    own : fitted flow or None
        The domain's own; None where it has none.
    others : dict of str to list of WholeMovement
        Of the other domains, by their kind.
    support : Support
        Values that the target's columns may take.
    """

    candidate: DomainCandidate
    own: Any
    others: Others
    support: Support

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows (n, n_columns), in their dtype."""
        own = np.asarray(self.own.transform(X)) if self.candidate.own else None
        return self.support.project(mixed(self.candidate, X, own, self.others).astype(X.dtype, copy=False))


def mixed(candidate: DomainCandidate, X: np.ndarray, own: np.ndarray | None, others: Others) -> np.ndarray:
    """Rows as a candidate carries them, given where the domain's own map does."""
    if candidate.share is None:
        return X
    if own is not None and candidate.own == 1:
        return own
    common = np.mean([movement(X, candidate.share) for movement in others[candidate.kind]], axis=0)
    return common if own is None or not candidate.own else candidate.own * own + (1 - candidate.own) * common


def possible(same_width: bool, has_own: bool, others: Others) -> list[DomainCandidate]:
    """The candidates that there are."""

    def is_possible(candidate: DomainCandidate) -> bool:
        if candidate.share is None:
            return same_width
        if candidate.own:
            return has_own and (candidate.own == 1 or "common" in others)
        movements = others.get(candidate.kind, ())
        return len(movements) > 0 and (candidate.share == 0 or all(movement.is_flow for movement in movements))

    return list(filter(is_possible, CANDIDATES))
