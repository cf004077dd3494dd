"""The likeliest rotations near where transport plans led to, and near the principal axes in their order of size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._affine_map import AffineMap
from ._likelihood import RotationLikelihood
from ._pair import Pair

ROWS_TO_KNOW, MOST_ROWS, MOST_TURNED = 60, 350, 32
"""Rows below which distributions are hardly known, and beyond which a transport plan tells the right rotation as well;
columns beyond which there are too many rotations to be tried."""
N_ENDS, NEAR_AXIS = 8, 0.5
"""Ends that give principal axes their signs, and the cosine with an axis from which on they do."""
N_EACH, N_EXCHANGED = 3, 3
"""Maps of either kind that are refined a little, and principal axes with signs of which some are then exchanged."""
FIRST_ROUNDS, ROUNDS = 2, 5
"""Rounds of a little refinement, and of a whole one."""
ONE_COST = 1e-6
"""Difference between two costs, in nats, that are taken for those of one map."""


@dataclass(frozen=True)
class Likely:
    """A map, where it began, and minus its log-likelihood."""

    map: AffineMap
    start: str
    cost: float


def worth_likelihoods(pair: Pair) -> bool:
    """Whether there are so few rows, and columns, that rotations are told apart by their likelihood."""
    few = ROWS_TO_KNOW <= min(len(pair.X), len(pair.Y)) <= MOST_ROWS
    return few and pair.X.shape[1] == pair.Y.shape[1] <= MOST_TURNED


def likeliest(pair: Pair, ends: list[Likely]) -> tuple[list[Likely], Likely]:
    """Maps near `ends` and near the principal axes, the likeliest first; and that near the first of the ends.

    Second moments fix a rotation up to the signs of the principal axes, and up to turns among axes of like variances:
    signs and exchanges are tried, and what comes of them is refined.
    """
    likelihood = RotationLikelihood(pair)
    signed = _signed_axes(pair, likelihood, ends)
    begun = ends[:1]
    for kind in (ends, signed):
        begun += _best([_named(likelihood.flipped(h.map), h.start) for h in kind], N_EACH)
    refined = [_named(likelihood.refine(h.map, FIRST_ROUNDS), h.start) for h in begun]
    near_first = refined[0]
    # Axes are exchanged before a refinement, too: after it those of large variance stay where they are.
    for some in ([*signed[:N_EXCHANGED], *_best(refined, 1)], _best(refined, 1)):
        for h in some:
            turned, _ = likelihood.turned(h.map)
            refined.append(_named(likelihood.refine(turned, ROUNDS), h.start))
    return _best(refined, len(refined)), near_first


def _signed_axes(pair: Pair, likelihood: RotationLikelihood, ends: list[Likely]) -> list[Likely]:
    """Maps from principal axes to principal axes in their order.

    Signs are those of the skewness; and those of each of `ends` where it is near the axes, of the skewness elsewhere.
    """
    center, image = pair.a @ pair.X, pair.b @ pair.Y
    axes = np.linalg.eigh((pair.X - center).T @ (pair.a[:, None] * (pair.X - center)))[1][:, ::-1]
    skewness = pair.a @ ((pair.X - center) @ axes) ** 3 * (pair.b @ ((pair.Y - image) @ likelihood.axes) ** 3)
    cosines = [np.diag(axes.T @ h.map.matrix @ likelihood.axes) for h in ends[:N_ENDS]]
    known = [np.where(np.abs(cosine) > NEAR_AXIS, cosine, skewness) for cosine in cosines]
    return [
        Likely(
            AffineMap(center, image, (axes * np.where(signs < 0, -1.0, 1.0) @ likelihood.axes.T,)),
            "principal axes",
            np.inf,
        )
        for signs in (skewness, *known)
    ]


def _named(answer: tuple[AffineMap, float], start: str) -> Likely:
    return Likely(answer[0], start, answer[1])


def _best(maps: list[Likely], n: int) -> list[Likely]:
    """The n likeliest, each once."""
    ordered = sorted(maps, key=lambda h: h.cost)
    return [h for k, h in enumerate(ordered) if k == 0 or h.cost > ordered[k - 1].cost + ONE_COST][:n]
