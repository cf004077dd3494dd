"""The values that a model knows: what lies beyond them is brought to their edge."""

from __future__ import annotations

import numpy as np

TAIL = 0.05
"""Share of the target's rows on either side of a column that its central range leaves out."""


class CentralRange:
    """Columns limited to the range that all but a few of the target's rows are in; nothing else is changed.

    Where a few odd columns make two tables differ, such as one that hardly varied where the model was trained, this
    takes away what no model has learnt to deal with. It knows nothing of the source, so no chance can mislead it.

    Parameters
    ----------
    X_target : ndarray of shape (m_samples, n_features)
        The target.
    """

    def __init__(self, X_target: np.ndarray) -> None:
        self.low, self.high = np.quantile(X_target, [TAIL, 1 - TAIL], axis=0)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """The rows, in range, in their own dtype."""
        return np.clip(X, self.low, self.high).astype(X.dtype, copy=False)
