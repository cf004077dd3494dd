"""Flows of a source whose labels are beliefs, and the decoding of a model's predictions for the rows they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from .._aligner import as_aligner
from .._otdd_flow import OTDDFlowTransformer
from .._target import Reference
from .._trusting import carry_left_out
from ..labelling import combine, confidence_of, rows_to_one
from ..metrics import label_distances
from ._black_box import BlackBox
from ._codewords import codewords, decoder, n_flows_needed

MOST_PARTICLES = 3000
"""Rows that flow where the flow says nothing of it; its map carries the others."""
LEAST_CONFIDENCE = 1e-2
"""Weight of a row of which nothing is known beside that of one with a label."""


@dataclass
class CarryingFlows:
    """Fitted flows and what is needed to decode a model's predictions for the rows that they carry."""

    flows: list
    couplings: list[np.ndarray]
    """Mass that goes from each source class to each target class, (n_classes, n_target_classes) for each flow."""

    @property
    def decoders(self) -> list[np.ndarray]:
        """The linear layers after the model, (n_target_classes, n_classes) for each flow."""
        return [decoder(mass) for mass in self.couplings]

    def carry(self, X: np.ndarray) -> list[np.ndarray]:
        """Rows carried by each flow."""
        return [np.asarray(flow.transform(X)) for flow in self.flows]

    def carry_left_out(self, X: np.ndarray) -> list[np.ndarray]:
        """The rows that the flows were fitted to, carried by maps that did not see them, where there are such."""
        return [carry_left_out(flow, X) for flow in self.flows]

    def decode(self, model: BlackBox, carried: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (n_samples, n_classes): the product of the predictions, each decoded for its flow."""
        pairs = zip(carried, self.decoders, strict=True)
        return combine(*(rows_to_one(model(rows) @ layer) for rows, layer in pairs))


@dataclass
class FlowPlan:
    """How flows are made from beliefs: everything but the rows.

    Parameters
    ----------
    flow : flow
        Is cloned.
    classes : ndarray of shape (n_classes,)
        The source's.
    target : Reference
        Checked. Each clone gets it, so that a callable is called once.
    n_flows : int or "auto"
        See :class:`RepurposedClassifier`.
    goes_to : ndarray of shape (n_classes,) or None
        Code of the target class that each source class is known to be, -1 where that is not known.
    """

    flow: Any
    classes: np.ndarray
    target: Reference
    n_flows: int | str
    goes_to: np.ndarray | None

    def fit(self, X: np.ndarray, beliefs: np.ndarray, sample_weight: np.ndarray | None = None) -> CarryingFlows:
        """Flows from the labels believed in; `sample_weight` (n_samples,) is of the rows."""
        K, target_classes = len(self.classes), np.unique(self.target.y)
        y = self.classes[beliefs.argmax(axis=1)]
        n_flows = n_flows_needed(K, len(target_classes)) if self.n_flows == "auto" else int(self.n_flows)
        flows = [clone(self.flow) for _ in range(n_flows)]
        for flow in flows:
            set_everywhere(flow, target=self.target, unlabelled=None)
        if n_flows > 1:
            distances = label_distances(X, y, self.target.X, self.target.y)
            for flow, codes in zip(flows, codewords(distances, n_flows).T, strict=True):
                names = target_classes[codes].tolist()
                set_everywhere(flow, correspondence=dict(zip(np.unique(y).tolist(), names, strict=True)))
        extra = self._weights(beliefs, sample_weight)
        couplings = [self._coupling(flow.fit(X, y, **extra), target_classes) for flow in flows]
        if n_flows == 1 and self.goes_to is not None:
            _send_by_name(couplings[0], self.goes_to)
        return CarryingFlows(flows, couplings)

    def _weights(self, beliefs: np.ndarray, sample_weight: np.ndarray | None) -> dict[str, np.ndarray]:
        """What the flow takes of the confidence in labels and of the weights of rows."""
        confidence = confidence_of(beliefs)
        if sample_weight is not None and not has_fit_parameter(self.flow, "sample_weight"):
            raise ValueError(f"sample_weight was given, but flow={self.flow!r} takes none.")
        if has_fit_parameter(self.flow, "confidence"):
            return {"confidence": confidence} | ({} if sample_weight is None else {"sample_weight": sample_weight})
        if has_fit_parameter(self.flow, "sample_weight"):
            weights = np.ones(len(beliefs)) if sample_weight is None else sample_weight
            if sample_weight is not None or (confidence < 1).any():
                return {"sample_weight": weights * np.maximum(confidence, LEAST_CONFIDENCE)}
        return {}

    def _coupling(self, flow: Any, target_classes: np.ndarray) -> np.ndarray:
        """Mass (K, K') that a fitted flow sends from each class to each target class."""
        mass = np.zeros((len(self.classes), len(target_classes)))
        mass[np.searchsorted(self.classes, flow.classes_)] = flow.coupling_
        return mass


def _send_by_name(mass: np.ndarray, goes_to: np.ndarray) -> None:
    """Send a class that no row was believed to be of where its name says, with little mass, so that it can be found."""
    empty = np.flatnonzero((mass.sum(axis=1) == 0) & (goes_to >= 0))
    mass[empty, goes_to[empty]] = mass[mass > 0].min()


def align_once(
    flow: Any,
    X: np.ndarray,
    codes: np.ndarray,
    target: Reference,
    goes_to: np.ndarray | None,
    *,
    many: bool,
    sample_weight: np.ndarray | None = None,
) -> Any:
    """A clone of the flow whose alignment is fitted to all rows, for all flows alike, and which decides nothing itself.

    Parameters
    ----------
    flow : flow
        As passed by the user.
    X : ndarray of shape (n_samples, n_features)
        The source.
    codes : ndarray of shape (n_samples,)
        Codes of its classes, -1 where a row has no label.
    target : Reference
        Checked.
    goes_to : ndarray of shape (n_classes,) or None
        See :class:`FlowPlan`.
    many : bool
        Whether the source has more classes than the target: then no global map makes the two the same.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    """
    flow = clone(flow)
    if hasattr(flow, "get_params") and flow.get_params(deep=False).get("flow", flow) is None:
        flow.set_params(flow=OTDDFlowTransformer())  # its default, which would align each time
    found = {key: value for key, value in _everywhere(flow, "alignment").items() if value is not None}
    set_everywhere(flow, safeguard=False, mass=1.0)
    if len(X) > MOST_PARTICLES and set(_everywhere(flow, "max_particles").values()) == {None}:
        set_everywhere(flow, max_particles=MOST_PARTICLES)
    if many or not found:
        set_everywhere(flow, alignment=None)
        return flow
    names = np.unique(target.y)
    labels = np.full(len(X), None, dtype=object)
    if goes_to is not None:
        rows = np.flatnonzero((codes >= 0) & (goes_to[codes] >= 0))
        labels[rows] = names[goes_to[codes[rows]]].tolist()
    known = labels[[label is not None for label in labels]]
    aligner = as_aligner(next(iter(found.values())), target, np.random.RandomState(0))
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    aligner.fit(X, labels if len(known) else None, **weight)
    set_everywhere(flow, alignment=FrozenEstimator(aligner))
    return flow


def aligner_of(flow: Any) -> Any:
    """The fitted aligner that :func:`align_once` has given to a flow; None where there is none."""
    found = (value for value in _everywhere(flow, "alignment").values() if isinstance(value, FrozenEstimator))
    return next(found, None)


def target_of(flow: Any) -> Any:
    """The target of a flow, or of the flow inside of it; None where there is none."""
    return next((value for value in _everywhere(flow, "target").values() if value is not None), None)


def correspondence_of(flow: Any) -> str | Mapping[Any, Any]:
    """Which class goes to which, as the user said it."""
    return next(iter(_everywhere(flow, "correspondence").values()), "auto")


def set_everywhere(flow: Any, **parameters: Any) -> None:
    """Set parameters of a flow and of the flow inside of it, where they have them."""
    for name, value in parameters.items():
        for key, before in _everywhere(flow, name).items():
            if name != "target" or before is not None:
                flow.set_params(**{key: value})


def _everywhere(flow: Any, name: str) -> dict[str, Any]:
    if not hasattr(flow, "get_params"):
        return {name: getattr(flow, name)} if hasattr(flow, name) else {}
    keys = name, f"flow__{name}"
    return {key: value for key, value in flow.get_params().items() if key in keys}
