"""
A frozen classifier on data from another domain
===============================================

A support vector machine has been trained on one half of scikit-learn's digits and is never trained again. The other
half arrives as another scanner might deliver it: rotated by 90°, inverted, with its pixels permuted, or with little
contrast and much noise. The flow moves these digits towards the machine's own reference digits, learns that movement
as a map, and carries digits that it has never seen, without labels, to where the machine can read them.
"""

# %%
# The model, and the half of the digits that it knows
# ---------------------------------------------------
import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer

parser = argparse.ArgumentParser(description="A frozen classifier on data from another domain.")
parser.add_argument("--out", default="frozen_classifier.png", help="where the picture goes (default: %(default)s)")
out = parser.parse_args().out

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
X_ref, X_other, y_ref, y_other = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

clf = SVC(C=5).fit(X_ref, y_ref)

# %%
# Four shifts of the other half
# -----------------------------
# Two thirds of it are the labelled source data; one third is left for judging.
permutation = np.random.RandomState(7).permutation(X.shape[1])
rng = np.random.RandomState(0)


def rotate(X):
    return np.rot90(X.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy()


def fade(X):
    return np.clip(0.4 * X + 0.3 + 0.1 * rng.randn(*X.shape), 0, 1).astype("float32")


shifts = {
    "rotated by 90°": rotate,
    "inverted": lambda X: 1 - X,
    "pixels permuted": lambda X: X[:, permutation],
    "contrast and noise": fade,
}
X_train, X_new, y_train, y_new = train_test_split(X_other, y_other, test_size=1 / 3, stratify=y_other, random_state=0)

# %%
# Move the data, not the model
# ----------------------------
# One pipeline, with the same default settings for every shift. ``fit`` runs the flow and learns the push-forward; the
# classifier stays as it is. For comparison: the frozen machine on the data as they come, and a machine trained anew
# on the shifted digits, which is what a frozen model rules out.
print(f"{'accuracy on unseen rows, %':<28}{'frozen, before':>16}{'frozen, after':>16}{'retrained':>12}")
flows = {}
for name, shift in shifts.items():
    X_src, X_unseen = shift(X_train), shift(X_new)
    flow = OTDDFlowTransformer(target=(X_ref, y_ref), keep_trajectory=25, random_state=0)
    pipe = Pipeline([("flow", flow), ("clf", FrozenEstimator(clf))]).fit(X_src, y_train)

    before = clf.score(X_unseen, y_new)
    after = pipe.score(X_unseen, y_new)
    retrained = clone(clf).fit(X_src, y_train).score(X_unseen, y_new)
    print(f"{name:<28}{100 * before:>16.1f}{100 * after:>16.1f}{100 * retrained:>12.1f}")
    flows[name] = (X_src, pipe["flow"], X_unseen)

# %%
# Before, during and after
# ------------------------
# The particles keep the order of the training rows, so that each digit can be followed on its way. On the right, digits
# that the flow has never seen, carried by the learnt push-forward.
digits = [np.flatnonzero(y_train == k)[0] for k in range(10)]
unseen = [np.flatnonzero(y_new == k)[0] for k in range(10)]


def tile(rows):
    """Ten digits in two rows of five, with a gap between them."""
    images = np.pad(np.reshape(rows, (10, 8, 8)), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    return images.reshape(2, 5, 10, 10).swapaxes(1, 2).reshape(20, 50)


titles = ["before", "half-way", "after", "unseen, before", "unseen, carried"]
fig, axes = plt.subplots(len(flows), len(titles), figsize=(13, 4.4), layout="constrained")
for row, (name, (X_src, flow, X_unseen)) in zip(axes, flows.items(), strict=True):
    to_go = np.linalg.norm(flow.trajectory_ - flow.particles_, axis=(1, 2))
    halfway = flow.trajectory_[np.abs(to_go / to_go[0] - 0.5).argmin()]  # by distance: a flow slows down on its way
    carried = flow.transform(X_unseen[unseen])
    frames = [X_src[digits], halfway[digits], flow.particles_[digits], X_unseen[unseen], carried]
    for ax, frame in zip(row, frames, strict=True):
        ax.imshow(tile(frame), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], frame_on=False)
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
fig.savefig(out, dpi=150)
print(f"\nThe picture is in {out}.")
