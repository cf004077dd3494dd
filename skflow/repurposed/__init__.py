"""A frozen classifier in the labels of another domain, and a frozen regressor of its numbers."""

from ._classifier import RepurposedClassifier
from ._regressor import RepurposedRegressor

__all__ = ["RepurposedClassifier", "RepurposedRegressor"]
