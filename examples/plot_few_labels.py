"""
A frozen classifier with few labels, or none
============================================

A support vector machine has been trained on one half of scikit-learn's digits. The other half comes from another
scanner, and hardly anybody has labelled it. In one case the machine reads the new digits fairly well, so that its own
answers are evidence; in the other, with black and white exchanged, its answers are worthless. How much each kind of
evidence is worth is found out from the few labels that there are.
"""

# %%
# A model, and two scanners
# -------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer, PseudoLabelFlow, Reference, RepurposedClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
X_ref, X_other, y_ref, y_other = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
model = FrozenEstimator(SVC(C=5).fit(X_ref, y_ref))

noise = 0.1 * np.random.default_rng(0).normal(size=X_other.shape)
scanners = {
    "low contrast, noisy": np.clip(0.4 * X_other + 0.3 + noise, 0, 1).astype("float32"),
    "inverted": 1 - X_other,
}

# %%
# None, one, or five labels a class
# ---------------------------------
# Rows without a label are marked with -1, as in :mod:`sklearn.semi_supervised`. All accuracies are on those rows.
# Without any label, nothing tells that the answers to the inverted digits are wrong, and nothing is shown. No unseen
# rows are to be carried here, so any map will do.


def few(labels, k):
    known = np.full(len(labels), -1)
    for label in np.unique(labels):
        known[np.flatnonzero(labels == label)[:k]] = label
    return known


names = ["the frozen model", "LabelSpreading", "RepurposedClassifier"]
results = {}
print(f"{'accuracy on unlabelled rows, %':<44}", *(f"{name:>21}" for name in names))
for scanner, rows in scanners.items():
    for k in (0, 1, 5):
        if k == 0 and scanner == "inverted":
            continue
        known = few(y_other, k)
        flow = PseudoLabelFlow(
            Reference(X_ref, y_ref), flow=OTDDFlowTransformer(pushforward=LinearRegression()), random_state=0
        )
        clf = RepurposedClassifier(model, flow).fit(rows, known)
        found = {"the frozen model": model.predict(rows), "RepurposedClassifier": clf.transduction_}
        if k:
            spreading = LabelSpreading(kernel="knn", n_neighbors=5, alpha=0.99, max_iter=1000).fit(rows, known)
            found["LabelSpreading"] = spreading.transduction_
        results[scanner, k] = {name: np.mean((answer == y_other)[known < 0]) for name, answer in found.items()}
        title, shares = f"{scanner}, {k} labels a class", results[scanner, k]
        print(f"{title:<44}", *(f"{100 * shares[name]:>21.1f}" if name in shares else f"{'':>21}" for name in names))

# %%
# What each way makes of it
# -------------------------
figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
for j, name in enumerate(names):
    ax.bar(np.arange(len(results)) + 0.27 * (j - 1), [r.get(name, 0) for r in results.values()], 0.25, label=name)
ax.set_xticks(range(len(results)), [f"{scanner}\n{k} labels a class" for scanner, k in results])
ax.set(ylabel="accuracy on unlabelled rows", ylim=(0, 1))
ax.legend(loc="lower left")
plt.show()
