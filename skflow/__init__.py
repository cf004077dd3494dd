"""Move labelled datasets towards the reference dataset of a frozen model, by gradient flows of the OTDD.

After Alvarez-Melis & Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021.
"""

from ._aligner import DomainAligner
from ._constrained_flow import ConstrainedFlow
from ._drift_detector import DriftDetector
from ._gradual_aligner import GradualAligner
from ._multi_domain import MultiDomainFlow
from ._otdd_flow import OTDDFlowTransformer
from ._pseudo_label import PseudoLabelFlow
from ._target import Reference
from .repurposed import RepurposedClassifier, RepurposedRegressor

__version__ = "0.1.0"

__all__ = [
    "ConstrainedFlow",
    "DomainAligner",
    "DriftDetector",
    "GradualAligner",
    "MultiDomainFlow",
    "OTDDFlowTransformer",
    "PseudoLabelFlow",
    "Reference",
    "RepurposedClassifier",
    "RepurposedRegressor",
    "__version__",
]
