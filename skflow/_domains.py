"""The rows and labels of one domain among several, and what its labels say of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import column_or_1d

from ._aligner import as_aligner
from ._domain_map import DomainCandidate, Others, WholeMovement, mixed, possible
from ._flow import BaseFlow
from ._inputs import as_numbers, is_missing
from ._panel import Panel
from ._pseudo_label import PseudoLabelFlow
from ._target import Reference
from ._trusting import carry_left_out
from .labelling import as_array, split_labels
from .metrics import divergences_beside_floors
from .safeguard import (
    OTHERS_ROWS,
    Decision,
    Gains,
    decide_by_divergence,
    decide_by_domains,
    measure_gains,
)

MOST_KNOWN = 0.5
"""Share of a domain's rows with a label below which labels may only speak against its own map, which was told them."""

BLIND_CREDIT = 0.5
"""Share that counts of what maps fitted without labels gained at other domains: each is another map."""


def read_domains(sample_domain: Any, n_rows: int) -> np.ndarray:
    """The domain of each row, as an array of objects; one for all where a single one is given.

    Raises
    ------
    ValueError
        For missing values, or another number than there are rows.
    """
    names = as_array(column_or_1d(sample_domain)) if np.ndim(sample_domain) else np.full(n_rows, sample_domain)
    if len(names) != n_rows:
        raise ValueError(f"sample_domain has {len(names)} values for the {n_rows} rows of X.")
    out = np.empty(n_rows, dtype=object)
    out[:] = names.tolist()
    if any(map(is_missing, out)):
        raise ValueError("sample_domain has missing values: each row must be of a domain.")
    return out


def check_known(names: np.ndarray, known: Sequence[Any]) -> None:
    """Raise where a row is of a domain that is not among the `known`."""
    unknown = [name for name in dict.fromkeys(names.tolist()) if name not in known]
    if unknown:
        raise ValueError(
            f"sample_domain has {', '.join(map(repr, unknown))}, but the flow knows {list(known)}. Add a domain with "
            "fit_new_domain."
        )


def as_flow(flow: Any, target: Reference, seed: int) -> Any:
    """A clone of the user's flow with the target that has been read, and a seed where it has none."""
    flow = clone(flow)
    params = flow.get_params()
    name = "target" if params.get("target") is not None else "flow__target"
    seeds = {"random_state": seed} if "random_state" in params and params["random_state"] is None else {}
    return flow.set_params(**{name: target}, **seeds)


@dataclass
class Domain:
    """Rows of one domain.

    Parameters
    ----------
    unfitted : flow
        To be fitted to its rows; with labels, and without any.
    blind : flow
        The same, to be fitted without labels.
    rows : ndarray of shape (n_samples, n_features)
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
        As they came, with markers of unlabelled rows.
    known : ndarray of bool of shape (n_samples,)
        Rows that have a label.
    flow : fitted flow or None
        Its own.
    """

    unfitted: Any
    blind: Any
    rows: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    flow: Any = None

    @classmethod
    def of(cls, flow: Any, rows: np.ndarray, labels: np.ndarray, target: Reference, unlabelled: Any) -> Domain:
        """Find the rows with a label, and what flow is for them."""
        if target.y is None:
            known = np.zeros(len(rows), dtype=bool)
        elif target.is_continuous:
            known = np.array([not any(map(is_missing, np.atleast_1d(label))) for label in labels])
        else:
            found, known = split_labels(labels, unlabelled, target_classes=np.unique(target.y))
            labels = found if known.all() else labels
        blind = flow
        if isinstance(flow, BaseFlow) and target.is_continuous:
            blind = as_aligner(flow.alignment or "identity", target, np.random.RandomState(0))
        elif isinstance(flow, BaseFlow):
            blind = PseudoLabelFlow(flow=flow, unlabelled=unlabelled, random_state=flow.random_state)
        return cls(flow if known.all() else blind, blind, rows, labels, known)

    @property
    def is_evidence(self) -> bool:
        """Whether its labels say something of other domains."""
        return int(self.known.sum()) >= OTHERS_ROWS

    def fit_flow(self) -> Any:
        """Its own flow, fitted with the labels that there are."""
        return clone(self.unfitted).fit(self.rows, self.labels) if self.known.any() else self.fit_blind()

    def movements(self) -> dict[str, WholeMovement]:
        """Its movements by kind: the fitted flow's, and one whose alignment is of the columns' units alone.

        The simpler class of maps is that which other domains are likelier to share.
        """
        found = {"common": WholeMovement(self.flow)}
        others = isinstance(self.unfitted, BaseFlow) and self.unfitted.alignment != "diagonal"
        if others and self.flow.n_features_in_ == self.flow.target_.X.shape[1]:
            units = clone(self.unfitted).set_params(alignment="diagonal", safeguard=False)
            found["units"] = WholeMovement(units.fit(self.rows, self.labels))
        return found

    def fit_blind(self) -> Any:
        """Its own flow, fitted without labels."""
        return clone(self.blind).fit(self.rows)


