"""
Many hospitals, and a new one without labels
============================================

A heart disease model was made in Budapest. Cleveland and Long Beach use it too, and have labelled their patients. Now a
hospital in Switzerland joins, where nobody has labelled anyone. Alone, a flow can only guess there. But what helped at
the other two hospitals is known, and :class:`~skflow.MultiDomainFlow` goes by that.

The data are the `UCI heart disease data <https://doi.org/10.24432/C52P4X>`_ by A. Janosi, W. Steinbrunn,
M. Pfisterer and R. Detrano (CC BY 4.0).
"""

# %%
# Four hospitals
# --------------
# Missing values are filled in, and columns are scaled, by what the model's own hospital says.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skflow import MultiDomainFlow, OTDDFlowTransformer, Reference

here = Path(__file__).parent if "__file__" in globals() else Path()
data = np.load(here / "heart_disease.npz")
hospital = data["domain_names"][data["domain"]]
X, y = data["X"].astype(float), data["y"]
X[X[:, 4] == 0, 4] = np.nan  # a cholesterol of zero means that it is missing

at_home = hospital == "hungarian"
prepare = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(X[at_home])
X = prepare.transform(X)
models = {
    "logistic": LogisticRegression(),
    "SVC": SVC(),
    "neighbours": KNeighborsClassifier(),
    "forest": RandomForestClassifier(random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
}
for model in models.values():
    model.fit(X[at_home], y[at_home])

# %%
# Two are known
# -------------
flow = OTDDFlowTransformer(Reference(X[at_home], y[at_home]), alignment="diagonal", random_state=0)
known = np.isin(hospital, ["cleveland", "va_long_beach"])
many = MultiDomainFlow(flow, random_state=0)
many.fit(X[known], y[known], sample_domain=hospital[known])

# %%
# A third joins
# -------------
# Half of its patients are there, without a label. The other half are the test.
there = hospital == "switzerland"
X_new, X_unseen, _, y_unseen = train_test_split(X[there], y[there], test_size=0.5, random_state=0, stratify=y[there])
many.fit_new_domain(X_new, sample_domain="switzerland")
decision = many.decisions_["switzerland"]
print(decision.reason)

# %%
# On the left, what each choice gains at the two hospitals with labels, each carried by the *other* one's map. The blue
# bars are means, the red ones what counts against a choice: the loss of the hospital that loses more. On the right,
# the unseen patients of the new hospital.
moved = many.transform(X_unseen, sample_domain="switzerland")
accuracy = {
    "frozen": [model.score(X_unseen, y_unseen) for model in models.values()],
    "carried": [model.score(moved, y_unseen) for model in models.values()],
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
table = decision.table[::-1]
left.barh([c.name for c in table], [-100 * c.harm for c in table], color="tab:red", alpha=0.35)
left.barh([c.name for c in table], [100 * c.score for c in table], color=["tab:blue"] * len(table))
left.axvline(0, color="0.4", linewidth=0.8)
left.set(xlabel="points at the hospitals with labels", title=f"Chosen: {decision.chosen.name}")
places = np.arange(len(models))
for k, (name, values) in enumerate(accuracy.items()):
    right.bar(places + 0.4 * k - 0.2, [100 * value for value in values], 0.38, label=name, color=("0.7", "tab:blue")[k])
right.set_xticks(places, models)
right.set(ylabel="right answers, %", title="Switzerland, unseen patients", ylim=(0, 100))
right.legend()
print({name: f"{np.mean(values):.3f}" for name, values in accuracy.items()})
