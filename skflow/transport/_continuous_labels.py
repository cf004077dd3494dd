"""Continuous labels in the ground cost: columns beside the features, so that every solver serves."""

from __future__ import annotations

import torch
from torch import Tensor


def label_columns(
    x: Tensor, y: Tensor, a: Tensor, x_target: Tensor, y_target: Tensor, b: Tensor, label_weight: float
) -> tuple[Tensor, Tensor]:
    """Columns that add ``label_weight V_x / q sum_k (y_k - y'_k)^2 / V_k`` to the squared distances of the features.

    A continuous label is its own point distribution, so that the label distance of the OTDD (section 3.3) is the
    squared difference; the sum of both costs is that of Courty, Flamary, Habrard and Rakotomamonjy, "Joint distribution
    optimal transportation for domain adaptation", NeurIPS 2017. The weight is in units of the two variances: V_x is the
    total variance of the features and V_k that of label k, each the mean over the two sides.

    Parameters
    ----------
    x, x_target : Tensor of shape (n, d), (m, d)
        Features.
    y, y_target : Tensor of shape (n, q), (m, q)
        Labels.
    a, b : Tensor of shape (n,), (m,)
        Weights, each summing to one.
    label_weight : float
        Weight of the label distance.

    Returns
    -------
    columns, columns_target : Tensor of shape (n, q), (m, q)
        In the dtype of the features; zero where a label does not vary on either side.
    """
    y, y_target, a, b = (t.double() for t in (y, y_target, a, b))
    mean = b @ y_target
    y, y_target = y - mean, y_target - mean  # what labels have in common would cost digits
    of_labels = (_variances(y, a) + _variances(y_target, b)) / 2
    of_features = (_variances(x.double(), a).sum() + _variances(x_target.double(), b).sum()) / 2
    squares = torch.where(of_labels > 0, label_weight * of_features / (y.shape[1] * of_labels), 0.0)
    scale = squares.sqrt()
    return (y * scale).to(x.dtype), (y_target * scale).to(x.dtype)


def _variances(values: Tensor, weights: Tensor) -> Tensor:
    centred = values - values[0]  # the mean of equal numbers is not that number, to the last digit
    return weights @ (centred - weights @ centred).square()
