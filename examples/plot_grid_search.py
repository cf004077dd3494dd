"""
Choosing the regularisation by cross-validation
===============================================

The flow is a step of a scikit-learn pipeline, so its parameters are searched like any other's. Here ``GridSearchCV``
chooses ``reg``, the entropic regularisation, by the frozen classifier's accuracy on held-out rows of the source.
"""

# %%
# A frozen classifier, and faded, noisy digits
# --------------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from skflow import OTDDFlowTransformer, Reference

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
X_ref, X_src, y_ref, y_src = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
X_src = np.clip(0.4 * X_src + 0.3 + 0.1 * np.random.RandomState(0).randn(*X_src.shape), 0, 1).astype("float32")

clf = SVC(C=5).fit(X_ref, y_ref)

# %%
# The search
# ----------
# A grid search clones the pipeline for every candidate and fold. A :class:`~skflow.Reference` is shared by all the
# clones, where a plain tuple would be copied each time.
pipe = Pipeline(
    [
        ("flow", OTDDFlowTransformer(target=Reference(X_ref, y_ref), random_state=0)),
        ("clf", FrozenEstimator(clf)),
    ]
)
search = GridSearchCV(pipe, {"flow__reg": [0.01, 0.1, 1.0]}, cv=3, n_jobs=2).fit(X_src, y_src)

results = search.cv_results_
print("   reg   accuracy, %   std   fit, s")
for reg, mean, std, seconds in zip(
    results["param_flow__reg"],
    results["mean_test_score"],
    results["std_test_score"],
    results["mean_fit_time"],
    strict=True,
):
    print(f"{reg:>6.2f}{100 * mean:>14.1f}{100 * std:>6.1f}{seconds:>9.1f}")
print(f"\nchosen: reg = {search.best_params_['flow__reg']}; without the flow {100 * clf.score(X_src, y_src):.1f} %")

# %%
# A small ``reg`` follows single reference digits, a large one draws every class towards its mean.
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.errorbar(
    results["param_flow__reg"].astype(float),
    results["mean_test_score"],
    results["std_test_score"],
    marker="o",
    capsize=3,
    label="frozen classifier after the flow",
)
ax.axhline(clf.score(X_src, y_src), color="grey", linestyle="--", label="frozen classifier alone")
ax.set(xscale="log", xlabel="reg", ylabel="accuracy on held-out folds")
ax.legend()
plt.show()
