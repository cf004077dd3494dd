"""Which class of maps: held-out rows decide, and of those that are as good the simplest is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._proportions import PRIOR_SHARE, estimate_proportions
from ._affine_map import AffineMap, Array
from ._alternation import fit_again, schedule
from ._base import Invariance
from ._divergence import sinkhorn_divergence, typical_reg
from ._gaussian_classes import GaussianPosterior
from ._views import View

Posterior = Callable[[Array], Array]
"""Rows in the target's own columns and units, (n, k), to probabilities of its sorted codes, (n, K)."""

JUDGED_ROWS = 700
"""Rows of a held-out half that the divergence is taken on."""
NEAR_DIVERGENCE = 1.25
"""Ratio of the divergence to its floor up to which a map that is not ambiguous is taken before one that is."""
AMBIGUOUS = 0.1
"""Ambiguity beyond which a map counts as not found."""
N_TURNED = 3
"""Draws of the axes in which one half of the target is turned over."""
UNLIKELY = 1e-3
"""Probability below which a label is as unlikely as can be."""
RHO = 0.2
"""Price of changed class proportions, and of labels that do not fit: per nat, in units of the target's variance."""


@dataclass(frozen=True)
class Candidate:
    """A class of maps with its best map, fitted on all rows, and its held-out score.

    Parameters
    ----------
    name : str
    invariance : Invariance
    map : AffineMap
        Between rows in the user's units.
    objective : float
        Transport cost of the last plan, in units of the target's total variance.
    n_parameters : int
    divergence : float
        Debiased Sinkhorn divergence of held-out halves, the target's class proportions re-estimated.
    proportions_change : float
        Total variation between the target's class proportions and those estimated for the mapped source.
    score : float
        The divergence, the price of the change of proportions, and what labels say against the classes of their rows.
    ambiguity : float
        Largest share of the source's rows that another map of the class, which fits as well, sends to another class.
    standard_error : float
        Of the difference between this score and the lowest.
    """

    name: str
    invariance: Invariance
    map: AffineMap
    objective: float
    n_parameters: int
    divergence: float
    proportions_change: float
    score: float
    ambiguity: float = 0.0
    standard_error: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """Held-out score of one class of maps, fold by fold, with what each row contributes."""

    divergence: float
    change: float
    score: float
    contributions: tuple[Array, ...]

    def standard_error(self, other: Judgement) -> float:
        """Of the difference between two scores taken on the same rows."""
        differences = [p - q for p, q in zip(self.contributions, other.contributions, strict=True)]
        n_folds = len(differences) / 2
        return float(np.sqrt(sum(d.var() / len(d) for d in differences)) / n_folds)


