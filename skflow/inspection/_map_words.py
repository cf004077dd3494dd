"""A global map in words: the simplest description that agrees with what the map does to rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._markup import name_of, number

AGREES = 0.85
"""Share of the rows' variance that a description must account for."""
NO_LONGER = 0.005
"""Share of the variance for which a description is not exchanged for a longer one."""
NEARLY = 0.5
"""Further disagreement, as a share of that of the best description, that is given up for a shorter one."""
ALIKE = 0.1
"""Relative difference below which two factors are not told apart: a map that was found is never exact."""
UNITS = 0.25
"""Logarithm of a column's factor, beside that of the others, from which on its unit is another one."""
MOST_NAMED = 6
"""Columns that are named; more are counted."""
MOST_MATCHED = 1500
"""Columns beyond which they are not matched with each other."""


@dataclass(frozen=True)
class Description:
    """What a map does, in words.

    Parameters
    ----------
    sentence : str
    agreement : float
        Share of the variance of the mapped rows that the description accounts for, one where it is exact.
    """

    sentence: str
    agreement: float


def describe_map(
    X: np.ndarray,
    moved: np.ndarray,
    names: Sequence[str],
    names_out: Sequence[str],
    image_shape: tuple[int, ...] | None = None,
) -> Description:
    """The simplest description of a map that agrees with where it takes rows, else that which agrees best.

    Parameters
    ----------
    X, moved : ndarray of shape (n, d), (n, k)
        Rows before the map and after it.
    names, names_out : sequence of str
        Names of their columns.
    image_shape : tuple (height, width), optional
        Of rows that are images.
    """
    X, moved = np.asarray(X, dtype=float), np.asarray(moved, dtype=float)
    found = [
        Description(sentence, agreement(guess, moved))
        for sentence, guess in _descriptions(X, moved, names, names_out, image_shape)
    ]
    best = max((description.agreement for description in found), default=-np.inf)
    if best < AGREES:
        return Description(_general(X, moved), 1.0)
    return next(description for description in found if description.agreement >= best - NEARLY * (1 - best) - NO_LONGER)


def agreement(guess: np.ndarray, moved: np.ndarray) -> float:
    """Share of the variance of `moved` that `guess` accounts for."""
    total = np.square(moved - moved.mean(axis=0)).sum()
    return 1 - float(np.square(guess - moved).sum() / total) if total > 0 else float(np.allclose(guess, moved))


