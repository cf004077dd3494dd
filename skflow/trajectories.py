"""The particles of a flow as training data (section 7.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ._inputs import as_labels

SAMPLES = ("initial", "final", "trajectory", "mapped")


def as_training_data(
    flow: Any, samples: str = "trajectory", X: ArrayLike | None = None, y: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples that a fitted flow gives a classifier of the *target's* task, as extra training data (section 7.2).

    Parameters
    ----------
    flow : fitted flow with a target
        With `keep_trajectory` of two or more for "initial" and "trajectory".
    samples : {"trajectory", "initial", "final", "mapped"}, default="trajectory"
        "initial": the particles where they started, z_0; "final": where they ended, z_T; "trajectory": all kept frames;
        "mapped": rows `X` carried by the push-forward, h(z_0).
    X, y : array-like of shape (n_samples, n_features), (n_samples,), default=None
        Rows to map and their labels, in the source's names; for "mapped" only.

    Returns
    -------
    X : ndarray of shape (n, n_features)
        Features, n being the number of particles times that of frames, or of rows mapped.
    y : ndarray of shape (n,)
        Labels in the target's names, by the flow's `label_map_`.
    sample_weight : ndarray of shape (n,)
        The frames of a particle share a weight of one.

    Raises
    ------
    ValueError
        For an unknown kind, a flow without a target, frames that were not kept, `X` and `y` that are missing, given in
        vain or of two lengths, or labels in `y` that the flow does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from skflow import OTDDFlowTransformer
    >>> from skflow.trajectories import as_training_data
    >>> X, y = make_blobs(60, centers=[[0, 0], [4, 0]], random_state=0)
    >>> few = X[:6] + 9, np.array(["no", "yes"])[y[:6]]
    >>> flow = OTDDFlowTransformer(few, keep_trajectory=5, pushforward=LinearRegression()).fit(X, y)
    >>> X_more, y_more, weight = as_training_data(flow)
    >>> X_more.shape, float(weight.sum().round())
    ((300, 2), 60.0)
    >>> clf = LogisticRegression().fit(np.r_[few[0], X_more], np.r_[few[1], y_more])
    """
    if not hasattr(flow, "fit") or isinstance(flow, type):
        raise ValueError(f"flow={flow!r} is no flow.")
    check_is_fitted(flow)
    if not isinstance(samples, str) or samples not in SAMPLES:
        raise ValueError(f"samples={samples!r} is not one of {SAMPLES}.")
    if samples != "mapped" and not (X is None and y is None):
        raise ValueError(f"samples={samples!r} takes no X and y.")
    if not hasattr(flow, "label_map_"):
        raise ValueError(f"flow={flow!r} has no target, whose classes the samples are given.")
    if samples == "mapped":
        if X is None or y is None:
            raise ValueError("samples='mapped' needs X and y, rows and their labels.")
        frames, labels = np.asarray(flow.transform(X))[None], as_labels(y)
        if len(labels) != frames.shape[1]:
            raise ValueError(f"y has {len(labels)} labels, but X has {frames.shape[1]} rows.")
    elif samples == "final":
        frames, labels = flow.particles_[None], flow.particle_labels_
    elif len(flow.trajectory_) < 2:
        raise ValueError(f"samples={samples!r} needs a flow with keep_trajectory of at least 2, got flow={flow!r}.")
    else:
        frames, labels = flow.trajectory_[: 1 if samples == "initial" else None], flow.particle_labels_
    classes, codes = np.unique(labels, return_inverse=True)
    unknown = [label for label in classes.tolist() if label not in flow.label_map_]
    if unknown:
        raise ValueError(f"y has the labels {unknown}, which the flow has not seen; it knows {list(flow.label_map_)}.")
    names = np.array([flow.label_map_[label] for label in classes.tolist()], dtype=flow.target_classes_.dtype)
    weight = np.full(len(frames) * len(labels), 1 / len(frames))
    return frames.reshape(-1, frames.shape[-1]), np.tile(names[codes], len(frames)), weight
