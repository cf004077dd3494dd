"""The decision whether to move, taken for a flow: its candidates on rows that the map was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ._aligned import is_doubtful
from ._candidates import Moved, believed, candidates_of
from ._held_out import align_held_out, carry_held_out
from ._learning import train_nets
from ._lossy_alignment import drop_lossy_alignment
from ._panel import Panel
from ._repeats import each_row_once
from ._target import Reference
from ._threads import cores_for
from .metrics import divergences_beside_floors
from .safeguard import (
    WORTH_MOVING,
    CentralRange,
    Decision,
    compare_ways_back,
    decide_by_both,
    decide_by_divergence,
    decide_by_labels,
)

OPTIMISM = 0.25
"""What the alignment seems to gain on the rows that it was fitted to and does not on others, for each parameter beside
a value: a map of many columns fits few rows by chance."""
ROWS_JUDGED = 1000
"""Rows that candidates are judged on."""


@dataclass(frozen=True)
class Judging:
    """What candidates are judged by.

    Parameters
    ----------
    target : Reference
        The reference dataset.
    mode : {"auto", "labels", "divergence"}
        "auto" is labels, beside divergence where few rows have one.
    model : fitted classifier or None
        The model that the rows are for; quick models of the target stand in for it.
    known : ndarray of bool of shape (n_samples,) or None
        Rows whose label is known; None where all are.
    found : ndarray of bool of shape (n_samples,) or None
        Of the known labels, those that the labelling finds when they are hidden from it: where it does not, a flow
        that was told the label says nothing of what it does with rows like that one.
    """

    target: Reference
    mode: str = "auto"
    model: Any = None
    known: np.ndarray | None = None
    found: np.ndarray | None = None

    @classmethod
    def of(cls, safeguard: Any, target: Reference, **about_labels: Any) -> Judging:
        """What the flow's parameter stands for: True, a mode, or a model."""
        if safeguard is True or isinstance(safeguard, str):
            return cls(target, "auto" if safeguard is True else safeguard, **about_labels)
        return cls(target, model=safeguard, **about_labels)

    @property
    def by_labels(self) -> bool:
        """Whether labels say something."""
        some = self.known is None or bool(self.known.any())
        return self.mode != "divergence" and some and len(np.unique(self.target.y)) > 1

    @property
    def by_divergence(self) -> bool:
        """Whether labels are too few to decide alone."""
        return not self.by_labels or (self.mode == "auto" and self.known is not None and self.known.mean() < 0.5)


def decide(
    judging: Judging,
    X: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    labels: np.ndarray,
    wanted: np.ndarray,
    weight: np.ndarray | None,
    *,
    aligner: Any,
    regressor: Any,
    rng: np.random.RandomState,
) -> Decision:
    """Choose among leaving rows, limiting them to the target's range, aligning them, and a share of the flow.

    Parameters
    ----------
    judging : Judging
        What decides.
    X, start, end : ndarray of shape (n_particles, n_features), (n_particles, n_columns), same
        The particles' rows as they came, aligned, and at the end of the flow.
    labels, wanted : ndarray of shape (n_particles,) or (n_particles, n_labels)
        Their labels, and the target labels that these go to; continuous ones in columns.
    weight : ndarray of shape (n_particles,) or None
        Weights.
    aligner : DomainAligner or None
        The fitted alignment.
    regressor : regressor
        The fitted push-forward.
    rng : RandomState
        Draws rows.
    """
    classes = labels if labels.ndim == 1 else np.zeros(len(labels), dtype=int)
    # Neither the order of the rows nor whether a row is repeated or weighed may change the decision.
    codes = np.unique(labels, axis=None if labels.ndim == 1 else 0, return_inverse=True)[1].reshape(-1)
    first, mass = each_row_once(X, codes, weight)
    rows, predicted = carry_held_out(regressor, start, end, classes, first, rng)
    weight = np.zeros(len(X))
    weight[first] = mass
    known = np.ones(len(start), dtype=bool) if judging.known is None else judging.known
    if len(rows) > ROWS_JUDGED:
        some = rng.permutation(len(rows))
        some = some[np.argsort(~known[rows[some]], kind="stable")][:ROWS_JUDGED]
        rows, predicted = rows[some], predicted[some]
    seed = int(rng.randint(np.iinfo(np.int32).max))
    refitted = align_held_out(aligner, X, start, labels, known, first, seed) if judging.by_labels else None
    aligned = None if aligner is None else (start if refitted is None else refitted)[rows]
    limits = None if judging.target.is_continuous else CentralRange(judging.target.X)
    candidates = candidates_of(X[rows], aligned, start[rows], predicted, limits)
    names = [(candidate.name, candidate.share) for candidate in candidates]
    told = known[rows]
    divergences, allowed = None, None
    if judging.by_divergence or not told.any():
        classes_of_target = None if judging.target.is_continuous else judging.target.y
        divergences = divergences_beside_floors([c.rows for c in candidates], judging.target.X, classes_of_target, rng)
        allowed = believed(names, *divergences, doubtful=is_doubtful(aligner))
        if not judging.by_labels or not told.any():
            decision = decide_by_divergence(names, *divergences, allowed)
            return _limited(_heed_the_way_back(decision, candidates, judging, seed), limits)
    y_target = judging.target.y if labels.ndim == 1 else judging.target.y.reshape(len(judging.target.X), -1)
    panel = Panel(judging.target.X, y_target, seed, judging.model)
    agreements = [panel.agreement(candidate.rows[told], wanted[rows][told]) for candidate in candidates]
    if judging.found is not None:
        credible = judging.found[rows][told]
        agreements = [
            right * credible if candidate.share else right
            for candidate, right in zip(candidates, agreements, strict=True)
        ]
    weights = compute_sample_weight("balanced", classes[rows][told]) * weight[rows][told]
    if divergences is None:
        worth_moving = WORTH_MOVING
        if refitted is None:
            worth_moving = max(WORTH_MOVING, OPTIMISM * _freedom(aligner, len(start)))
        decision = decide_by_labels(names, agreements, weights, worth_moving, continuous=labels.ndim == 2)
    else:
        decision = decide_by_both(names, agreements, weights, *divergences, allowed)
    return _limited(decision, limits)


