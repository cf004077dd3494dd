"""Rows of both sides in one space: how far each is from the others, and what its neighbours say of its class."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from ..labelling import Calibrated
from ._apart import NORMAL_MEDIAN
from ._nearest import Nearest, common_axes

MOST_NEIGHBOURS_OF = 2000
"""Rows a side that neighbours are sought among."""
NEAREST = 5
"""Neighbours that a distance is the mean of."""
SMOOTHED_OVER = 10
"""Source neighbours that how foreign a row is is averaged over."""
VOTERS = 10
"""Target neighbours that vote for a row's class."""
LINEAR_AXES, LINEAR_FOLDS = 30, 3
"""Principal axes that a linear model votes in, and folds that it is calibrated on."""
FOREIGN = 4.5
"""Standard deviations, of both signs together, from which on a row belongs nowhere."""
LEAST_SHARE, LEAST_ROWS = 0.025, 5
"""Fewer foreign rows are the tail of those that belong."""
CLEARLY_FOREIGN, LEAST_CLEAR_ROWS = 5.5, 2
"""Fewer rows than that do where each is so far off."""
BESIDE_FOREIGN, SHARE_BESIDE = 3.5, 0.4
"""Standard deviations from which on a row belongs nowhere that has this share of its neighbours among such rows."""
CLASS_FOREIGN = 2.75
"""The same of the median row of a class: many rows tell more than one."""
AMID = 1.0
"""Standard deviations by which the median distance from the target may exceed that of its rows from one another."""
OWN_TAIL = 0.998
"""Quantile of how far off the target's own rows are: a row that is no farther belongs."""


