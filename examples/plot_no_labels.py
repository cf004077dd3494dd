"""
No labels at all: one global map
================================

A support vector machine has been trained on one half of scikit-learn's digits. The other half arrives turned by 90°, or
inverted, and nobody has labelled any of it. Each of these shifts is one map for all rows. `DomainAligner` finds such a
map from the rows alone, so that everything in a digit survives, and can be undone.
"""

# %%
# The model, and two shifts of the half that it does not know
# -----------------------------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skflow import DomainAligner, Reference
from skflow.inspection import FlowReport, RowsDisplay

X, y = load_digits(return_X_y=True)
X = X / 16
X_ref, X_other, y_ref, y_other = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
X_src, X_new, _, y_new = train_test_split(X_other, y_other, test_size=1 / 3, stratify=y_other, random_state=0)
model = FrozenEstimator(SVC(C=5).fit(X_ref, y_ref))


def turn(X):
    return np.rot90(X.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy()


def invert(X):
    return 1 - X


# %%
# Align without a label
# ---------------------
# ``fit`` sees rows of the source and no label of theirs. The labels of the target are known, as the model was trained
# with them: they tell a change of class frequencies from a movement. The verdict compares two divergences: that of
# held-out rows, mapped, from the target, and that between two halves of the target, the floor. Accuracies are on rows
# that ``fit`` has not seen; their labels serve for judging only.
target = Reference(X_ref, y_ref)
aligners = {}
print(f"{'accuracy on unseen rows, %':<28}{'before':>10}{'aligned':>10}   verdict")
for name, shift in {"turned by 90°": turn, "inverted": invert}.items():
    pipe = make_pipeline(DomainAligner(target, random_state=0), model).fit(shift(X_src))
    before, aligned = model.score(shift(X_new), y_new), pipe.score(shift(X_new), y_new)
    found = pipe[0].alignment_
    print(
        f"{name:<28}{100 * before:>10.1f}{100 * aligned:>10.1f}   "
        f"{found.verdict}: {found.invariance}, divergence {found.divergence:.3f}, floor {found.floor:.3f}"
    )
    aligners[name] = (shift, pipe[0])

# %%
# There and back
# --------------
# Unseen digits before the map, after it, carried back to the source by ``inverse_transform``, and as they were before
# the shift.
unseen = [np.flatnonzero(y_new == k)[0] for k in range(10)]
for shift, aligner in aligners.values():
    RowsDisplay.from_estimator(aligner, shift(X_new[unseen]), truth=X_new[unseen], image_shape=(8, 8))
plt.show()

# %%
# The report
# ----------
# What moved, the map in words, the distance to the model's data, and how sure all this is. In a notebook the report is
# the last line of a cell; ``write_html`` makes one file of it.
shift, aligner = aligners["turned by 90°"]
FlowReport(aligner, shift(X_new), y_new, image_shape=(8, 8))
