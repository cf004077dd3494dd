"""Layers shared by the push-forward nets: ensembles in one batched product, and noise from a generator of their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout that draws from `generator`. PyTorch's own draws from the global one, which is all threads' at once."""

    generator: torch.Generator | None = None

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements in training, with what is left scaled up."""
        if not self.training or self.p == 0:
            return x
        return x * torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)


def set_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Let all parts of a net that draw random numbers draw them from `generator`."""
    for part in module.modules():
        if hasattr(part, "generator"):
            part.generator = generator  # type: ignore[assignment]


class EnsembleLinear(nn.Module):
    """One linear layer per ensemble member, applied in one batched product.

    Maps `(n_members, n_samples, n_in)` to `(n_members, n_samples, n_out)`.
    """

    def __init__(self, n_members: int, n_in: int, n_out: int):
        super().__init__()
        bound = 1 / math.sqrt(n_in)  # as torch.nn.Linear
        self.weight = nn.Parameter(torch.empty(n_members, n_in, n_out, dtype=torch.float32).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_members, 1, n_out, dtype=torch.float32).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x @ weight + bias`, member by member."""
        return torch.baddbmm(self.bias, x, self.weight)


class GatedHead(nn.Module):
    """Class-wise low-rank maps, gated by a label head.

    Each class has a mean and `rank` directions in the space of the final positions. The code of a sample decides where
    in that affine subspace it goes, and the label head's probabilities decide how much each class says:
    `sum_k p_k(x) (mean_k + coordinates_k(x) @ basis_k)`. Fitted with a cross-entropy beside the regression loss, so a
    map that generalises no better than a classifier does generalise as well as one.

    Parameters
    ----------
    n_members : int
    width : int
        Length of the codes.
    means : Tensor of shape (n_classes, n_features)
        Where the class means start from.
    rank : int
    """

    def __init__(self, n_members: int, width: int, means: Tensor, rank: int):
        super().__init__()
        n_classes, n_features = means.shape
        self.label = EnsembleLinear(n_members, width, n_classes)
        self.coordinates = EnsembleLinear(n_members, width, n_classes * rank)
        self.means = nn.Parameter(means.repeat(n_members, 1, 1))
        self.basis = nn.Parameter(0.02 * torch.randn(n_members, n_classes * rank, n_features, dtype=torch.float32))

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Map codes `(n_members, n_samples, width)` to the outputs of the members or, in evaluation, to their mean.

        Returns
        -------
        output : Tensor of shape (n_members, n_samples, n_features), or (n_samples, n_features) in evaluation
        logits : Tensor of shape (n_members, n_samples, n_classes)
        """
        logits = self.label(codes)
        gate = logits.softmax(-1)
        coordinates = self.coordinates(codes).unflatten(-1, (gate.shape[-1], -1)) * gate[..., None]
        weights = torch.cat([gate, coordinates.flatten(-2)], dim=-1)
        directions = torch.cat([self.means, self.basis], dim=1)
        if self.training:
            return torch.bmm(weights, directions), logits
        # The mean over members is one product with the members' directions stacked.
        n_members, n_samples, _ = weights.shape
        return weights.transpose(0, 1).reshape(n_samples, -1) @ directions.flatten(0, 1) / n_members, logits
