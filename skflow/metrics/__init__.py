"""Distances between datasets as plain functions on arrays, and scorers for model selection without the truth."""

from ._between_tables import divergence
from ._circular import circular_scorer, way_back
from ._class_proportions import class_proportions
from ._datasets import class_coupling, label_distances, otdd
from ._floors import divergences_beside_floors, neg_misfit_scorer
from ._scorers import agreement_scorer, confidence_scorer, neg_divergence_scorer, neg_otdd_scorer

__all__ = [
    "agreement_scorer",
    "circular_scorer",
    "class_coupling",
    "class_proportions",
    "confidence_scorer",
    "divergence",
    "divergences_beside_floors",
    "label_distances",
    "neg_divergence_scorer",
    "neg_misfit_scorer",
    "neg_otdd_scorer",
    "otdd",
    "way_back",
]