def _descriptions(
    X: np.ndarray,
    moved: np.ndarray,
    names: Sequence[str],
    names_out: Sequence[str],
    image_shape: tuple[int, ...] | None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Sentences, the simplest first, each with where rows would go if it were all that happens."""
    d, k = X.shape[1], moved.shape[1]
    if d == k:
        yield _nearly_nothing(X, moved)
        yield from _same_for_all(X, moved)
        yield _units(X, moved, names)
        if image_shape is None and int(d**0.5) ** 2 == d and d >= 9:
            image_shape = int(d**0.5), int(d**0.5)
        if image_shape is not None and len(image_shape) == 2 and image_shape[0] * image_shape[1] == d:
            yield from _as_pictures(X, moved, image_shape)
        if d == 2:
            yield _in_the_plane(X, moved)
    if max(d, k) <= MOST_MATCHED:
        yield _columns(X, moved, names, names_out)


def _nearly_nothing(X: np.ndarray, moved: np.ndarray) -> tuple[str, np.ndarray]:
    movement, spread = np.square(moved - X).sum(), np.square(X - X.mean(axis=0)).sum()
    if movement <= 1e-12 * spread:
        return "Rows are left as they are.", X
    # A movement of a fiftieth of the variance is something to be told of.
    return "Rows hardly move.", X if movement < 0.02 * spread else np.full_like(moved, np.inf)


def _fit(X: np.ndarray, moved: np.ndarray) -> tuple[float, np.ndarray]:
    """The one factor, and the offset of each column, by least squares."""
    centred, wanted = X - X.mean(axis=0), moved - moved.mean(axis=0)
    factor = float((centred * wanted).sum() / max(np.square(centred).sum(), 1e-300))
    return factor, moved.mean(axis=0) - factor * X.mean(axis=0)


def _same_for_all(X: np.ndarray, moved: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    shift = moved.mean(axis=0) - X.mean(axis=0)
    yield _shift_words(shift), X + shift
    factor, offset = _fit(X, moved)
    yield _factor_words(factor, offset, X), factor * X + offset


def _shift_words(shift: np.ndarray) -> str:
    if np.ptp(shift) <= ALIKE * np.abs(shift).max(initial=0):
        return f"All values are shifted by {number(shift.mean())}."
    return "Each column is shifted by a number of its own; nothing else changes."


def _factor_words(factor: float, offset: np.ndarray, X: np.ndarray) -> str:
    varying = X.std(axis=0) > 1e-12
    common = float(np.median(offset[varying])) if varying.any() else 0.0
    spread = np.abs(offset[varying] - common).mean() if varying.any() else 0.0
    even = spread < 0.1 * max(X.std(), 1e-300)
    if factor < 0 and even:
        times = "" if abs(factor + 1) < ALIKE else f", {number(-factor)} times as large"
        return f"All values are inverted{times}: each becomes about {number(common)} minus itself."
    turned = "inverted and " if factor < 0 else ""
    moved = "" if even and abs(common) < ALIKE * max(np.abs(X).max(), 1e-300) else ", and shifted"
    return f"All values are {turned}{number(abs(factor))} times as large{moved}."


def _units(X: np.ndarray, moved: np.ndarray, names: Sequence[str]) -> tuple[str, np.ndarray]:
    spread = X.std(axis=0)
    centred, wanted = X - X.mean(axis=0), moved - moved.mean(axis=0)
    factors = np.divide((centred * wanted).mean(axis=0), spread**2, out=np.ones(len(spread)), where=spread > 0)
    guess = centred * factors + moved.mean(axis=0)
    size = np.abs(np.log(np.maximum(np.abs(factors), 1e-12)))
    changed = [j for j in np.argsort(-size) if size[j] > 0.1 or factors[j] < 0]
    told = [f"{name_of(names[j])} times {number(factors[j])}" for j in changed[:MOST_NAMED]]
    if not changed:
        return "Each column is shifted by a number of its own.", guess
    rest = len(changed) - len(told)
    more = f" and {rest} more" if rest else ""
    unit = "Columns change" if len(changed) > 1 else "One column changes"
    return f"{unit} in scale: {', '.join(told)}{more}.", guess


def _as_pictures(X: np.ndarray, moved: np.ndarray, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    images = X.reshape(len(X), *shape)
    symmetries = {
        "turned by 90° to the left": np.rot90(images, 1, axes=(1, 2)),
        "turned by 180°": np.rot90(images, 2, axes=(1, 2)),
        "turned by 90° to the right": np.rot90(images, 3, axes=(1, 2)),
        "mirrored, left and right exchanged": images[:, :, ::-1],
        "turned upside down": images[:, ::-1],
        "mirrored at the diagonal": images.swapaxes(1, 2),
        "mirrored at the other diagonal": images[:, ::-1, ::-1].swapaxes(1, 2),
    }
    for words, turned in symmetries.items():
        rows = turned.reshape(len(X), -1)
        factor, offset = _fit(rows, moved)
        also = "" if 0.7 < factor < 1.4 else " and inverted" if factor < 0 else f", values {number(factor)} times"
        yield f"Seen as pictures of {shape[0]} × {shape[1]}, rows are {words}{also}.", factor * rows + offset


def _in_the_plane(X: np.ndarray, moved: np.ndarray) -> tuple[str, np.ndarray]:
    centred, wanted = X - X.mean(axis=0), moved - moved.mean(axis=0)
    U, s, V = np.linalg.svd(centred.T @ wanted)
    turn = U @ V
    size = s.sum() / max(np.square(centred).sum(), 1e-300)
    mirrored = np.linalg.det(turn) < 0
    angle = float(np.degrees(np.arctan2(turn[0, 1], turn[0, 0])))
    larger = "" if abs(size - 1) < ALIKE else f" and made {number(size)} times as large"
    words = "mirrored and turned" if mirrored else "turned"
    side = "left" if angle > 0 else "right"
    sentence = f"The plane is {words} by about {number(abs(angle), 2)}° to the {side}{larger}."
    return sentence, size * centred @ turn + moved.mean(axis=0)


def _columns(
    X: np.ndarray, moved: np.ndarray, names: Sequence[str], names_out: Sequence[str]
) -> tuple[str, np.ndarray]:
    """Which column becomes which, from how they vary together."""
    z, w = _standardised(X), _standardised(moved)
    together = z.T @ w / len(X)
    sources, goals = linear_sum_assignment(-np.abs(together))
    real = np.abs(together[sources, goals]) > 0.1  # a column that does not vary may stay where it is
    sources, goals = sources[real], goals[real]
    guess = np.tile(moved.mean(axis=0), (len(X), 1))
    guess[:, goals] += z[:, sources] * (together[sources, goals] * moved[:, goals].std(axis=0))
    factors = np.abs(together[sources, goals]) * moved[:, goals].std(axis=0) / X[:, sources].std(axis=0)
    source_of = dict(sorted(zip(goals.tolist(), sources.tolist(), strict=True)))
    words = _order_words(source_of, X.shape[1], names, names_out)
    elsewhere = any(j != i for j, i in source_of.items())
    if elsewhere and len(factors) and np.abs(np.log(factors / np.median(factors))).max() > UNITS:
        words = f"{words.removesuffix('.')}, and change in scale."
    return words, guess


def _order_words(source_of: dict[int, int], d: int, names: Sequence[str], names_out: Sequence[str]) -> str:
    k = len(names_out)
    if d != k:
        pairs = [f"{name_of(names[i])} → {name_of(names_out[j])}" for j, i in list(source_of.items())[:MOST_NAMED]]
        more = len(source_of) - len(pairs)
        some = f"{', '.join(pairs)}{f' and {more} more' if more else ''}"
        filled = f"; the other {k - len(source_of)} are filled in from these" if k > len(source_of) else ""
        return f"Columns are named anew: {some}{filled}."
    elsewhere = {j: i for j, i in source_of.items() if i != j}
    swaps = [(i, j) for j, i in elsewhere.items() if i < j and elsewhere.get(i) == j]
    if elsewhere and 2 * len(swaps) == len(elsewhere) and len(swaps) <= MOST_NAMED // 2:
        pairs = [f"{name_of(names[i])} and {name_of(names[j])}" for i, j in swaps]
        return f"Columns {'; '.join(pairs)} are exchanged."
    if len(source_of) == d and all(i == d - 1 - j for j, i in source_of.items()):
        return "The order of the columns is reversed."
    if not elsewhere:
        return "Columns keep their places and change in scale."
    some = ", ".join(f"{name_of(names[i])} → {name_of(names_out[j])}" for j, i in list(elsewhere.items())[:3])
    return f"The columns come in another order: {len(elsewhere)} of {d} change places ({some}, …)."


def _standardised(X: np.ndarray) -> np.ndarray:
    spread = X.std(axis=0)
    return np.divide(X - X.mean(axis=0), spread, out=np.zeros_like(X), where=spread > 1e-9 * spread.max(initial=0))


def _general(X: np.ndarray, moved: np.ndarray) -> str:
    """A linear map that is nothing simpler: how much it mixes, and how much it stretches."""
    before, after = np.sqrt(X.var(axis=0).sum()), np.sqrt(moved.var(axis=0).sum())
    size = after / before if before > 0 else 1.0
    words = "as widely spread" if abs(size - 1) < 0.1 else f"{number(size, 2)} times as widely spread"
    if X.shape[1] != moved.shape[1]:
        d, k = X.shape[1], moved.shape[1]
        return f"Each of the {k} columns becomes a mixture of the {d} that came; rows are {words}."
    return f"Columns are mixed with each other, as by a rotation or a projection; rows are {words}."
