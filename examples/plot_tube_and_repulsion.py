"""
Keeping a dataset in a tube, parting its classes
================================================

Constraints drive a flow alone, or hold and bend one that goes to a reference dataset. The four settings of figure 8 of
the paper, in its dynamics: explicit Euler, with a label distribution for each particle.
"""

# %%
# Two classes, and two others
# ---------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LinearRegression

from skflow import ConstrainedFlow
from skflow.flow import JointVariableLabels
from skflow.functionals import ClassRepulsion, OTDDFunctional, TubePotential
from skflow.inspection import ObjectiveDisplay, TrajectoryDisplay

rng = np.random.RandomState(0)
y, y_ref = np.arange(80) % 2, np.arange(100) % 2
X = np.array([[0, 2.5], [0, -2.5]])[y] + rng.randn(80, 2)
X_ref = np.array([[12, 2.5], [12, -2.5]])[y_ref] + rng.randn(100, 2)

# %%
# The four functionals
# --------------------
# The tube is ``(||x - x_0|| - tau)_+``: beyond the distance tau from x_0 a particle is drawn back at the speed
# ``weight``. The repulsion is ``-||x - x'||^2`` between the classes; on its own it has no bounds. The distance is a
# functional like the others: as one it may be debiased, so that its entropy does not shrink the classes.
center, radius = [5.0, 0.0], 4.0
tube = TubePotential(radius, center=center, weight=10)
repulsion = ClassRepulsion("quadratic", weight=0.3)
distance = OTDDFunctional((X_ref, y_ref), reg=0.01, debias=True)

flows = {
    "a. tube": ConstrainedFlow([("tube", tube)]),
    "b. OTDD + tube": ConstrainedFlow([("otdd", distance), ("tube", tube)]),
    "c. repulsion": ConstrainedFlow([("repulsion", repulsion)]),
    "d. OTDD + repulsion": ConstrainedFlow([("otdd", distance), ("repulsion", repulsion)]),
}
for name, flow in flows.items():
    flow.set_params(
        dynamics=JointVariableLabels(DBSCAN(eps=2, min_samples=4)),  # the paper's eps, 5, is these classes' distance
        step_size=0.025,
        max_iter=30 if name == "c. repulsion" else 100,
        tol=0,  # all of these steps, whether needed or not
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