class Judge:
    """Scores maps on rows that they were not fitted on: each half of either side is fitted on and judged on in turn.

    Parameters
    ----------
    view : View
        Any view of the rows that are to be judged.
    posterior : callable or None
        Classes of the target as probabilities; Gaussian classes stand in for it where None.
    rng : RandomState
        Draws the halves.
    """

    def __init__(self, view: View, posterior: Posterior | None, rng: np.random.RandomState) -> None:
        pair = self._pair = view.pair
        self._target = pair.Y @ view.judged
        # Where every label is known, rows are compared class by class, with the classes in the source's proportions.
        self._by_class = pair.y is not None and pair.t is not None and (pair.y >= 0).all() and (pair.t >= 0).all()
        self._sources = _halves(len(pair.X), pair.y if self._by_class else None, rng)
        self._targets = _halves(len(pair.Y), pair.t, rng)
        first, second = (half[:JUDGED_ROWS] for half in self._targets)
        self.reg = typical_reg(self._target[first], self._target[second])
        self._posterior = posterior
        self._codes = np.empty(0, dtype=int) if pair.t is None else np.unique(pair.t[pair.t >= 0])
        if pair.t is not None and len(self._codes) > 1:
            known = pair.t >= 0
            t = np.searchsorted(self._codes, pair.t[known])
            self._prior = np.bincount(t, pair.b[known]) / pair.b[known].sum()
            self._gaussian = GaussianPosterior(self._target[known], t)

    @cached_property
    def floor(self) -> float:
        """The divergence between two halves of the target."""
        return self._between_halves(np.ones(self._target.shape[1]))

    @cached_property
    def unrelated(self) -> float:
        """The same where one half is turned over in random principal axes: what a wrong map of full rank may have."""
        rng = np.random.RandomState(0)
        turns = [rng.choice([-1.0, 1.0], self._target.shape[1]) for _ in range(N_TURNED)]
        return float(np.mean([self._between_halves(turn) for turn in turns]))

    def _between_halves(self, turn: Array) -> float:
        first, second = (half[:JUDGED_ROWS] for half in self._targets)
        first = first[: len(self._sources[0])]
        A, B, b, c = self._target[first], self._target[second], *(_normed(self._pair.b[at]) for at in (first, second))
        codes = None
        if self._by_class and self._pair.t is not None:
            codes = self._pair.t[first], self._pair.t[second]
            b, c = _matched(b, c, *codes)
        return sinkhorn_divergence(A * turn, B, b, c, self.reg, codes).value

    def judge(self, view: View, invariance: Invariance, start: AffineMap) -> Judgement:
        """The held-out score of a class of maps, refitted from `start` on each half."""
        folds = []
        for fit, held in ((0, 1), (1, 0)):
            part = view.pair.rows(self._sources[fit], self._targets[fit])
            h = fit_again(part, invariance.near(start, view.pair), start, schedule(0.02, 0.01, 4))
            folds.append(self._judge_on(view, h, held))
        value, change, score = (
            float(mean) for mean in np.mean([(fold.divergence, fold.change, fold.score) for fold in folds], axis=0)
        )
        return Judgement(value, change, score, tuple(part for fold in folds for part in fold.contributions))

    def appraise(self, view: View, h: AffineMap) -> Judgement:
        """The score of one map on a half of either side that it may have been fitted on."""
        return self._judge_on(view, h, 0)

    def _judge_on(self, view: View, h: AffineMap, half: int) -> Judgement:
        j = self._targets[half][:JUDGED_ROWS]
        i = self._sources[half][: len(j)]
        mapped = h(view.pair.X[i])
        posterior = self._class_posterior(view, mapped) if len(self._codes) > 1 else None
        a, b, change, price = self._weights(posterior, i, j)
        misfit = RHO * self._misfit(posterior, i)
        y, t = self._pair.y, self._pair.t
        codes = (y[i], t[j]) if self._by_class and y is not None and t is not None else None
        divergence = sinkhorn_divergence(mapped @ view.judged, self._target[j], a, b, self.reg, codes)
        score = max(divergence.value, self.floor) + price + float(a @ misfit)
        contributions = len(a) * a * (divergence.of_rows + misfit), len(b) * b * divergence.of_target
        return Judgement(divergence.value, change, score, contributions)

    def disagreement(self, view: View, h: AffineMap, other: AffineMap) -> float:
        """Share of the source's rows that two maps send to different classes.

        Without classes in the target, the maps' mean squared distance takes its place, as a share of what unrelated
        rows have.
        """
        X, a = view.pair.X, self._pair.a
        if len(self._codes) < 2:
            spread = self._pair.b @ ((self._pair.Y - self._pair.b @ self._pair.Y) ** 2).sum(1)
            apart, unrelated = float(a @ ((h(X) - other(X)) ** 2).sum(1)), 2 * float(spread)
            return apart / unrelated if apart < unrelated else float(apart > 0)
        classes = [self._class_posterior(view, g(X)).argmax(1) for g in (h, other)]
        return float(a @ (classes[0] != classes[1]))

    def _weights(self, posterior: Array | None, i: Array, j: Array) -> tuple[Array, Array, float, float]:
        """Weights of rows `i` and `j`, the target's classes in the source's proportions; the change and its price."""
        a, b = _normed(self._pair.a[i]), _normed(self._pair.b[j])
        if posterior is None or self._pair.t is None:
            return a, b, 0.0, 0.0
        if self._by_class and self._pair.y is not None:
            return *_matched(a, b, self._pair.y[i], self._pair.t[j]), 0.0, 0.0
        at, known = self._known(i)
        posterior = np.where(known[:, None], np.eye(len(self._codes))[at], posterior)
        prior = self._prior
        w = estimate_proportions(posterior, prior, a, prior_share=PRIOR_SHARE, max_iter=100)
        t = self._pair.t[j]
        known = t >= 0
        b[known] *= (w / prior)[np.searchsorted(self._codes, t[known])]
        change = float(np.abs(w - prior).sum() / 2)
        return a, _normed(b), change, RHO * float((w * np.log(w / prior)).sum())

    def _misfit(self, posterior: Array | None, i: Array) -> Array:
        """Minus the log-probability of the label of each row that has one: classes may fit and yet lie across."""
        at, known = self._known(i)
        if posterior is None:
            return np.zeros(len(i))
        return np.where(known, -np.log(posterior[np.arange(len(i)), at].clip(UNLIKELY)), 0.0)

    def _known(self, i: Array) -> tuple[Array, Array]:
        """Place of each row's label among the target's codes, and whether it has one."""
        if self._pair.y is None or not len(self._codes):
            return np.zeros(len(i), dtype=int), np.zeros(len(i), dtype=bool)
        at = np.searchsorted(self._codes, self._pair.y[i]).clip(max=len(self._codes) - 1)
        return at, self._codes[at] == self._pair.y[i]

    def _class_posterior(self, view: View, mapped: Array) -> Array:
        if self._posterior is None:
            return self._gaussian(mapped @ view.judged)
        posterior = np.asarray(self._posterior(view.to_rows(mapped)), dtype=np.float64)
        if posterior.shape != (len(mapped), len(self._codes)):
            raise ValueError(
                f"posterior must return one column for each of the {len(self._codes)} codes in y_target, shape "
                f"{(len(mapped), len(self._codes))}; got {posterior.shape}."
            )
        return posterior


