"""Alignment of two datasets: the search, the best map of each class, and the choice between them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from .._sklearn import InvalidParameterError
from ._affine_map import AffineMap, Array
from ._alternation import Monitor, Pair, alternate, schedule
from ._choice import Candidate, Judge, Judgement, Posterior, choose
from ._coordinates import Coordinates, Workspace
from ._invariances import INVARIANCES, Invariance
from ._moments import PlanMoments
from ._search import Found, search, subsample

MAX_ROWS = 3000
"""Rows a side that a map is fitted on; a subsample of more."""
MAX_PERMUTED = 2048
"""Columns beyond which their order is not looked for unless asked."""
LARGEST = 1e140
"""Size of a value beyond which its square is near the end of the floating-point range."""
MISSED = 0.15
"""Excess of the divergence over its floor, in units of the target's total variance, that counts as not found."""

Classes = str | Invariance | Sequence[str | Invariance]


@dataclass(frozen=True)
class Alignment:
    """One global map from the source to the target, and how it was found.

    Parameters
    ----------
    map : AffineMap
        The map between rows in the user's units.
    invariance : str
        Name of its class.
    start : str
        Where the alternation began.
    n_starts : int
        Number of starts that were tried.
    objective : float
        Transport cost of the last plan, in units of the target's total variance.
    divergence : float
        Debiased Sinkhorn divergence between held-out mapped rows and the target's, in units of the target's total
        variance in its leading principal axes.
    floor : float
        The divergence between two halves of the target.
    verdict : {"aligned", "identity", "not found"}
        "identity": rows are best left as they are. "not found": the divergence stays far above its floor, so that the
        two sides are not the same up to any map that was tried.
    candidates : list of Candidate
        All classes of maps that were tried.
    """

    map: AffineMap
    invariance: str
    start: str
    n_starts: int
    objective: float
    divergence: float
    floor: float
    verdict: str
    candidates: list[Candidate] = field(repr=False)

    @property
    def matrix(self) -> Array:
        """A of ``h(x) = x A + offset``, shape (d, k)."""
        return self.map.matrix

    @property
    def offset(self) -> Array:
        """Offset of ``h(x) = x A + offset``, shape (k,)."""
        return self.map.offset

    def transform(self, X: ArrayLike) -> Array:
        """Rows of the source (n, d) as rows of the target (n, k)."""
        return self.map(X)

    def inverse_transform(self, Z: ArrayLike) -> Array:
        """Rows of the target (n, k) as rows of the source (n, d): least squares where the map cannot be undone."""
        return self.map.inverse(Z)


