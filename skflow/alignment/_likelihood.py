"""How likely a rotation is, by the classes' distributions and by the marginals, and the likeliest nearby.

Between few rows of many columns, a transport plan fits wrong rotations as well as the right one: the more columns, the
less is known of a row's neighbourhood (Fournier and Guillin, "On the rate of convergence in Wasserstein distance of the
empirical measure", 2015). Means, covariances and distributions along single directions are known as well in many
columns as in few. So the right rotation is the one under which both sides speak least against one mixture of classes
(the target's labels are known; the source's are found by expectation and maximisation: Dempster, Laird and Rubin,
1977), and against the same marginals in the target's columns and leading principal axes (smooth tests: Neyman, 1937).
Both are log-likelihood ratios, and are added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from ._affine_map import AffineMap, Array
from ._class_mixture import ClassMixture, class_shares
from ._marginals import Marginals
from ._matrices import nearest_orthogonal
from ._pair import Pair

MOST_CLASSES = 32
"""Classes beyond which there are too many covariances to be estimated."""
PRIOR_ROWS = 5.0
"""Rows of the target's class proportions that are added to the source's."""
RIDGE, FIRST_RIDGE = 0.02, 0.3
"""Share of each column's variance that is added to it, at last and at first: it blurs what is in the way at first."""
MARGINAL_AXES = 4
"""Leading principal axes along which marginals are compared, beside all columns."""
MARGINAL_SHARE = 0.5
"""Share of the marginals' likelihood ratio that counts: the classes' distributions know a part of it."""
N_TURNS, STEPS = 3, 8
"""Turns of expectation and maximisation, and steps of the rotation, in each round."""
SWEEPS = 3
"""Times that each reflection and each turn of axes is tried."""
LIKE = 4.0
"""Ratio of two axes' variances up to which they may be exchanged."""
MOST_AT_ONCE = 16
"""Moves that are tried at once, where none helps: rows are few, and one set of them takes hardly less time."""
LEAST_GAIN = 0.1
"""Nats below which nothing is gained."""


class _State(NamedTuple):
    """The mixture of both sides, and the source's class proportions."""

    mixture: ClassMixture
    proportions: Tensor


