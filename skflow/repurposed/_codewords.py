"""Many classes on a model with few: each source class gets a codeword, one target class for each flow."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

CROWDING = 4.0
"""Weight of keeping codewords apart beside the transport cost, whose scale is the spread of the label distances."""


def n_flows_needed(n_classes: int, n_target_classes: int) -> int:
    """Flows that are needed: as few as tell the classes apart, and one more to correct errors, unless one is enough.

    Raises
    ------
    ValueError
        If the target has one class only, which no codeword can be made of.
    """
    if n_classes <= n_target_classes:
        return 1
    if n_target_classes < 2:
        raise ValueError(f"{n_classes} source classes cannot be told apart by a target with {n_target_classes} class.")
    return math.ceil(math.log(n_classes) / math.log(n_target_classes) - 1e-9) + 1


def codewords(distances: np.ndarray, n_flows: int, n_rounds: int = 20) -> np.ndarray:
    """Codewords of target classes for source classes, cheap to flow to and far apart.

    Compare :class:`sklearn.multiclass.OutputCodeClassifier`, whose codewords are random bits. Flow by flow, the classes
    are assigned to the target classes, each of which takes equally many, so as to lower the label distances plus a
    crowding term: what it costs two classes to share a target class grows with those that they share already. Pairs
    of classes then exchange target classes as long as that lowers the sum.

    Parameters
    ----------
    distances : ndarray of shape (K, K')
        Squared label distances.
    n_flows : int
        Length of a codeword.
    n_rounds : int, default=20
        Most rounds of exchanges for a flow.

    Returns
    -------
    ndarray of shape (K, n_flows)
        Codes of target classes.

    Raises
    ------
    ValueError
        If there are fewer codewords of that length than classes.
    """
    K, n_target = distances.shape
    if n_target**n_flows < K:
        raise ValueError(
            f"{n_flows} flows to {n_target} target classes make {n_target**n_flows} codewords, too few for {K} source "
            "classes."
        )
    places = np.repeat(np.arange(n_target), -(-K // n_target))  # each target class, as often as it is to be used
    cost = distances / max(np.median(np.abs(distances - np.median(distances))), np.finfo(float).tiny)
    words = np.empty((K, 0), dtype=int)
    for _ in range(n_flows):
        shared = (words[:, None] == words[None]).sum(-1).astype(float)
        # Classes that share all target classes so far must part now, others had better.
        crowding = CROWDING * np.where(shared == words.shape[1], 10.0, shared) * (words.shape[1] > 0)
        np.fill_diagonal(crowding, 0)
        goes_to = places[linear_sum_assignment(cost[:, places])[1]]
        words = np.column_stack([words, _exchange(goes_to, cost, crowding, n_rounds)])
    return words


def decoder(mass: np.ndarray) -> np.ndarray:
    """The linear layer (K', K) after a classifier of target classes, from the coupling (K, K') (section 6.4).

    Rows sum to one; of a target class that no source class goes to nothing is known.
    """
    taken = mass.sum(axis=0)[:, None]
    return np.where(taken > 0, mass.T / np.where(taken > 0, taken, 1), 1 / len(mass))


def _exchange(goes_to: np.ndarray, cost: np.ndarray, crowding: np.ndarray, n_rounds: int) -> np.ndarray:
    """Lower the cost by moves of one class and by exchanges between two, until none helps."""
    goes_to, (K, n_target) = goes_to.copy(), cost.shape
    limit = -(-K // n_target)
    for _ in range(n_rounds):
        changed = False
        for i in range(K):
            # What class i would pay at each target class, as things stand, and what every other would pay at i's.
            pays = cost + crowding @ np.eye(n_target)[goes_to]
            here, there = goes_to[i], goes_to
            gain = pays[i, here] + pays[np.arange(K), there] - pays[i, there] - pays[:, here]
            gain = gain + 2 * crowding[i]  # each counted the other at the place that it leaves
            gain[there == here] = 0
            free = np.bincount(goes_to, minlength=n_target) < limit
            alone = np.where(free, pays[i, here] - pays[i], -np.inf)
            j, c = gain.argmax(), alone.argmax()
            if max(gain[j], alone[c]) > 1e-9:
                changed = True
                if gain[j] >= alone[c]:
                    goes_to[i], goes_to[j] = goes_to[j], goes_to[i]
                else:
                    goes_to[i] = c
        if not changed:
            break
    return goes_to
