"""Move labelled datasets towards the reference dataset of a frozen model, by gradient flows of the OTDD.

After Alvarez-Melis & Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021.
"""

from ._target import Reference
from .constrained_flow import ConstrainedFlow
from .otdd_flow import OTDDFlowTransformer
from .pseudo_label_flow import PseudoLabelFlow
from .repurposed import RepurposedClassifier

__version__ = "0.1.0"

__all__ = [
    "ConstrainedFlow",
    "OTDDFlowTransformer",
    "PseudoLabelFlow",
    "Reference",
    "RepurposedClassifier",
    "__version__",
]
