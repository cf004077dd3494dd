"""Push-forward maps: regressors that learn the movement of the particles and carry unseen samples along."""

from ._convolutional import ImagePushForward
from ._gated import TabularPushForward

__all__ = ["TabularPushForward", "ImagePushForward"]
