"""A frozen classifier in the labels of another domain."""

from ._classifier import RepurposedClassifier

__all__ = ["RepurposedClassifier"]
