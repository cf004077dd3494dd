"""Units and offsets: rows are centred and divided by one scale in float64 before anything else sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDING_SHARE = 1e-13
"""Spread that may be rounding, as a share of the centre."""


class Units(NamedTuple):
    """A centre and one scale for all features.

    One scale, since the particles moved by Euclidean distances. (Each feature to unit variance would blow up pixels
    that are hardly ever on; it is for the user to make features commensurate.)
    """

    centre: np.ndarray
    scale: float

    @classmethod
    def of(cls, R: np.ndarray, weights: np.ndarray) -> Units:
        """The weighted mean of the rows of `R`, and the root of their mean squared distance from it."""
        R = R.astype(np.float64, copy=False)
        centre = R[0] + np.average(R - R[0], axis=0, weights=weights)  # exact for offsets that dwarf the spread
        scale = root_mean_square(R - centre, weights)
        # Rows that are all equal but for rounding have no spread to be measured by.
        return cls(centre, scale if scale > ROUNDING_SHARE * np.abs(centre).max(initial=0.0) else 1.0)

    def standardise(self, R: np.ndarray) -> np.ndarray:
        """Rows in these units, in float64."""
        return (R.astype(np.float64, copy=False) - self.centre) / self.scale


def root_mean_square(R: np.ndarray, weights: np.ndarray) -> float:
    """Root of the weighted mean of the rows' squared lengths, 1 where all are zero; it neither over- nor underflows.

    Subnormal numbers count as zero: nothing can be divided by them.
    """
    largest = float(np.abs(R).max(initial=0.0))
    if largest < np.finfo(np.float64).tiny:
        return 1.0
    return largest * float(np.sqrt(np.average(np.square(R / largest).sum(axis=1), weights=weights)))