class DomainJudge:
    """What candidates are worth for a domain, by quick models of the target that are made once.

    Parameters
    ----------
    target : Reference
        The reference dataset.
    flow : flow
        The user's: its `safeguard` may be the model that the rows are for.
    rng : RandomState
        Draws rows.
    """

    def __init__(self, target: Reference, flow: Any, rng: np.random.RandomState) -> None:
        self.target, self._seed = target, int(rng.randint(np.iinfo(np.int32).max))
        params = flow.get_params()
        self._model = params.get("safeguard", params.get("flow__safeguard"))
        self._names: dict = {}

    @cached_property
    def panel(self) -> Panel:
        """The models that judge, made when they are first asked."""
        y = self.target.y.reshape(len(self.target.X), -1) if self.target.is_continuous else self.target.y
        return Panel(self.target.X, y, self._seed, self._model if hasattr(self._model, "predict") else None)

    def evidence(self, domain: Domain, others: Others) -> dict[str, Gains]:
        """What candidates gain at a domain with labels, its own flow fitted with them, and without."""
        self._names |= getattr(domain.flow, "label_map_", {})
        blind = domain.flow if not domain.known.all() else domain.fit_blind()
        return {
            "labelled": self._gains(domain, others, carry_left_out(domain.flow, domain.rows)),
            "blind": self._gains(domain, others, np.asarray(blind.transform(domain.rows)), credit=BLIND_CREDIT),
        }

    def is_own_worth_it(self, domain: Domain, others: Others, evidence: Sequence[dict[str, Gains]]) -> bool:
        """Whether a new domain needs a flow of its own: it has many labels, or such flows have paid elsewhere."""
        if len(evidence) == 0 or domain.is_evidence:
            return True
        candidates = possible(domain.rows.shape[1] == self.target.X.shape[1], True, others)
        named = [(candidate.name, candidate.share) for candidate in candidates]
        chosen = decide_by_domains(named, [of["blind"] for of in evidence], None).chosen
        return any(candidate.own > 0 for candidate in candidates if candidate.name == chosen.name)

    def decide(self, domain: Domain, others: Others, evidence: Sequence[dict[str, Gains]]) -> Decision:
        """Choose what is done with the domain's rows."""
        candidates = self._candidates(domain, others)
        named = [(candidate.name, candidate.share) for candidate in candidates]
        all_known = bool(domain.known.all())
        gains = [of["labelled" if all_known else "blind"] for of in evidence]
        own = None
        if domain.known.any():
            carried = None if domain.flow is None else carry_left_out(domain.flow, domain.rows)
            own = self._gains(domain, others, carried, credit=float(domain.known.mean() >= MOST_KNOWN))
        if gains or own is not None:
            return decide_by_domains(named, gains, own)
        candidates = [candidate for candidate in candidates if candidate.share in (None, 0, 1)]
        named = [(candidate.name, candidate.share) for candidate in candidates]
        carried = None if domain.flow is None else np.asarray(domain.flow.transform(domain.rows))
        moved = [mixed(candidate, domain.rows, carried, others) for candidate in candidates]
        classes = None if self.target.is_continuous else self.target.y
        rng = np.random.RandomState(self._seed)
        return decide_by_divergence(named, *divergences_beside_floors(moved, self.target.X, classes, rng))

    def _candidates(self, domain: Domain, others: Others) -> list[DomainCandidate]:
        same_width = domain.rows.shape[1] == self.target.X.shape[1]
        return possible(same_width, domain.flow is not None, others)

    def _gains(self, domain: Domain, others: Others, carried: np.ndarray | None, credit: float = 1.0) -> Gains:
        """Of all candidates at a domain's labelled rows; of what its own map gains `credit` is a share that counts."""
        candidates, known = self._candidates(domain, others), domain.known
        names = getattr(domain.flow, "label_map_", self._names)
        if self.target.is_continuous:
            wanted = as_numbers(np.array(domain.labels[known].tolist()), int(known.sum()))
        else:
            wanted = np.array([names.get(label, label) for label in domain.labels[known].tolist()])
        own = None if carried is None else carried[known]
        rights = [
            self.panel.agreement(mixed(candidate, domain.rows[known], own, others), wanted).mean(axis=0)
            for candidate in candidates
        ]
        gains = measure_gains([c.name for c in candidates], rights, None if self.target.is_continuous else wanted)
        own_ones = {candidate.name for candidate in candidates if candidate.own}
        credited = {k: credit * v if k in own_ones and v > 0 else v for k, v in gains.gains.items()}
        return replace(gains, gains=credited)
