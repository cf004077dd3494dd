"""
Many clinics, and a new one without labels
==========================================

A model tells benign from malignant breast tissue, by thirty measures of a microscope's image. Three clinics use it, and
each has a microscope of its own: other units, other zeros. Two of them have labelled their images. The third has just
joined, with a few images and no label. Alone, a flow can only guess there. But what helped at the other two is known,
and :class:`~skflow.MultiDomainFlow` goes by that.
"""

# %%
# Four places
# -----------
# The tissue is real (scikit-learn's); the microscopes are simulated. Their gains and zeros have much in common: all
# three are of another make than the one that the model knows.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skflow import MultiDomainFlow, OTDDFlowTransformer, Reference

X, y = load_breast_cancer(return_X_y=True)
rng = np.random.default_rng(0)
place = rng.choice(["home", "north", "south", "east"], len(X), p=[0.4, 0.2, 0.2, 0.2])
X = StandardScaler().fit(X[place == "home"]).transform(X)
gain, zero = rng.normal(0, 0.5, 30), rng.normal(0, 1, 30)  # of the make, beside which microscopes differ by little
for name in ("north", "south", "east"):
    rows = place == name
    X[rows] = X[rows] * np.exp(gain + rng.normal(0, 0.1, 30)) + zero + rng.normal(0, 0.2, 30)

models = {
    "logistic": LogisticRegression(),
    "SVC": SVC(),
    "neighbours": KNeighborsClassifier(),
    "forest": RandomForestClassifier(random_state=0),
}
home = place == "home"
for model in models.values():
    model.fit(X[home], y[home])

# %%
# Two are known
# -------------
flow = OTDDFlowTransformer(Reference(X[home], y[home]), alignment="diagonal", random_state=0)
known = np.isin(place, ["north", "south"])
many = MultiDomainFlow(flow, random_state=0).fit(X[known], y[known], sample_domain=place[known])

# %%
# A third joins
# -------------
# It has twelve images, none of them labelled. The others are the test.
X_new, X_unseen, y_unseen = X[place == "east"][:12], X[place == "east"][12:], y[place == "east"][12:]
many.fit_new_domain(X_new, sample_domain="east")
decision = many.decisions_["east"]
print(decision.reason)

# %%
# On the left, what each choice gains at the two places with labels, each carried by the *other* one's map. The blue
# bars are means, the red ones what counts against a choice: the loss of the place that loses more. On the right, the
# unseen images of the new clinic.
moved = many.transform(X_unseen, sample_domain="east")
accuracy = {
    "frozen": [model.score(X_unseen, y_unseen) for model in models.values()],
    "carried": [model.score(moved, y_unseen) for model in models.values()],
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
table = decision.table[::-1]
left.barh([c.name for c in table], [-100 * c.harm for c in table], color="tab:red", alpha=0.35)
left.barh([c.name for c in table], [100 * c.score for c in table], color=["tab:blue"] * len(table))
left.axvline(0, color="0.4", linewidth=0.8)
left.set(xlabel="points at the places with labels", title=f"Chosen: {decision.chosen.name}")
places = np.arange(len(models))
for k, (name, values) in enumerate(accuracy.items()):
    right.bar(places + 0.4 * k - 0.2, [100 * value for value in values], 0.38, label=name, color=("0.7", "tab:blue")[k])
right.set_xticks(places, models)
right.set(ylabel="right answers, %", title="The new clinic, unseen images", ylim=(0, 100))
right.legend(loc="lower right")
print({name: f"{np.mean(values):.3f}" for name, values in accuracy.items()})
