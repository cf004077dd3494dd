"""
What moves: the three dynamics
==============================

Three classes flow towards five. In feature-driven dynamics (``"fd"``) the features move and a class's distribution is
that of its moved samples. In joint-driven dynamics means and covariances follow gradients of their own: one pair for
each class (``"jd-fl"``), or one for each particle (``"jd-vl"``), so that classes may split. These are figures 2 and 7
of the paper.
"""

# %%
# Three classes, five modes
# -------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import DBSCAN, KMeans
from sklearn.linear_model import LinearRegression

from skflow import OTDDFlowTransformer
from skflow.flow import JointVariableLabels
from skflow.inspection import CouplingDisplay, ObjectiveDisplay, TrajectoryDisplay


def ring(n_classes, n_samples, radius, centre, turn, seed):
    rng = np.random.RandomState(seed)
    angles = 2 * np.pi * np.arange(n_classes) / n_classes + turn
    y = np.arange(n_samples) % n_classes
    spread = rng.uniform(0.7, 1.5, (n_classes, 2))
    return centre + radius * np.c_[np.cos(angles), np.sin(angles)][y] + spread[y] * rng.randn(n_samples, 2), y


X, y = ring(3, 120, 6, [-14, 0], turn=0.0, seed=0)
X_ref, y_ref = ring(5, 150, 12, [10, 0], turn=0.3, seed=1)

# %%
# Each dynamics with two optimizers
# ---------------------------------
# DBSCAN has the paper's parameters (appendix C): classes are apart where the W2 distance between their label
# distributions is above 5. k-means keeps the number of classes that the source has.
dynamics = {
    "fd": "fd",
    "jd-fl": "jd-fl",
    "jd-vl, k-means": JointVariableLabels(KMeans(3, random_state=0)),
    "jd-vl, DBSCAN": JointVariableLabels(DBSCAN(eps=5, min_samples=4)),
}
flows = {
    (name, optimizer): OTDDFlowTransformer(
        (X_ref, y_ref),
        reg=0,  # exact plans: the entropy would shrink every cloud
        correspondence="coupling",
        optimizer=optimizer,
        max_iter=60,
        tol=0,  # all of them take the same number of steps, whether needed or not
        keep_trajectory=20,
        pushforward=LinearRegression(),  # only the particles matter here
        random_state=0,
        dynamics=moves,
    ).fit(X, y)
    for name, moves in dynamics.items()
    for optimizer in ("sgd", "adam")
}

# %%
# Where a label distribution belongs to a class, a class that is torn between two modes is as far from both as its own
# distribution is: the objective stops well above zero. With a distribution for each particle there is nothing to tear.
print(f"{'dynamics':16} {'optimizer':9} {'objective':>9} {'of the start':>12} {'classes':>7}")
for (name, optimizer), flow in flows.items():
    left = flow.objective_[-1] / flow.objective_[0]
    print(f"{name:16} {optimizer:9} {flow.objective_[-1]:9.1f} {left:12.1%} {len(flow.classes_):7d}")

# %%
# The paths
# ---------
# A class has the colour of the target class that most of it goes to. In feature-driven dynamics a class's samples are
# its distribution, so they stop between what the plan and what the label distance ask for. In "jd-fl" the features
# arrive, but modes are shared by several classes. In "jd-vl" clustering by density finds that there are five classes
# at the end; k-means has to put several modes into one class.
for optimizer in ("sgd", "adam"):
    fig, axes = plt.subplots(2, 2, figsize=(11, 6.5), layout="constrained", sharex=True, sharey=True)
    for ax, name in zip(axes.flat, dynamics, strict=True):
        flow = flows[name, optimizer]
        TrajectoryDisplay.from_estimator(flow, ax=ax, legend=False)
        ax.set_title(f"{name}: {len(flow.classes_)} classes")
    fig.suptitle(f"optimizer={optimizer!r}")
plt.show()

# %%
# The objective, and which class went where
# -----------------------------------------
# Clusterings read classes out and move nothing: with k-means or DBSCAN, "jd-vl" has one and the same objective.
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for name in dynamics:
    ObjectiveDisplay.from_estimator(flows[name, "sgd"], ax=left, name=name, linestyle=":" if "DBSCAN" in name else "-")
left.set_yscale("log")
CouplingDisplay.from_estimator(flows["jd-fl", "sgd"], ax=middle, colorbar=False)
middle.set_title("jd-fl: share of each class")
CouplingDisplay.from_estimator(flows["jd-vl, DBSCAN", "sgd"], ax=right, colorbar=False)
right.set_title("jd-vl, DBSCAN")
plt.show()
