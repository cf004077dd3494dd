"""Alignment of two datasets by one global map."""
