"""How sure answers may be: a temperature, trust row by row, and when to give none; all from left-out training rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import logit

from ..labelling import combine, fit_temperature, temper
from ..safeguard import Nearest, SignWeights, common_axes

SIGNS_BEFORE = np.array([0.3, 0.5, 0.3, 1.0])
"""Weights of the signs: the row is near to fitted ones; their classes are the answer; the pieces of evidence agree; the
probability is large."""
CLOSEST = 10
"""Fitted rows beside which a row is judged."""
MOST_BESIDE = 2000
"""Fitted rows among which these are sought."""
ROWS_WORTH = 10
"""Known rows that the agreement of the evidence counts as much as, at least, where some have no label."""
SHARPEST = 30.0
"""Largest temperature, and one over the least."""


@dataclass
class Calibration:
    """What left-out training rows say of the answers.

    Parameters
    ----------
    sureness : float
        Power of the probabilities, one over the temperature.
    accuracy : float
        Estimated share of right answers.
    """

    sureness: float
    accuracy: float
    threshold: float = -np.inf
    """Least trust of an answer that is given."""
    _weights: SignWeights | None = None
    _near: Nearest | None = None
    _rows: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    _labels: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    _distance: float = 1.0

    def probabilities(self, pieces: list[np.ndarray]) -> np.ndarray:
        """What the pieces of evidence (n_samples, n_classes) say together, calibrated."""
        return temper(combine(*pieces), self.sureness)

    def trust(self, X: np.ndarray, pieces: list[np.ndarray]) -> np.ndarray:
        """Trust (n_samples,) in the answers of the pieces on rows `X`."""
        if self._near is None or self._weights is None:
            return self.probabilities(pieces).max(axis=1)
        k = min(CLOSEST, self._near.n_rows)
        return self._weights(self._signs(pieces, *self._near.of(common_axes(X, self._rows)[0], k)))

    def learn_trust(self, X: np.ndarray, pieces: list[np.ndarray], truth: np.ndarray, labels: np.ndarray) -> None:
        """Learn the weights of the signs from the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The rows.
        pieces : list of ndarray of shape (n_samples, n_classes)
            What each kind of evidence says of them, left out.
        truth, labels : ndarray of shape (n_samples,)
            Codes of the known classes, -1 where there is none; and of those that are believed.
        """
        kept = np.random.RandomState(0).permutation(len(X))[:MOST_BESIDE]
        if len(kept) <= CLOSEST:
            return
        self._rows = X[kept]
        self._near, self._labels = Nearest(common_axes(self._rows, self._rows)[0]), labels[kept]
        distances, neighbours = self._near.of_own(CLOSEST)
        self._distance = float(np.median(distances.mean(axis=1))) or 1.0
        some = [piece[kept] for piece in pieces]
        signs, known = self._signs(some, distances, neighbours), truth[kept] >= 0
        right = combine(*some).argmax(axis=1) == truth[kept]
        self._weights = SignWeights.fit(signs, right, known, self.accuracy, SIGNS_BEFORE)

    def left_out_trust(self, pieces: list[np.ndarray]) -> np.ndarray:
        """Trust in the left-out answers on the training rows that are kept."""
        kept = np.random.RandomState(0).permutation(len(pieces[0]))[:MOST_BESIDE]
        some = [piece[kept] for piece in pieces]
        if self._near is None or self._weights is None:
            return self.probabilities(some).max(axis=1)
        return self._weights(self._signs(some, *self._near.of_own(CLOSEST)))

    def _signs(self, pieces: list[np.ndarray], distances: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        probabilities = self.probabilities(pieces)
        answers = probabilities.argmax(axis=1)
        near = -np.log(distances.mean(axis=1) / self._distance + 1e-9)
        alike = (self._labels[neighbours] == answers[:, None]).mean(axis=1)
        agreed = np.mean([piece[np.arange(len(piece)), answers] for piece in pieces], axis=0)
        return np.column_stack([near, alike, agreed, logit(np.clip(probabilities.max(axis=1), 1e-4, 1 - 1e-4))])


def calibrate(pieces: list[np.ndarray], judges: list[np.ndarray], truth: np.ndarray) -> Calibration:
    """A temperature for the product of left-out pieces of evidence.

    With full labels it is the likeliest one (Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
    networks", ICML 2017). Else mean probability is made what answers are right by estimate: as often as two pieces of
    evidence agree, which is the accuracy where both are as good and calibrated (Jiang, Nagarajan, Baek and Kolter,
    "Assessing generalization of SGD via disagreement", ICLR 2022), together with the known labels.

    Parameters
    ----------
    pieces : list of ndarray of shape (n_samples, n_classes)
        What each kind of evidence says of the training rows.
    judges : list of ndarray of shape (n_samples, n_classes)
        Two pieces of evidence or more; the agreement of the first two counts.
    truth : ndarray of shape (n_samples,)
        Codes of the known classes, -1 where there is none.
    """
    combined, known = combine(*pieces), truth >= 0
    right = combined[known].argmax(axis=1) == truth[known]
    if known.all():
        one_hot = np.eye(combined.shape[1])[truth]
        return Calibration(fit_temperature(combined, one_hot), float((right.sum() + 1) / (len(right) + 2)))
    answers = [piece.argmax(axis=1) for piece in judges[:2]]
    agree = float((answers[0] == answers[-1]).mean())
    worth = max(ROWS_WORTH, known.sum())  # known labels have told the evidence, and flatter it
    accuracy = (worth * agree + right.sum()) / (worth + known.sum())
    low, high = 1 / SHARPEST, SHARPEST
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if temper(combined, middle).max(axis=1).mean() < accuracy else (low, middle)
    return Calibration(float(np.sqrt(low * high)), float(accuracy))


def read_reject(reject: Any) -> tuple[str, float] | None:
    """The parameter, checked.

    Raises
    ------
    ValueError
        If it is neither None nor ("error", share) or ("coverage", share).
    """
    if reject is None:
        return None
    if isinstance(reject, (tuple, list)) and len(reject) == 2 and reject[0] in ("error", "coverage"):
        kind, share = reject
        if isinstance(share, Real) and 0 < float(share) <= 1:
            return kind, float(share)
    raise ValueError(
        f"reject must be None, ('error', share) or ('coverage', share), with a share between 0 and 1; got {reject!r}."
    )


def least_trust(trust: np.ndarray, reject: tuple[str, float]) -> float:
    """Trust from which on answers are given, so that the stated error or coverage is kept on these rows.

    With ("error", e) the mean distrust of the answers that are given is at most e; a row more, answered wrongly, is
    counted to them (conformal risk control: Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024).
    """
    kind, share = reject
    ordered = np.sort(trust)[::-1]
    if kind == "coverage":
        return float(ordered[min(len(ordered), max(1, round(share * len(ordered)))) - 1])
    errors = (np.cumsum(1 - ordered) + 1) / (np.arange(len(ordered)) + 2)
    kept = np.flatnonzero(errors <= share)
    return float(ordered[kept[-1]]) if len(kept) else np.inf
