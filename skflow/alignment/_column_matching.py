"""Which column is which: two sets of columns matched by their distributions and by how they depend on each other.

Rows need no counterparts for this. Up to an order and signs of the columns, two datasets have the same marginals and
the same copula. The right order is the one of which the two sides speak least against being the same: the likelihood
ratio test of equal correlation matrices (Box, "A general distribution theory for a class of likelihood criteria", 1949;
Anderson, "An introduction to multivariate statistical analysis", 2003, chapter 10), taken on normal scores, so that
heavy tails and units do not count (Liu, Lafferty and Wasserman, "The nonparanormal", 2009), and for each pair of
columns the smooth test of equal distributions (Neyman, 1937). Both are minus twice a log-likelihood ratio, and are
added as they are. Unlike squared differences of covariances, the ratio sees directions of little variance, in which
columns that are nearly the same differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ._affine_map import Array
from ._column_problem import ColumnProblem
from ._column_summary import N_COMPONENTS, ColumnSummary

N_STARTS, AGREEING = (400, (6, 40)), (200, (3, 20))
"""Most starts, and starts that must lead to the lowest cost for it to be taken for the lowest: a number over that of
the columns, and limits. Of many columns, one order alone is likely; of few, chance makes rivals."""
FEW_STARTS = 3
"""Starts after which a search is given up that has found nothing like what is looked for."""
LIKELY, TELLING = 1.4, 2.2
"""Ratio of the cost to its expectation for two samples of one distribution up to which an order is likely, if that of
random orders is as many times higher."""
N_RANDOM = 40
"""Random orders."""
FEWEST = 4
"""Columns from which random orders say something."""


@dataclass(frozen=True)
class Matching:
    """Columns of the source as columns of the target.

    Parameters
    ----------
    matrix : array of shape (d, k)
        Entries -1, 0 and 1.
    cost : float
        Minus twice the log of the likelihood ratio.
    likely : bool
        Whether two samples of one distribution would differ as much, and random orders would differ more.
    shifted : bool
        Whether columns have offsets; else their values stay as they are.
    contrast : float
        Ratio of the cost of random orders to its own.
    """

    matrix: Array
    cost: float
    likely: bool
    shifted: bool
    contrast: float = 1.0


def match_columns(
    source: ColumnSummary,
    target: ColumnSummary,
    rng: np.random.RandomState,
    *,
    signs: bool = True,
    offsets: bool = False,
    least_contrast: float = 0.0,
) -> list[Matching]:
    """Local optima of the matching of columns, the best first.

    Parameters
    ----------
    source, target : ColumnSummary
        Of d and k columns.
    rng : RandomState
        Draws the starts.
    signs : bool
        Whether a column may be turned upside down. The simplest is tried first: values that stay as they are, then
        offsets, then signs, until an order is likely.
    offsets : bool
        Whether each column has one, so that values as they are tell nothing.
    least_contrast : float
        Contrast below which after a few starts the search is given up.
    """
    if len(source.correlation) > len(target.correlation):
        flipped = match_columns(target, source, rng, signs=signs, offsets=offsets, least_contrast=least_contrast)
        return [replace(matching, matrix=matching.matrix.T) for matching in flipped]
    ends: list[Matching] = []
    for shifted, turned in ((False, False), (True, False), (True, True)):
        if any(end.likely for end in ends) or (turned and not signs):
            break
        if offsets and not shifted:
            continue
        ends += _local_optima(ColumnProblem(source, target, shifted, turned), rng, least_contrast)
    ends.sort(key=lambda end: end.cost)
    # Columns that do not vary may stand anywhere, at the same cost.
    return [
        end for before, end in zip([None, *ends], ends, strict=False) if not before or not _same(end.cost, before.cost)
    ]


class InPlace(NamedTuple):
    """Whether columns may be in their places, and whether they surely are."""

    maybe: bool
    surely: bool


def correspond(source: ColumnSummary, target: ColumnSummary, rng: np.random.RandomState) -> InPlace:
    """Whether columns are in their places, by their correlations: no random order has them more alike.

    They may be, too, where correlations are too few, or too weak, to tell. They surely are where correlations differ no
    more than by chance, and those of random orders do: no rotation leaves them like that. Correlations are of normal
    scores, which no change of single columns touches, be it of their units or of their distributions.
    """
    problem, d = ColumnProblem(source, target), len(source.correlation)
    if d < FEWEST:
        return InPlace(True, False)
    signs, expected = np.ones(d), d * (d - 1) / 2
    random = [problem.dependence(rng.permutation(d), signs) for _ in range(N_RANDOM)]
    own, typical = problem.dependence(np.arange(d), signs), float(np.median(random))
    maybe = typical <= TELLING * expected or own < min(random)
    return InPlace(maybe, maybe and TELLING * own < min(TELLING * LIKELY * expected, typical))


def _local_optima(problem: ColumnProblem, rng: np.random.RandomState, least_contrast: float) -> list[Matching]:
    """Where starts lead, until enough of them have led to the lowest cost.

    The first start is the assignment by the columns' distributions alone; the others disturb it. Every other one first
    goes by weak correlations, where other local optima are in its way.
    """
    nodes = problem.nodes
    d = nodes.shape[1]
    n_starts, n_agreeing = (int(np.clip(most // d, *limits)) for most, limits in (N_STARTS, AGREEING))
    expected = d * (d - 1) / 2 + N_COMPONENTS * d
    orders = [rng.permutation(nodes.shape[2])[:d] for _ in range(N_RANDOM)]
    random = float(np.median([problem.value(p, np.ones(d)) for p in orders]))
    price = 2 * np.log(2) * d if problem.signs else 0.0  # of telling signs among all that there may be
    ends: list[Matching] = []
    for start in range(n_starts):
        p, s = problem.assign(nodes * rng.exponential(size=nodes.shape) if start else nodes)
        for n_rows in (problem.n, d)[start % 2 :]:
            problem.shrink(n_rows)
            p, s = problem.descend(p, s)
        matrix = np.zeros(nodes.shape[1:])
        matrix[np.arange(d), p] = s
        cost = problem.value(p, s) + price
        likely = TELLING * cost < min(TELLING * LIKELY * expected, random)
        ends.append(Matching(matrix, cost, likely, problem.shifted, random / max(cost, np.finfo(float).tiny)))
        lowest = min(end.cost for end in ends)
        if start + 1 == FEW_STARTS and random < least_contrast * lowest:
            break
        if sum(_same(end.cost, lowest) for end in ends) >= n_agreeing:
            break
    return ends


def _same(cost: float, other: float) -> bool:
    return abs(cost - other) <= 1e-6 * max(abs(cost), abs(other), 1.0)
