"""The decision whether to move: leaving rows as they are is always a candidate, and held-out rows decide."""

from ._decision import (
    WORTH_MORE,
    WORTH_MOVING,
    Choice,
    Decision,
    allowances,
    decide_by_both,
    decide_by_divergence,
    decide_by_labels,
)
from ._panel import Panel

__all__ = [
    "WORTH_MORE",
    "WORTH_MOVING",
    "Choice",
    "Decision",
    "Panel",
    "allowances",
    "decide_by_both",
    "decide_by_divergence",
    "decide_by_labels",
]