def align(
    X: ArrayLike,
    X_target: ArrayLike,
    *,
    y: ArrayLike | None = None,
    y_target: ArrayLike | None = None,
    invariance: Classes = "auto",
    sample_weight: ArrayLike | None = None,
    posterior: Posterior | None = None,
    max_starts: int = 128,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Alignment:
    """Align source rows with target rows up to a global map, with full, coarse, few or no labels.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Source rows.
    X_target : array-like of shape (m, k)
        Target rows; k may differ from d.
    y : array-like of integers of shape (n,), optional
        Codes of the source rows, in the same coding as `y_target`; -1 where unknown. A row whose code the target does
        not have has no counterpart and is left out; if no code is shared at all, `y` says nothing and is not used.
    y_target : array-like of integers of shape (m,), optional
        Codes of the target rows. Without `y` they still tell a change of class proportions from a movement.
    invariance : str, Invariance or sequence of them, default="auto"
        Names of :data:`INVARIANCES` or objects. Of several, held-out rows choose. "auto" tries all that make sense.
    sample_weight : array-like of shape (n,), optional
        Weights of the source rows.
    posterior : callable, optional
        Probabilities (n, K) of the target's sorted codes for rows in the target's columns, from any classifier of the
        target.
    max_starts : int
        Most starts to be tried.
    seed : int
        Seed of the subsamples and halves.
    monitor : callable, optional
        Called as ``monitor(step, objective)`` after each round of starts and each class of maps; a true answer ends
        the work.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        For arrays of wrong shape or values that are not finite, and for a class of maps that needs the same columns on
        both sides where they differ.
    """
    pair = _read(X, X_target, y, y_target, sample_weight)
    classes = _classes(invariance, pair)
    rng = np.random.RandomState(seed)
    work = Workspace.of(subsample(pair, rng, MAX_ROWS))
    judge = Judge(work.columns, posterior, rng)
    found: Found | None = None
    candidates: list[Candidate] = []
    judgements: list[Judgement] = []
    # Classes that need no search come first. Where one that treats column by column reaches the floor, nothing is
    # left to look for; the Gaussian map matches all second moments, and may be near the floor and wrong.
    for step, (name, c) in enumerate(sorted(classes.items(), key=lambda item: item[1].turns)):
        if c.turns and found is None:
            if any(done.invariance.by_column and _reaches(done, judge.floor) for done in candidates):
                break
            found = search(work.scaled.pair, rng, same=work.scaled.same, max_starts=max_starts, monitor=monitor)
            if found.others and work.columns.same is not None:
                found = min((found, *found.others), key=lambda end: judge.appraise(work.scaled, end.map))
        candidate, judgement = _candidate(name, c, work, found, judge)
        candidates.append(candidate)
        judgements.append(judgement)
        if monitor is not None and monitor(step, candidate.objective):
            break
    turned = found is not None and found.start != "identity"
    chosen, candidates = choose(candidates, judgements, judge.floor, turned)
    return _alignment(candidates, chosen, found, judge.floor)


def _alignment(candidates: list[Candidate], chosen: int, found: Found | None, floor: float) -> Alignment:
    best = candidates[chosen]
    searched = found is not None and best.invariance.turns
    missed = best.divergence > floor + MISSED
    verdict = "identity" if best.name == "identity" else "not found" if missed else "aligned"
    return Alignment(
        best.map,
        best.name,
        found.start if found is not None and searched else "moments",
        found.n_starts if found is not None and searched else 1,
        best.objective,
        best.divergence,
        floor,
        verdict,
        candidates,
    )


def _reaches(candidate: Candidate, floor: float) -> bool:
    """Whether the divergence is at its floor, without classes that would have to change much."""
    return candidate.divergence <= floor and candidate.score <= 1.25 * floor


def _candidate(
    name: str, invariance: Invariance, work: Workspace, found: Found | None, judge: Judge
) -> tuple[Candidate, Judgement]:
    """The best map of a class near where the search ended, or near the map of the two sides' moments."""
    at = work.columns if invariance.by_column else work.own if invariance.turns else cast(Coordinates, work.common)
    if invariance.turns:
        start = work.between(cast(Found, found).map, at)
    else:
        start = invariance.fit(PlanMoments.of_marginals(at.pair.X, at.pair.Y, at.pair.zero))
    end = alternate(at.pair, invariance, start, schedule(0.05, 0.01, 12), n_iter=10)
    judgement = judge.judge(at, invariance, end.map)
    n_features = work.columns.pair.X.shape[1], work.columns.pair.Y.shape[1]
    candidate = Candidate(
        name,
        invariance,
        at.lift(end.map),
        end.objective,
        invariance.n_parameters(*n_features),
        judgement.divergence,
        judgement.change,
        judgement.score,
    )
    return candidate, judgement


def _classes(invariance: Classes, pair: Pair) -> dict[str, Invariance]:
    """The classes of maps to be tried, by name."""
    d, k = pair.X.shape[1], pair.Y.shape[1]
    if isinstance(invariance, str) and invariance == "auto":
        classes: dict[str, Invariance] = {name: kind() for name, kind in INVARIANCES.items()}
        if max(d, k) > MAX_PERMUTED:
            del classes["permutation"]
        if d < k:  # an isometry leaves the columns that the source lacks to chance; the affine map fills them in
            return {name: classes[name] for name in ("permutation", "affine") if name in classes}
        return {name: c for name, c in classes.items() if d == k or not c.same_columns}
    asked = [invariance] if isinstance(invariance, str | Invariance) else list(invariance)
    classes = dict(_named(item) for item in asked)
    if not classes:
        raise InvalidParameterError("invariance must name at least one class of maps; got an empty sequence.")
    for name, c in classes.items():
        c.validate()
        if c.same_columns and d != k:
            raise InvalidParameterError(
                f"invariance={name!r} needs the same columns on both sides; X has {d} and X_target has {k}."
            )
    return classes


def _named(item: str | Invariance) -> tuple[str, Invariance]:
    if isinstance(item, Invariance):
        names = [name for name, kind in INVARIANCES.items() if type(item) is kind]
        return (names[0] if names else type(item).__name__), item
    if isinstance(item, str) and item in INVARIANCES:
        return item, INVARIANCES[item]()
    near = difflib.get_close_matches(str(item), INVARIANCES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InvalidParameterError(
        f"invariance must be 'auto', an Invariance or one of {list(INVARIANCES)}; got {item!r}.{hint}"
    )


def _read(
    X: ArrayLike, X_target: ArrayLike, y: ArrayLike | None, y_target: ArrayLike | None, weights: ArrayLike | None
) -> Pair:
    """Both sides as a pair in the user's units, without rows of no weight or counterpart, in an order of their own."""
    S, T = _rows(X, "X"), _rows(X_target, "X_target")
    a = np.ones(len(S)) if weights is None else np.asarray(weights, dtype=np.float64)
    if a.shape != (len(S),) or not np.isfinite(a).all() or (a < 0).any() or a.sum() <= 0:
        raise ValueError(f"sample_weight must be {len(S)} numbers >= 0, not all zero; got an array of shape {a.shape}.")
    codes, codes_target = _codes(y, len(S), "y"), _codes(y_target, len(T), "y_target")
    keep = a > 0
    if codes is not None and codes_target is not None:
        shared = np.isin(codes, codes_target[codes_target >= 0])
        if not (shared & keep).any() or (codes_target < 0).all():
            codes = None
        else:
            keep &= shared | (codes < 0)
    else:
        codes = None
    S, a, codes = _once(S[keep], a[keep], None if codes is None else codes[keep])
    pair = Pair(S, T, a / a.sum(), np.full(len(T), 1 / len(T)), codes, codes_target)
    return pair.rows(_canonical_order(S), _canonical_order(T))


def _once(S: Array, a: Array, codes: Array | None) -> tuple[Array, Array, Array | None]:
    """Each row once, with the weight of its repetitions: to repeat a row and to weigh it are the same."""
    together = S if codes is None else np.column_stack([codes, S])
    _, first, place = np.unique(together, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(S):
        return S, a, codes
    return S[first], np.bincount(place.ravel(), a), None if codes is None else codes[first]


def _canonical_order(Z: Array) -> Array:
    """Rows by their distance from the mean: an order that does not depend on the one they came in."""
    return np.argsort(((Z - Z.mean(0)) ** 2).sum(1), kind="stable")


def _rows(X: ArrayLike, name: str) -> Array:
    Z = np.asarray(X, dtype=np.float64)
    if Z.ndim != 2 or 0 in Z.shape:
        raise ValueError(f"{name} must have shape (n_samples, n_features) with at least one of each; got {Z.shape}.")
    if not np.isfinite(Z).all():
        raise ValueError(f"{name} must be finite; it contains NaN or infinity.")
    if np.abs(Z).max() > LARGEST:
        raise ValueError(f"{name} must be below {LARGEST:g} in size, so that its squares are; got {np.abs(Z).max():g}.")
    return Z


def _codes(y: ArrayLike | None, n: int, name: str) -> Array | None:
    if y is None:
        return None
    codes = np.asarray(y)
    if codes.shape != (n,) or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"{name} must be {n} integer codes; got {codes.dtype} of shape {codes.shape}.")
    return codes.astype(np.int64)
