"""Trust in the answers on rows that a fitted flow carries, from what the fit keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ._learning import LearntMap
from ._panel import Panel
from .pushforward import left_out_predictions
from .safeguard import TrustModel

ROWS_AT_ONCE = 1000
"""Rows whose neighbours' moves are in memory at once."""


class FlowTrust:
    """What a fitted flow needs to say how far the answers on unseen rows deserve belief.

    Parameters
    ----------
    flow : fitted flow
    row_map : LearntMap
        Where it carries rows.
    model : fitted classifier or None
        Whose answers are in question; those of quick models of the target without it.
    """

    def __init__(self, flow: Any, row_map: LearntMap, model: Any = None) -> None:
        self._map = row_map
        rows, end, labels = flow._rows_, flow.particles_, flow.particle_labels_
        start = self._aligned(rows)
        left_out = getattr(flow.pushforward_, "oof_", None) is not None
        moved = (
            left_out_predictions(flow.pushforward_, start, end, labels)
            if left_out
            else np.asarray(flow.pushforward_.predict(start.copy())).reshape(len(start), -1)
        )
        target = getattr(flow, "target_", None)
        known = np.zeros(len(rows), bool)
        if target is None or target.is_continuous:  # no class to answer: distance and moves alone tell
            target_rows, wanted = end if target is None else target.X, np.zeros(len(rows), int)
            panel, model = Panel(end, wanted), None
        else:
            target_rows, panel = target.X, Panel(target.X, target.y)
            wanted = np.array([flow.label_map_.get(label) for label in labels.tolist()])
            known |= True if flow._known_ is None else flow._known_[flow.particle_indices_]
        carried = self._carried(rows, start, moved)
        self._model = TrustModel(rows, start, moved, carried, end - start, wanted, known, panel, target_rows, model)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Trust (n_samples,) for rows `X`."""
        return np.concatenate([self._of(X[rows]) for rows in gen_batches(len(X), ROWS_AT_ONCE)])

    def _of(self, X: np.ndarray) -> np.ndarray:
        aligned = self._aligned(X)
        moved = LearntMap(None, self._map.regressor)(aligned)
        trust = self._model(X, aligned, moved, self._carried(X, aligned, moved))
        return trust if self._map.local_mass is None else trust * self._map.local_mass(aligned)

    def _aligned(self, X: np.ndarray) -> np.ndarray:
        return LearntMap(self._map.aligner, None, 0.0)(X)

    def _carried(self, X: np.ndarray, aligned: np.ndarray, moved: np.ndarray) -> np.ndarray:
        share = self._map.share
        return (
            LearntMap(None, None, None, limits=self._map.limits)(X)
            if share is None
            else aligned + share * (moved - aligned)
        )


def carry_left_out(flow: Any, X: np.ndarray) -> np.ndarray:
    """The rows that a flow was fitted to, carried by a map that did not see them, where its regressor has such."""
    carried = np.array(flow.transform(X))
    inner = getattr(flow, "flow_", flow)
    moved = getattr(getattr(inner, "pushforward_", None), "oof_", None)
    decision = getattr(inner, "decision_", None)
    if moved is None or (decision is not None and decision.chosen.share is None):
        return carried
    rows = inner.particle_indices_
    aligned = LearntMap(inner.aligner_, None, 0.0)(X[rows])
    share = 1.0 if decision is None else decision.chosen.share
    carried[rows] = aligned + share * (moved - aligned)
    return carried


class TrustsItsFlow:
    """Trust of an estimator that has a fitted flow, `flow_`."""

    flow_: Any

    def trust(self, X: ArrayLike, model: Any = None) -> np.ndarray:
        """How far an answer on each row deserves belief, see :meth:`OTDDFlowTransformer.trust`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        model : fitted classifier or None, default=None
            The frozen model whose answers are in question.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 to 1.
        """
        check_is_fitted(self)
        return self.flow_.trust(X, model)
