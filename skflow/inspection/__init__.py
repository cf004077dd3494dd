"""Pictures of flows, in scikit-learn's manner: ``ObjectiveDisplay.from_estimator(flow)``.

matplotlib is imported when something is drawn, and not before.
"""

from ._coupling import CouplingDisplay
from ._objective import ObjectiveDisplay
from ._report import FlowReport
from ._rows import RowsDisplay
from ._scatter import ParticlesDisplay
from ._trajectory import TrajectoryDisplay

__all__ = ["CouplingDisplay", "FlowReport", "ObjectiveDisplay", "ParticlesDisplay", "RowsDisplay", "TrajectoryDisplay"]