class _Units:
    """Angles between the target's principal axes, and shifts along these, in units in which they matter alike.

    To turn rows between axes of variances v and w changes a Gaussian's log-likelihood by ``v / w + w / v - 2`` times
    the squared angle, which between a large and a small axis is much for a little.
    """

    def __init__(self, axes: Array, variances: Array) -> None:
        self._axes, self._upper = torch.from_numpy(axes), tuple(torch.triu_indices(len(axes), len(axes), 1))
        firm = torch.from_numpy(variances + 1e-3 * variances.mean() + np.finfo(float).tiny)
        ratio = (firm[:, None] / firm)[self._upper]
        self._angles, self._shifts = (ratio + 1 / ratio - 1).rsqrt(), firm.sqrt()
        self.n_values = len(ratio) + len(axes)

    def move(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The rotation and the shift of some numbers in these units."""
        n, axes = len(self._angles), self._axes
        skew = torch.zeros_like(axes).index_put(self._upper, values[:n] * self._angles)
        turn = axes @ torch.linalg.matrix_exp(skew - skew.T) @ axes.T
        return turn, axes @ (values[n:] * self._shifts)


class RotationLikelihood:
    """Minus the log-likelihood, in nats, of rotations between two sides of as many columns.

    Parameters
    ----------
    pair : Pair
        Both sides with total variance one.
    """

    # What is derived by later must not be made in a user's inference mode.
    @torch.inference_mode(False)
    def __init__(self, pair: Pair) -> None:
        self._center, self._image = pair.a @ pair.X, pair.b @ pair.Y
        self._n = 1 / float(pair.a @ pair.a)
        X, Y = pair.X - self._center, pair.Y - self._image
        self._X, self._Y, self._a = (torch.from_numpy(values) for values in (X, Y, pair.a))
        codes = np.empty(0) if pair.t is None else np.unique(pair.t[pair.t >= 0])
        y, t = pair.y, pair.t
        if not 1 < len(codes) <= MOST_CLASSES:
            y, t, codes = None, np.zeros(len(Y), dtype=int), np.zeros(1, dtype=int)
        self._of_X, self._known_X = class_shares(y, codes, len(X))
        self._of_Y, self._known_Y = class_shares(t, codes, len(Y))
        variances = self._Y.var(0, correction=0)
        self._variances = variances + 1e-3 * variances.mean() + np.finfo(float).tiny
        along_axes, axes = np.linalg.eigh(Y.T @ Y / len(Y))
        self.axes, self._along_axes = np.ascontiguousarray(axes[:, ::-1]), along_axes[::-1].clip(0)  # variances
        self._units = _Units(self.axes, self._along_axes)
        self._marginals = Marginals(Y, np.hstack([np.eye(len(self.axes)), self.axes[:, :MARGINAL_AXES]]))
        self._strength = MARGINAL_SHARE / 2 * self._n * len(Y) / (self._n + len(Y))
        known = self._of_Y[self._known_Y]
        self._of_target = _State(ClassMixture.of(self._Y[self._known_Y], known, RIDGE * self._variances), known.mean(0))

    def flipped(self, h: AffineMap) -> tuple[AffineMap, float]:
        """`h` with those of the target's principal axes turned over that make it likelier, and minus what that gives.

        The mixture is that of the target alone.
        """
        return self._moved(h, _flips(self.axes))

    def turned(self, h: AffineMap) -> tuple[AffineMap, float]:
        """The same where axes of like variances, which come in any order and mixed, may be turned in their plane."""
        return self._moved(h, [*_flips(self.axes), *_plane_turns(self.axes, self._along_axes)])

    @torch.inference_mode(False)
    def _moved(self, h: AffineMap, moves: list[Array]) -> tuple[AffineMap, float]:
        """`h` followed by those moves that make it likelier, tried in turn a few times."""
        Q, offset = self._parts(h)
        Z, all_moves = self._X @ Q + offset, torch.from_numpy(np.stack(moves))
        best, k, since, at_once = float(self._misfit(self._of_target, Z)), 0, 0, 1
        while k < SWEEPS * len(moves) and since < len(moves):
            some = all_moves[torch.arange(k, k + min(at_once, len(moves) - since)) % len(moves)]
            costs = self._of_rows(self._of_target, Z @ some)
            may = costs < best  # else the marginals, which take longer and are never below zero, need not be asked
            costs[may] += self._of_marginals(Z @ some[may])
            better = np.flatnonzero((costs < best - LEAST_GAIN).numpy())
            k, since, at_once = k + len(some), since + len(some), min(2 * at_once, MOST_AT_ONCE)
            if len(better):  # those that were tried with it, and come after it, are tried anew
                first = better[0]
                Z, Q, offset, best = Z @ some[first], Q @ some[first], offset @ some[first], float(costs[first])
                k, since, at_once = k - len(some) + first + 1, 0, 1
        return self._map(Q, offset), best

    @torch.inference_mode(False)
    def refine(self, h: AffineMap, n_rounds: int) -> tuple[AffineMap, float]:
        """The likeliest map near `h`, and minus its log-likelihood."""
        Q, offset = self._parts(h)
        state = self._of_target
        for ridge in np.geomspace(FIRST_RIDGE, RIDGE, n_rounds).tolist():
            state = self._expect(state, self._X @ Q + offset, ridge)
            Q, offset = self._climb(state, Q, offset)
        state = self._expect(state, self._X @ Q + offset, RIDGE)
        log_densities = _known_or_mixed(
            state.mixture.log_densities(self._Y), self._of_target.proportions, self._of_Y, self._known_Y
        )
        return self._map(Q, offset), float(self._misfit(state, self._X @ Q + offset) - log_densities.sum())

    def _parts(self, h: AffineMap) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(nearest_orthogonal(h.matrix)), torch.from_numpy(h(self._center[None])[0] - self._image)

    def _map(self, Q: Tensor, offset: Tensor) -> AffineMap:
        return AffineMap(self._center, self._image + offset.numpy(), (Q.numpy(),))

    def _expect(self, state: _State, Z: Tensor, ridge: float) -> _State:
        """The mixture of mapped rows and the target's together, in turns with the classes of rows without labels."""
        rows, own = torch.cat([Z, self._Y]), self._of_target.proportions
        for _ in range(N_TURNS):
            sides = (Z, state.proportions, self._of_X, self._known_X), (self._Y, own, self._of_Y, self._known_Y)
            of_X, of_Y = (
                torch.where(known[:, None], of, torch.softmax(state.mixture.log_densities(side) + shares.log(), 1))
                for side, shares, of, known in sides
            )
            of_X = self._n * self._a[:, None] * of_X
            shares = torch.cat([of_X, of_Y])
            state = _State(
                ClassMixture.of(rows, shares, ridge * self._variances),
                (of_X.sum(0) + PRIOR_ROWS * own) / (self._n + PRIOR_ROWS),
            )
        return state

    def _misfit(self, state: _State, Z: Tensor) -> Tensor:
        """What depends on mapped rows: minus their log-likelihood, and what the marginals say."""
        return self._of_marginals(Z) + self._of_rows(state, Z)

    def _of_rows(self, state: _State, Z: Tensor) -> Tensor:
        """Minus the log-likelihood of mapped rows under the mixture."""
        log_densities = state.mixture.log_densities(Z.flatten(0, -2)).unflatten(0, Z.shape[:-1])
        of_rows = _known_or_mixed(log_densities, state.proportions, self._of_X, self._known_X)
        return -self._n * (of_rows @ self._a)

    def _of_marginals(self, Z: Tensor) -> Tensor:
        """What the marginals say against mapped rows, at least zero."""
        return self._strength * self._marginals.excess(Z, self._a)

    def _climb(self, state: _State, Q: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """A few steps towards a likelier rotation and offset, the mixture held."""

        def moved(values: Tensor) -> tuple[Tensor, Tensor]:
            turn, shift = self._units.move(values)
            return Q @ turn, offset + shift

        def misfit(values: Array) -> tuple[float, Array]:
            with torch.enable_grad():
                at = torch.from_numpy(values.copy()).requires_grad_()
                turned, shifted = moved(at)
                value = self._misfit(state, self._X @ turned + shifted)
                (slope,) = torch.autograd.grad(value, at)
            return value.item(), slope.numpy()

        end = minimize(
            misfit, np.zeros(self._units.n_values), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
        ).x
        return moved(torch.from_numpy(end))


def _known_or_mixed(log_densities: Tensor, proportions: Tensor, shares: Tensor, known: Tensor) -> Tensor:
    """Log-densities (..., n, K) of rows in their class, or in the mixture where that is not known."""
    mixed = torch.logsumexp(log_densities + proportions.log(), -1)
    return torch.where(known, (log_densities * shares).sum(-1), mixed)


def _flips(axes: Array) -> list[Array]:
    """Reflections, each of which turns one axis over."""
    return [np.eye(len(axes)) - 2 * np.outer(axis, axis) for axis in axes.T]


def _plane_turns(axes: Array, variances: Array) -> list[Array]:
    """Turns and reflections in the planes of axes of like variances, which are one or two places apart."""
    root = np.sqrt(0.5)
    moves = [[[c, -s], [s, c]] for c, s in ((root, root), (0.0, 1.0), (root, -root), (0.0, -1.0), (-1.0, 0.0))]
    moves += [[[0.0, 1.0], [1.0, 0.0]], [[0.0, -1.0], [-1.0, 0.0]]]
    near = [(i, j) for i in range(len(axes)) for j in (i + 1, i + 2) if j < len(axes)]
    planes = [axes[:, pair] for pair in near if variances[pair[0]] <= LIKE * variances[pair[1]]]
    return [np.eye(len(axes)) + plane @ (np.array(move) - np.eye(2)) @ plane.T for plane in planes for move in moves]