def _heed_the_way_back(decision: Decision, candidates: list[Moved], judging: Judging, seed: int) -> Decision:
    """The decision, or the alignment where rows would be left and the way back clearly speaks for that."""
    target, aligned = judging.target, [c for c in candidates if c.name == "align"]
    if judging.mode != "auto" or target.is_continuous or decision.chosen.name != "leave" or not aligned:
        return decision
    rows, moved = candidates[0].rows, aligned[0].rows
    if len(np.unique(target.y)) < 2 or np.array_equal(rows, moved):
        return decision
    panel = Panel(target.X, target.y, seed, judging.model)
    answers, after = (panel.answers(of)[0] for of in (rows, moved))
    back = compare_ways_back(rows, answers, moved, after, target.X, target.y, proof="strong")
    if not back.pays:
        return decision
    chosen = next(choice for choice in decision.table if choice.name == "align")
    reason = (
        f"'align' was chosen: models that learn from answers about aligned rows are right on {back.after:.1%} of the "
        f"target, on rows as they are {back.before:.1%}; the divergence would have left them."
    )
    return replace(decision, chosen=chosen, judged_by="divergence and the way back", reason=reason, floor=chosen.floor)


def _limited(decision: Decision, limits: CentralRange | None) -> Decision:
    """The decision, with what rows are limited to where that was chosen."""
    return replace(decision, limits=limits) if decision.chosen.name == "range" else decision


def guard_guessed(
    flow: Any,
    X: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray | None,
    told: tuple[np.ndarray, np.ndarray | None],
    safeguard: Any,
    rng: np.random.RandomState,
) -> None:
    """Decide for a fitted flow some of whose labels are guessed; it has made no decision, taking them for true ones.

    Parameters
    ----------
    flow : flow
        Fitted; is given its `decision_`.
    X, labels, weight : ndarray
        Its training data.
    told : tuple of ndarray of bool of shape (n_samples,)
        `known` and `found`, see :class:`Judging`.
    safeguard : True, str or fitted classifier
        See :class:`~skflow.OTDDFlowTransformer`.
    rng : RandomState
        Draws rows.
    """
    known, found = told

    def decided(fitted: Any) -> Decision:
        rows = fitted.particle_indices_
        start = X[rows] if fitted.aligner_ is None else np.asarray(fitted.aligner_.transform(X[rows]))
        names = fitted.particle_labels_.tolist()
        return decide(
            Judging.of(safeguard, fitted.target_, known=known[rows], found=None if found is None else found[rows]),
            X[rows],
            start.astype(X.dtype, copy=False),
            fitted.particles_,
            fitted.particle_labels_,
            np.array([fitted.label_map_[name] for name in names]),
            None,
            aligner=fitted.aligner_,
            regressor=fitted.pushforward_,
            rng=rng,
        )

    with cores_for(X, flow.target_.X):
        flow.decision_ = decided(flow)
        drop_lossy_alignment(flow, X, labels, weight, decided)
        train_nets(flow)
    flow.set_params(safeguard=safeguard)


def _freedom(aligner: Any, n_samples: int) -> float:
    """Parameters of the alignment for each value that it was fitted to; 0 where that is not known.

    It may have been fitted to more rows than the `n_samples` that flow.
    """
    alignment = getattr(aligner, "alignment_", None)
    n_samples = max(n_samples, getattr(aligner, "_n_rows", 0))
    if alignment is None:
        return 0.0
    parameters = [done.n_parameters for done in alignment.candidates if done.name == alignment.invariance]
    return max(parameters, default=0) / (n_samples * len(alignment.map.image))
