"""Where the alternation may begin: maps found with no map to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch

from ._affine_map import AffineMap, Array
from ._matrices import nearest_orthogonal
from ._pair import Pair

N_QUANTILES = 64
SHARE_OF_ROWS = 0.7
"""Share of the rows that a subsample for a start has: draws of it differ enough to be several chances."""


def starts(pair: Pair, rng: np.random.RandomState, *, same: Array | None) -> Iterator[tuple[str, AffineMap]]:
    """Yield named maps for ever.

    First come those that are cheap or likely, then couplings of distance signatures of ever new subsamples.

    Parameters
    ----------
    pair : Pair
        Both sides, centred and of total variance one.
    same : array of shape (d, k) or None
        What the identity is in the pair's coordinates; None where source and target have different columns.
    """
    if same is not None:
        yield "identity", _linear(same)
        yield "inversion", _linear(-same)
    if _n_common(pair) > 1:
        yield "class means", _linear(nearest_orthogonal(_between_classes(pair)))
    yield "principal axes", _linear(_axes_of_equal_rank(pair))
    whole = np.arange(len(pair.X)), np.arange(len(pair.Y))
    yield "distance signatures", _from_signatures(pair, *whole, of_all=True, products=False)
    turn = 0
    while True:
        i, j = (np.sort(rng.permutation(len(Z))[: max(int(SHARE_OF_ROWS * len(Z)), 1)]) for Z in (pair.X, pair.Y))
        if turn == 10:
            yield "Gromov-Wasserstein", _gromov_wasserstein(pair, i, j)
        yield (
            "distance signatures",
            _from_signatures(pair, i, j, of_all=turn % 2 == 1, products=turn % 4 == 3),
        )
        turn += 1


def _linear(matrix: Array) -> AffineMap:
    return AffineMap(np.zeros(matrix.shape[0]), np.zeros(matrix.shape[1]), (matrix,))


def _axes_of_equal_rank(pair: Pair) -> Array:
    """Axes of the same rank in the two sides' principal components, turned so that their skewness has the same sign."""
    bases = []
    for Z, w in ((pair.X, pair.a), (pair.Y, pair.b)):
        Z = Z - w @ Z
        values, V = np.linalg.eigh(Z.T @ (w[:, None] * Z))
        V = V[:, np.argsort(-values)]
        bases.append(V * np.where(w @ (Z @ V) ** 3 < 0, -1.0, 1.0))
    r = min(basis.shape[1] for basis in bases)
    return cast(Array, bases[0][:, :r] @ bases[1][:, :r].T)


def _common_codes(pair: Pair) -> Array:
    if pair.y is None or pair.t is None:
        return np.empty(0, dtype=int)
    common = np.intersect1d(pair.y, pair.t)
    return common[common >= 0]


def _n_common(pair: Pair) -> int:
    return len(_common_codes(pair))


def _class_means(Z: Array, codes: Array, common: Array) -> Array:
    return np.stack([Z[codes == code].mean(0) for code in common])


def _between_classes(pair: Pair) -> Array:
    """Cross-covariance of the class means, each class with its share of the source."""
    common = _common_codes(pair)
    assert pair.y is not None
    assert pair.t is not None
    mass = np.array([pair.a[pair.y == code].sum() for code in common])
    mass /= mass.sum()
    means = [_class_means(Z, codes, common) for Z, codes in ((pair.X, pair.y), (pair.Y, pair.t))]
    M, N = (mean - mass @ mean for mean in means)
    return cast(Array, M.T @ (mass[:, None] * N))


def _from_signatures(pair: Pair, i: Array, j: Array, *, of_all: bool, products: bool) -> AffineMap:
    """The rotation for the coupling of rows whose distances to the other rows of their side are alike.

    A row's signature is the quantiles of its squared distances (or inner products) to the rows of its own side: the
    optimal coupling of signatures is a lower bound of Gromov-Wasserstein (Mémoli, 2011, "third lower bound"), which
    needs neither labels nor columns in common. Distances to class means are added where labels are known.

    Parameters
    ----------
    of_all : bool
        Whether distances are taken to all rows, or to those of the subsample alone.
    products : bool
        Inner products instead of distances.
    """
    import ot  # slow to load, and needed by a search alone

    sides = []
    for Z, codes, at in ((pair.X, pair.y, i), (pair.Y, pair.t, j)):
        signature = _quantiles(Z[at], Z if of_all else Z[at], products)
        common = _common_codes(pair)
        if len(common) and codes is not None:
            to_means = ot.dist(Z[at], _class_means(Z, codes, common)) * (N_QUANTILES / len(common)) ** 0.5
            signature = np.hstack([signature, to_means])
        sides.append(signature)
    part = pair.rows(i, j)
    cost = ot.dist(*sides)
    cost /= cost.mean() + np.finfo(float).tiny
    forbidden = part.forbidden()
    if forbidden is not None:
        cost[forbidden.numpy()] += 10 * cost.max()
    coupling = ot.emd(part.a, part.b, cost)
    return _rotation(part, coupling)


def _quantiles(Z: Array, others: Array, products: bool) -> Array:
    A, B = (torch.from_numpy(V.astype(np.float32)) for V in (Z, others))
    pairs = A @ B.T if products else torch.cdist(A, B).square_()
    levels = torch.linspace(0, 1, N_QUANTILES, dtype=pairs.dtype)
    quantiles = torch.quantile(pairs, levels, dim=1).T.double().numpy()
    return cast(Array, quantiles / (np.abs(quantiles).mean() + np.finfo(float).tiny))


def _gromov_wasserstein(pair: Pair, i: Array, j: Array, n_rows: int = 150) -> AffineMap:
    """The rotation for a Gromov-Wasserstein coupling (Mémoli, 2011) of at most `n_rows` rows a side."""
    import ot

    part = pair.rows(i[:n_rows], j[:n_rows])
    C, D = ot.dist(part.X, part.X, "euclidean"), ot.dist(part.Y, part.Y, "euclidean")
    coupling = ot.gromov.gromov_wasserstein(C, D, part.a, part.b, "square_loss", max_iter=50)
    return _rotation(part, coupling)


def _rotation(pair: Pair, coupling: Array) -> AffineMap:
    rows, columns = coupling.sum(1), coupling.sum(0)
    mean_x, mean_y = rows @ pair.X / rows.sum(), columns @ pair.Y / columns.sum()
    cross = (pair.X - mean_x).T @ coupling @ (pair.Y - mean_y)
    return AffineMap(mean_x, mean_y, (nearest_orthogonal(cross),))
