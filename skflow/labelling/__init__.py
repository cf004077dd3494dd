"""Labels where there are few or none: markers, beliefs spread over a neighbour graph, clusters, class proportions."""

from ._beliefs import (
    TINY,
    Calibrated,
    balance,
    combine,
    confidence_of,
    fit_temperature,
    fit_weights,
    rows_to_one,
    temper,
)
from ._class_frequencies import class_prior
from ._clusters import SpectralMixture, name_clusters
from ._completion import PseudoLabels, complete_labels
from ._graph import NeighbourGraph
from ._markers import as_array, merge_labels, split_labels, unlabelled_rows
from ._places import SIMPLER, beliefs_from_target, labelling_loss

__all__ = [
    "SIMPLER",
    "TINY",
    "Calibrated",
    "NeighbourGraph",
    "PseudoLabels",
    "SpectralMixture",
    "as_array",
    "balance",
    "beliefs_from_target",
    "class_prior",
    "combine",
    "complete_labels",
    "confidence_of",
    "fit_temperature",
    "fit_weights",
    "labelling_loss",
    "merge_labels",
    "name_clusters",
    "rows_to_one",
    "split_labels",
    "temper",
    "unlabelled_rows",
]
