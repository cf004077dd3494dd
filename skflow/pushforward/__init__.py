"""Push-forward maps: regressors that learn the movement of the particles and carry unseen samples along."""

from ._convolutional import ImagePushForward
from ._cross_fit import left_out_predictions
from ._smooth import SmoothPushForward
from ._tabular import TabularPushForward

__all__ = ["TabularPushForward", "SmoothPushForward", "ImagePushForward", "left_out_predictions"]
