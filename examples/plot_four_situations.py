"""
The five-minute tour: four situations
=====================================

A classifier of handwritten digits is frozen: nobody may train it again. Then the digits change. In each of four
situations `skflow` moves the new digits to where the classifier can read them. What differs is what you know of your
new data: all labels, five labels a class, none, or not even the same columns.

This is also what ``make demo`` runs.
"""

# %%
# The frozen model
# ----------------
# It has been trained on 600 digits of 8 by 8 pixels. Those are the *target*: the data that the model knows. You need
# them, or a sample of them.
import argparse

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skflow import DomainAligner, OTDDFlowTransformer, PseudoLabelFlow, Reference

parser = argparse.ArgumentParser(description="Four situations in which a frozen classifier meets other data.")
parser.add_argument("--out", default="four_situations.png", help="where the picture goes (default: %(default)s)")
out = parser.parse_args().out

X, y = load_digits(return_X_y=True)
X = X / 16
X_ref, X_other, y_ref, y_other = train_test_split(X, y, train_size=600, stratify=y, random_state=0)
X_train, X_new, y_train, y_new = train_test_split(X_other, y_other, train_size=600, stratify=y_other, random_state=0)
model = SVC(C=5).fit(X_ref, y_ref)
target = Reference(X_ref, y_ref)


# %%
# Four things that happen to data
# -------------------------------
def invert(X):
    """Another scanner: black on white."""
    return 1 - X


def turn(X):
    """Another camera: turned by 90°."""
    return np.rot90(X.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy()


def cross_wires(X):
    """The cable is wired otherwise: all pixels exchanged."""
    return X[:, np.random.RandomState(7).permutation(64)]


def coarsen(X):
    """A cheaper sensor: 6 by 6 pixels."""
    return zoom(X.reshape(-1, 8, 8), (1, 0.75, 0.75), order=1, grid_mode=True, mode="nearest").reshape(-1, 36)


five = np.full(len(y_train), -1)  # -1: no label
for k in range(10):
    rows = np.flatnonzero(y_train == k)[:5]
    five[rows] = k

situations = {
    "All labels\ninverted": (invert, OTDDFlowTransformer(target, random_state=0), y_train),
    "Five labels a class\nturned by 90°": (turn, PseudoLabelFlow(target, random_state=0), five),
    "No labels\npixels exchanged": (cross_wires, DomainAligner(target, random_state=0), None),
    "No labels, other columns\n6 × 6 for an 8 × 8 model": (coarsen, DomainAligner(target, random_state=0), None),
}

# %%
# One pipeline each
# -----------------
# The flow stands in front of the model. ``fit`` never touches the model. The accuracy is that on digits that nothing
# was fitted on. *Retrained* is a new model, trained on the labels that there are: what a frozen model rules out.
results = {}
print(f"{'right on unseen digits, %':<52}{'before':>8}{'after':>8}{'retrained':>11}")
for name, (shift, flow, labels) in situations.items():
    X_src, X_unseen = shift(X_train), shift(X_new)
    pipe = make_pipeline(flow, FrozenEstimator(model)).fit(X_src, labels)
    before = model.score(X_unseen, y_new) if X_unseen.shape[1] == 64 else None
    after = pipe.score(X_unseen, y_new)
    known = np.zeros(len(y_train), dtype=bool) if labels is None else labels >= 0
    retrained = clone(model).fit(X_src[known], y_train[known]).score(X_unseen, y_new) if known.any() else None
    results[name] = (X_unseen, pipe[0].transform(X_unseen), (before, after, retrained))
    figures = "".join(f"{'–' if x is None else f'{100 * x:.1f}':>{w}}" for x, w in zip(results[name][2], (8, 8, 11)))
    print(f"{name.replace(chr(10), ', '):<52}{figures}")

# %%
# The picture
# -----------
# Ten unseen digits before and after, and how often the model is right.
unseen = [np.flatnonzero(y_new == k)[1] for k in range(10)]


def strip(rows):
    """Digits side by side, with a gap between them."""
    side = int(rows.shape[1] ** 0.5)
    images = np.pad(rows.reshape(-1, side, side), ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    return np.hstack(list(images))[:, :-1]


colours = {"before": "#a4adb8", "after": "#1f6f8b", "retrained": "#d9a441"}
figure, axes = plt.subplots(4, 3, figsize=(13.5, 5.6), width_ratios=(5, 5, 2.4), layout="constrained")
figure.get_layout_engine().set(wspace=0.05, hspace=0.08)
for row, (name, (X_unseen, carried, scores)) in zip(axes, results.items(), strict=True):
    for ax, rows in zip(row, (X_unseen[unseen], carried[unseen]), strict=False):
        ax.imshow(strip(rows), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], frame_on=False)
    title, what = name.split("\n")
    row[0].set_title(title, loc="left", fontsize=11, fontweight="bold")
    row[0].set_xlabel(what, loc="left", fontsize=10, color="#556070")
    for k, (kind, score) in enumerate(zip(colours, scores, strict=True)):
        row[2].barh(-k, 0 if score is None else 100 * score, color=colours[kind], height=0.75)
        words = "cannot be asked" if kind == "before" else "no labels"
        words = words if score is None else f"{100 * score:.0f} %"
        row[2].text(3 if score is None else 100 * score + 2, -k, words, va="center", fontsize=9)
    row[2].set(yticks=[0, -1, -2], yticklabels=list(colours), xticks=[], xlim=(0, 118))
    row[2].spines[:].set_visible(False)
    row[2].tick_params(length=0)
axes[0, 1].set_title(
    "carried by skflow to where the model can read them", loc="left", fontsize=11, color="#1f6f8b", fontweight="bold"
)
axes[0, 2].set_title("the frozen model is right on", loc="left", fontsize=11)
figure.savefig(out, dpi=130)
print(f"\nThe picture is in {out}.")
print("Next: put your own data in place of these, as in docs/quickstart.rst, and read what happened by")
print("      skflow.inspection.FlowReport(pipe, X_unseen, y_new).write_html('report.html')")
print("      `make docs` builds the pages: which estimator to take, how-tos, and what to do when it went wrong.")