class SideBySide:
    """Neighbours of the source's rows on both sides."""

    def __init__(self, X: np.ndarray, X_target: np.ndarray, codes: np.ndarray, seed: int) -> None:
        rng = np.random.RandomState(seed)
        kept = rng.permutation(len(X_target))[:MOST_NEIGHBOURS_OF]
        source, target = common_axes(X, X_target[kept])
        # A row that is there twice has no neighbours of its own.
        source, self._place = np.unique(source, axis=0, return_inverse=True)
        self._place = self._place.ravel()
        some = rng.permutation(len(source))[:MOST_NEIGHBOURS_OF]
        k = min(VOTERS, len(target) - 1)
        self._sides, among_target = (source, target), Nearest(target)
        self._target, self._codes = among_target.of_own(k), codes[kept]
        self._to_target = among_target.of(source, k)
        k = min(SMOOTHED_OVER, len(some) - 1)
        self._to_source = Nearest(source[some]).of(source, k, own=some) if k else None
        self._some = some

    def row_mass(self, mass: str | float) -> np.ndarray:
        """1 for rows that belong, 0 for others, (n_samples,)."""
        foreign, usual = self._foreign()
        if mass == "auto":
            out, clear = foreign > max(FOREIGN, usual), foreign > max(CLEARLY_FOREIGN, usual)
            if clear.sum() < max(LEAST_SHARE * len(out), LEAST_CLEAR_ROWS):
                clear[:] = False
            few = LEAST_SHARE * len(out) < LEAST_ROWS  # rows: then the tail is less well known
            if out.sum() < max(LEAST_SHARE * len(out), LEAST_ROWS) or (few and clear.sum() >= out.sum() / 2):
                out = clear
            out = self._grown(out, foreign > max(BESIDE_FOREIGN, usual))
            if out.mean() > 1 / 2:
                out[:] = False
            return np.where(out[self._place], 0.0, 1.0)
        # Of rows that are not foreign at all, those nearest to the target come first, in whatever order they came.
        order = np.lexsort((self._distances()[1][self._place], foreign.round(6)[self._place]))
        row_mass = np.zeros(len(order))
        row_mass[order[: max(1, round(float(mass) * len(order)))]] = 1.0
        return row_mass

    def _grown(self, out: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
        """Rows that belong nowhere, and doubtful ones among them.

        Two thresholds as of Canny, "A computational approach to edge detection", IEEE Transactions on Pattern Analysis
        and Machine Intelligence, 1986.
        """
        if self._to_source is None or not out.any():
            return out
        while True:
            beside = out[self._some][self._to_source[1]].mean(axis=1)
            grown = out | (doubtful & (beside >= SHARE_BESIDE))
            if (grown == out).all():
                return out
            out = grown

    def foreign_classes(self, labels: np.ndarray, names: list) -> list:
        """Those of the classes whose median row is far off; of few rows, whose rows mostly belong nowhere."""
        foreign, once = self._foreign()[0][self._place], self.once(labels)
        found = []
        for name in names:
            rows = foreign[once & (labels == name)]
            if np.median(rows) > (CLASS_FOREIGN if len(rows) >= LEAST_ROWS else FOREIGN):
                found.append(name)
        return found

    def once(self, labels: np.ndarray) -> np.ndarray:
        """Mask (n_samples,) of rows without their repetitions; rows of other classes are no repetitions."""
        codes = np.unique(labels, return_inverse=True)[1]
        mask = np.zeros(len(labels), dtype=bool)
        mask[np.unique(np.column_stack([codes, self._place]), axis=0, return_index=True)[1]] = True
        return mask

    def amid(self) -> bool:
        """See :func:`lie_amid`."""
        own, far, spread = self._distances()
        belongs = np.zeros(len(far), dtype=bool)
        row_mass = self.row_mass("auto")
        belongs[self._place[row_mass > 0]] = True
        return bool(row_mass.mean() > 1 / 2 and np.median(far[belongs]) - np.median(own) <= AMID * spread)

    def _distances(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Logarithms of distances from the target, of its own rows and of the source's, and the spread of the first."""
        tiny = np.finfo(float).tiny
        own, far = (np.log(found[0][:, :NEAREST].mean(axis=1) + tiny) for found in (self._target, self._to_target))
        above = np.sort(own[own > np.median(own)] - np.median(own))
        spread = float(np.sqrt(np.square(above[: max(1, int(0.9 * len(above)))]).mean())) if len(above) else 0.0
        return own, far, max(spread, SMALLEST_SPREAD)

    def _foreign(self) -> tuple[np.ndarray, float]:
        """How foreign each row is, in standard deviations of rows that belong, and the tail of the target's own."""
        tiny = np.finfo(float).tiny
        own, far, spread = self._distances()
        middle = max(float(np.median(own)), float(np.median(far)))
        signs = np.maximum((far - middle) / spread, 0)
        usual = float(np.quantile((own - np.median(own)) / spread, OWN_TAIL, method="higher"))
        if self._to_source is None:
            return signs, usual
        distances, neighbours = self._to_source
        k = min(NEAREST, distances.shape[1])
        ratio = far - np.log(distances[:, :k].mean(axis=1) + tiny)
        smooth = (ratio + ratio[self._some][neighbours].sum(axis=1)) / (1 + neighbours.shape[1])
        below = np.median(smooth) - smooth
        # The logarithm of a distance to k neighbours in D dimensions has the standard deviation 1 / (D sqrt(k)).
        # Of such ratios that share neighbours, the mean varies about half as much.
        least = np.sqrt(2 / k) / 2 * (np.log(distances[:, -1:] + tiny) - np.log(distances + tiny)).mean()
        spread = max(float(np.median(below[below > 0])) / NORMAL_MEDIAN if (below > 0).any() else 0.0, float(least))
        return signs + np.maximum(-below / max(spread, SMALLEST_SPREAD), 0), usual

    def votes(self, n_classes: int) -> np.ndarray:
        """What the nearest rows of the target say of the source's classes, (n_samples, n_classes)."""
        return self._counted(self._to_target[1], n_classes)[self._place]

    def probabilities(self, n_classes: int) -> np.ndarray:
        """Calibrated probabilities of the target's classes for the source's rows.

        Neighbours and a linear model of the target have a vote each. Both are calibrated, class by class, on rows of
        the target that they were not told of: proportions that are estimated from them depend on that.
        """
        source, target = self._sides
        votes, left_out = self.votes(n_classes), self._counted(self._target[1], n_classes)
        if (np.bincount(self._codes, minlength=n_classes) >= LINEAR_FOLDS).all():
            linear = make_pipeline(
                PCA(min(LINEAR_AXES, target.shape[1], len(target) // 2), random_state=0),
                LogisticRegression(max_iter=300),
            )
            unit = float(np.sqrt(target.var(axis=0).mean())) or 1.0
            said = cross_val_predict(linear, target / unit, self._codes, cv=LINEAR_FOLDS, method="predict_proba")
            left_out = (left_out + said) / 2
            votes = (votes + linear.fit(target / unit, self._codes).predict_proba(source / unit)[self._place]) / 2
        return Calibrated.fit(left_out, self._codes)(votes)

    def _counted(self, neighbours: np.ndarray, n_classes: int) -> np.ndarray:
        counted = np.stack([(self._codes[neighbours] == k).sum(axis=1) for k in range(n_classes)], axis=1)
        return (counted + 1 / n_classes) / (neighbours.shape[1] + 1)


def lie_amid(X: np.ndarray, X_target: np.ndarray) -> bool:
    """Whether rows lie amid the target's as they are, but for a minority that belongs nowhere.

    Their median distance from the target is no more than a standard deviation above that of the target's rows from one
    another. Then no map is needed to compare both sides.

    Parameters
    ----------
    X, X_target : ndarray of shape (n_samples, n_columns), (m_samples, n_columns)
        Both sides.
    """
    if min(len(X), len(X_target)) <= NEAREST:
        return False
    return SideBySide(X, X_target, np.zeros(len(X_target), dtype=int), 0).amid()


SMALLEST_SPREAD = 1e-6
"""Of logarithms of distances: those that are all the same tell nothing."""
