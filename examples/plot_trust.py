"""
==============================
When to give no answer
==============================

A frozen model answers every row, also those that it cannot know. Here digits are seen by another camera: darker and
noisy. A flow brings them to the model, :meth:`~skflow.RepurposedClassifier.trust` says how far each answer deserves
belief, and rows below a stated error get none. Where one answer is too few, a set of classes that holds the right one
with a stated probability is what MAPIE makes of the same probabilities.
"""

# %%
# A model of clean digits, and a source that it does not know
# -----------------------------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier

X, y = load_digits(return_X_y=True)
X = X / 16
darker = 0.4 * X + 0.3 + 0.1 * np.random.default_rng(0).normal(size=X.shape)
home, seen, held_out, unseen = np.split(np.random.default_rng(1).permutation(len(X)), [500, 900, 1200])
model = LogisticRegression(max_iter=300).fit(X[home], y[home])
flow = OTDDFlowTransformer(Reference(X[home], y[home]), alignment="diagonal", max_iter=20, tol=0, random_state=0)
clf = RepurposedClassifier(FrozenEstimator(model), flow).fit(darker[seen], y[seen])
print(f"the frozen model alone: {model.score(darker[unseen], y[unseen]):.1%} right")
print(f"ahead of it a flow:     {clf.score(darker[unseen], y[unseen]):.1%} right")

# %%
# The fewer rows are answered, the fewer answers are wrong
# --------------------------------------------------------
# Rows are ordered by trust, and by the frozen model's own largest probability for the rows as they are.
right = {
    "trust": (clf.trust(darker[unseen]), clf.predict(darker[unseen]) == y[unseen]),
    "the frozen model alone": (
        model.predict_proba(darker[unseen]).max(axis=1),
        model.predict(darker[unseen]) == y[unseen],
    ),
}
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
answered = np.arange(1, len(unseen) + 1) / len(unseen)
for name, (sureness, is_right) in right.items():
    ordered = ~is_right[np.argsort(-sureness)]
    ax.plot(answered, np.cumsum(ordered) / np.arange(1, len(unseen) + 1), label=name)
ax.set(xlabel="share of rows that are answered", ylabel="share of answers that are wrong", ylim=(0, None))
ax.legend()

# %%
# No answer where it would too often be wrong
# -------------------------------------------
careful = RepurposedClassifier(FrozenEstimator(model), flow, reject=("error", 0.03)).fit(darker[seen], y[seen])
answers = careful.predict(darker[unseen])
given = answers != -1
wrong = (answers != y[unseen])[given].mean()
print(f"{given.mean():.0%} of the rows are answered, {wrong:.1%} of the answers are wrong")

# %%
# Sets of classes instead
# -----------------------
# MAPIE (``pip install skflow[trust]``) needs labelled rows that had no part in the fit. Nine sets in ten hold the right
# class; a set of several classes says that the answer is open.
try:
    from mapie.classification import SplitConformalClassifier
except ImportError:
    print("MAPIE is not installed: no sets. pip install mapie")
else:
    sets = SplitConformalClassifier(clf, confidence_level=0.9, prefit=True)
    sets.conformalize(darker[held_out], y[held_out])
    of_classes = sets.predict_set(darker[unseen])[1][:, :, 0]
    print(f"{of_classes[np.arange(len(unseen)), y[unseen]].mean():.0%} of the sets hold the right class")
    print(f"{of_classes.sum(axis=1).mean():.2f} classes a set")

plt.show()
