"""Many classes on a model with few: each source class gets a word of target classes, one letter for each flow."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

CROWDING = 4.0
"""Weight of keeping words apart beside the transport cost, whose scale is the spread of the label distances."""


def n_letters(n_classes: int, n_target_classes: int) -> int:
    """Flows that are needed: as few as tell the classes apart, and one more to correct errors, unless one is enough.

    Raises
    ------
    ValueError
        If the target has one class only, which no word can be made of.
    """
    if n_classes <= n_target_classes:
        return 1
    if n_target_classes < 2:
        raise ValueError(f"{n_classes} source classes cannot be told apart by a target with {n_target_classes} class.")
    return math.ceil(math.log(n_classes) / math.log(n_target_classes) - 1e-9) + 1


def codewords(distances: np.ndarray, n_words_letters: int, n_rounds: int = 20) -> np.ndarray:
    """Words of target classes for source classes, cheap to flow to and far apart.

    Compare :class:`sklearn.multiclass.OutputCodeClassifier`, whose words are random bits. Letter by letter, the classes
    are assigned to the target classes, each of which takes equally many, so as to lower the label distances plus a
    crowding term: what it costs two classes to share a letter grows with the letters that they share already. Pairs
    of classes then exchange letters as long as that lowers the sum.

    Parameters
    ----------
    distances : ndarray of shape (K, K')
        Squared label distances.
    n_words_letters : int
        Letters of a word, that is, flows.
    n_rounds : int, default=20
        Most rounds of exchanges for a letter.

    Returns
    -------
    ndarray of shape (K, n_words_letters)
        Codes of target classes.

    Raises
    ------
    ValueError
        If there are fewer words of that length than classes.
    """
    K, n_target = distances.shape
    if n_target**n_words_letters < K:
        raise ValueError(
            f"{n_words_letters} flows to {n_target} target classes make {n_target**n_words_letters} codewords, too few "
            f"for {K} source classes."
        )
    room = np.repeat(np.arange(n_target), -(-K // n_target))  # each target class, as often as it is to be used
    cost = distances / max(np.median(np.abs(distances - np.median(distances))), np.finfo(float).tiny)
    words = np.empty((K, 0), dtype=int)
    for _ in range(n_words_letters):
        shared = (words[:, None] == words[None]).sum(-1).astype(float)
        # Classes that share all letters so far must part now, others had better.
        crowding = CROWDING * np.where(shared == words.shape[1], 10.0, shared) * (words.shape[1] > 0)
        np.fill_diagonal(crowding, 0)
        letter = room[linear_sum_assignment(cost[:, room])[1]]
        words = np.column_stack([words, _exchange(letter, cost, crowding, n_target, n_rounds)])
    return words


def decoder(mass: np.ndarray) -> np.ndarray:
    """The linear layer (K', K) after a classifier of target classes, from the coupling (K, K') (section 6.4).

    Rows sum to one; of a target class that no source class goes to nothing is known.
    """
    taken = mass.sum(axis=0)[:, None]
    return np.where(taken > 0, mass.T / np.where(taken > 0, taken, 1), 1 / len(mass))


def _exchange(letter: np.ndarray, cost: np.ndarray, crowding: np.ndarray, n_target: int, n_rounds: int) -> np.ndarray:
    """Lower the cost by moves of one class and by exchanges between two, until none helps."""
    letter, K = letter.copy(), len(letter)
    limit = -(-K // n_target)
    for _ in range(n_rounds):
        changed = False
        for i in range(K):
            # What class i would pay at each target class, as things stand, and what every other would pay at i's.
            pays = cost + crowding @ np.eye(n_target)[letter]
            here, there = letter[i], letter
            gain = pays[i, here] + pays[np.arange(K), there] - pays[i, there] - pays[:, here]
            gain = gain + 2 * crowding[i]  # each counted the other at the place that it leaves
            gain[there == here] = 0
            free = np.bincount(letter, minlength=n_target) < limit
            alone = np.where(free, pays[i, here] - pays[i], -np.inf)
            j, c = gain.argmax(), alone.argmax()
            if max(gain[j], alone[c]) > 1e-9:
                changed = True
                if gain[j] >= alone[c]:
                    letter[i], letter[j] = letter[j], letter[i]
                else:
                    letter[i] = c
        if not changed:
            break
    return letter
