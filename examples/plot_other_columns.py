"""
Other columns, and no labels
============================

A model knows its own columns only. The data have others: images of 6 by 6 pixels for a model of 8 by 8, or twenty
measured columns of thirty, in another order and without their names. `DomainAligner` finds the map from how columns
vary together, and fills in what is missing by what the model's own data say of it. The images need no label. A table of
few rows may need some: without, the map is not always the right one.
"""

# %%
# Images of another size
# ----------------------
# A support vector machine has been trained on one half of scikit-learn's digits, 8 by 8 pixels. The other half comes
# from a coarser scanner. ``fit`` sees no label of its rows.
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skflow import DomainAligner, Reference
from skflow.inspection import RowsDisplay


def three_parts(X, y):
    """The model's half; of the other half, two thirds to fit on and one third to judge on."""
    X_ref, X_other, y_ref, y_other = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    return X_ref, y_ref, *train_test_split(X_other, y_other, test_size=1 / 3, stratify=y_other, random_state=0)


def coarse(X):
    return zoom(X.reshape(-1, 8, 8), (1, 0.75, 0.75), order=1, grid_mode=True, mode="nearest").reshape(-1, 36)


X, y = load_digits(return_X_y=True)
X_ref, y_ref, X_src, X_new, _, y_new = three_parts(X / 16, y)
model = FrozenEstimator(SVC(C=5).fit(X_ref, y_ref))
pipe = make_pipeline(DomainAligner(Reference(X_ref, y_ref), random_state=0), model).fit(coarse(X_src))
print(f"8 by 8 pixels, as the model knows them: {model.score(X_new, y_new):.1%} of unseen rows are right")
print(f"6 by 6 pixels, aligned without a label: {pipe.score(coarse(X_new), y_new):.1%}")

unseen = [np.flatnonzero(y_new == k)[0] for k in range(10)]
RowsDisplay.from_estimator(pipe[0], coarse(X_new[unseen]), truth=X_new[unseen])

# %%
# Twenty columns of thirty, in another order
# ------------------------------------------
# A linear model of thirty measured columns meets a table of twenty. It is known that the columns are among the thirty,
# and not which is which: ``invariance="permutation"``. There are only 190 rows to find out by, and many columns are
# much alike. So the right order is not always found. Where the divergence stays far above its floor, the verdict says
# "not found". It does not notice that a few columns have been mistaken for others that are much like them. With the
# labels of the rows, ``fit(X, y)``, classes help to tell columns apart.
data = load_breast_cancer()
X_ref, y_ref, X_src, X_new, y_src, y_new = three_parts(data.data, data.target)
scaler = StandardScaler().fit(X_ref)
X_ref, X_src, X_new = (scaler.transform(rows) for rows in (X_ref, X_src, X_new))
model = FrozenEstimator(LogisticRegression().fit(X_ref, y_ref))
print(f"\nall thirty columns, in their order: {model.score(X_new, y_new):.1%} of unseen rows are right")

aligner = DomainAligner(Reference(X_ref, y_ref), invariance="permutation", random_state=0)
likeness = {"no labels": [], "labels": []}
print(f"{'twenty columns':<16}{'labels':<11}{'right':>7}{'divergence':>12}{'floor':>7}   verdict")
for seed in range(4):
    order = np.random.RandomState(seed).permutation(30)[:20]
    for kind, labels in zip(likeness, [None, y_src], strict=True):
        pipe = make_pipeline(aligner, model).fit(X_src[:, order], labels)
        found, carried = pipe[0].alignment_, pipe[0].transform(X_new[:, order])
        print(
            f"{f'order {seed}':<16}{kind:<11}{pipe.score(X_new[:, order], y_new):>7.1%}{found.divergence:>12.2f}"
            f"{found.floor:>7.2f}   {found.verdict}"
        )
        likeness[kind].append([np.corrcoef(carried[:, k], X_new[:, k])[0, 1] for k in range(30)])

# %%
# How much each of the thirty columns, found or filled in, is like the true one that ``fit`` has not seen.
figure, axes = plt.subplots(2, 1, figsize=(9, 4), sharex=True, layout="constrained")
for ax, (kind, values) in zip(axes, likeness.items(), strict=True):
    image = ax.imshow(values, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    ax.set(yticks=range(4), yticklabels=[f"order {seed}" for seed in range(4)], title=kind)
axes[-1].set_xlabel("column of the model")
figure.colorbar(image, ax=axes, label="correlation, unseen rows")
plt.show()