def choose(
    candidates: Sequence[Candidate], judgements: Sequence[Judgement], floor: float, turned: bool
) -> tuple[int, list[Candidate]]:
    """Index of the simplest candidate that is as good as the best, and all with their standard errors filled in.

    As good is within one standard error and two percent of the floor. Where the search ended where it began, at the
    identity, the Gaussian map is simpler than a class that could have turned; where it found a turn (`turned`), it is
    the last resort. A class whose map is ambiguous gives way to one that turns, is not, and comes near the floor.
    """
    firm = [c.ambiguity <= AMBIGUOUS for c in candidates]
    near = [c.invariance.turns and c.divergence <= NEAR_DIVERGENCE * floor for c in candidates]
    if not any(f and n for f, n in zip(firm, near, strict=True)):
        firm = [True] * len(candidates)
    # Of a handful of rows a half may have no counterpart, and no score.
    eligible = [judgement for judgement, f in zip(judgements, firm, strict=True) if f]
    best = min(eligible, key=lambda judgement: (not np.isfinite(judgement.score), judgement.score))
    errors = [judgement.standard_error(best) for judgement in judgements]

    def rank(k: int) -> tuple[int, int, float]:
        candidate = candidates[k]
        group = 0 if candidate.invariance.by_column else 1 if candidate.invariance.turns == turned else 2
        return group, candidate.n_parameters, candidate.score

    good = [
        k
        for k, (c, e) in enumerate(zip(candidates, errors, strict=True))
        if firm[k] and c.score <= best.score + e + 0.02 * floor
    ]
    return min(good or [0], key=rank), [replace(c, standard_error=e) for c, e in zip(candidates, errors, strict=True)]


def _halves(n: int, codes: Array | None, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Two random halves of `n` rows, each code in equal parts in both, in random order."""
    order = rng.permutation(n)
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    first, second = order[::2], order[1::2] if n > 1 else order
    return rng.permutation(first), rng.permutation(second)


def _matched(a: Array, b: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Weights without the classes that one side lacks, each class of the target with as much mass as in the source."""
    a, b = a * np.isin(y, t), b * np.isin(t, y)
    a = _normed(a)
    for code in np.unique(t):
        mass = b[t == code].sum()
        if mass > 0:
            b[t == code] *= a[y == code].sum() / mass
    return a, b


def _normed(w: Array) -> Array:
    total = w.sum()
    return w / total if total > 0 else w
