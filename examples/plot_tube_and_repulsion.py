"""
Keeping a dataset in a tube, parting its classes
================================================

Constraints drive a flow alone, or hold and bend one that goes to a reference dataset. The four settings of figure 8 of
the paper, in its dynamics: explicit Euler, with a label distribution for each particle.
"""

# %%
# Two classes, and two others
# ---------------------------
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from skflow import ConstrainedFlow
from skflow.functionals import ClassRepulsion, TubePotential
from skflow.inspection import ObjectiveDisplay, TrajectoryDisplay

rng = np.random.RandomState(0)
y, y_ref = np.arange(80) % 2, np.arange(100) % 2
X = np.array([[0, 2.5], [0, -2.5]])[y] + rng.randn(80, 2)
X_ref = np.array([[12, 2.5], [12, -2.5]])[y_ref] + rng.randn(100, 2)

# %%
# The four functionals
# --------------------
# The tube is ``(||x - x_0|| - tau)_+``: beyond the distance tau from x_0 a particle is drawn back at the speed
# ``weight``. The repulsion is ``-||x - x'||^2`` between the classes; on its own it has no bounds.
center, radius = [5.0, 0.0], 4.0
tube = TubePotential(radius, center=center, weight=10)
repulsion = ClassRepulsion("quadratic", weight=0.3)

flows = {
    "a. tube": ConstrainedFlow([("tube", tube)]),
    "b. OTDD + tube": ConstrainedFlow([("tube", tube)], (X_ref, y_ref)),
    "c. repulsion": ConstrainedFlow([("repulsion", repulsion)]),
    "d. OTDD + repulsion": ConstrainedFlow([("repulsion", repulsion)], (X_ref, y_ref)),
}
warnings.simplefilter("ignore", ConvergenceWarning)  # all of them take the same number of steps, whether needed or not
for name, flow in flows.items():
    flow.set_params(
        dynamics="jd-vl",
        clusterer=DBSCAN(eps=2, min_samples=4),  # the paper's eps, 5, is the distance of these classes
        debias=True,
        reg=0.01,
        step_size=0.025,
        max_iter=30 if name == "c. repulsion" else 100,
        tol=0,
        n_iter_no_change=100,
        keep_trajectory=21,
        pushforward=LinearRegression(),  # no unseen rows here: the cheapest will do
        random_state=0,
    ).fit(X, y)

# %%
# The paths
# ---------
# The tube alone (a) brings the particles to its edge and leaves them there; with the distance (b) they come as near to
# the target as it lets them. The repulsion alone (c) drives the classes apart; with the distance (d) they come to the
# target, and stop further apart than its own classes are.
fig, axes = plt.subplots(2, 2, figsize=(9, 8.6), layout="constrained", sharex=True, sharey=True)
for ax, (name, flow) in zip(axes.flat, flows.items(), strict=True):
    TrajectoryDisplay.from_estimator(flow, X_ref, y_ref, ax=ax, legend=False)
    if "tube" in name:
        ax.add_patch(plt.Circle(center, radius, fill=False, linestyle="--", color="0.4"))
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# What is balanced
# ----------------
# ``objective_terms_`` has the share of every term: the distance falls at the cost of the constraint.
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for ax, name in zip(axes, ["b. OTDD + tube", "d. OTDD + repulsion"], strict=True):
    ObjectiveDisplay.from_estimator(flows[name], ax=ax, name="objective")
    ax.set_title(name)
plt.show()
