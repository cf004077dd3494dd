"""The decision whether to move: leaving rows as they are is always a candidate, and held-out rows decide."""

from ._apart import rows_apart
from ._by_domains import OTHERS_ROWS, Gains, decide_by_domains, measure_gains
from ._counterparts import ClassShare, Counterparts, find_counterparts
from ._decision import (
    WORTH_MORE,
    WORTH_MOVING,
    Choice,
    Decision,
    Named,
    allowances,
    decide_by_both,
    decide_by_divergence,
    decide_by_labels,
)
from ._nearest import Nearest, common_axes
from ._range import CentralRange
from ._side_by_side import lie_amid
from ._trust import SignWeights, TrustModel
from ._way_back import compare_ways_back

__all__ = [
    "OTHERS_ROWS",
    "WORTH_MORE",
    "WORTH_MOVING",
    "CentralRange",
    "Choice",
    "ClassShare",
    "Counterparts",
    "Decision",
    "Gains",
    "Named",
    "Nearest",
    "SignWeights",
    "TrustModel",
    "allowances",
    "compare_ways_back",
    "common_axes",
    "decide_by_both",
    "decide_by_divergence",
    "decide_by_domains",
    "decide_by_labels",
    "find_counterparts",
    "lie_amid",
    "measure_gains",
    "rows_apart",
]
