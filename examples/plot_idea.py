"""
The idea in two dimensions
==========================

Three labelled clouds flow towards three others along the gradient flow of the squared optimal transport dataset
distance. Every point goes its own way, but classes travel together.
"""

# %%
# A source and a reference
# ------------------------
# The source is the reference turned by a right angle and shifted: were it not for the labels, each cloud would move to
# the one that happens to be near.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from skflow import OTDDFlowTransformer

centers = np.array([[0.0, 3.0], [3.0, 0.0], [-2.0, -2.0]])
X_ref, y_ref = make_blobs(180, centers=centers, cluster_std=[0.9, 0.5, 0.6], random_state=0)
X_src, y_src = make_blobs(120, centers=centers, cluster_std=0.5, random_state=1)
X_src = X_src @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + np.array([11.0, 0.0])

# %%
# The flow
# --------
# ``fit`` moves the particles and keeps some frames of their way; ``transform`` carries points that took no part.
flow = OTDDFlowTransformer(target=(X_ref, y_ref), keep_trajectory=20, random_state=0).fit(X_src, y_src)
X_new = X_src[:30] + 0.3 * np.random.RandomState(0).randn(30, 2)
Z_new = flow.transform(X_new)
print(f"{flow.n_iter_} steps; objective (OTDD squared) from {flow.objective_[0]:.2f} to {flow.objective_[-1]:.2f}")

# %%
fig, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
colours = np.array(["tab:blue", "tab:orange", "tab:green"])
for k, colour in enumerate(colours):
    paths = np.asarray(flow.trajectory_)[:, y_src == k]
    ax.plot(paths[..., 0], paths[..., 1], color=colour, linewidth=0.5, alpha=0.5)
ax.scatter(*X_ref.T, c=colours[y_ref], marker="x", s=18, alpha=0.4, label="reference")
ax.scatter(*X_src.T, facecolors="none", edgecolors=colours[y_src], s=22, label="source, before")
ax.scatter(*flow.particles_.T, c=colours[y_src], s=22, label="source, after the flow")
ax.scatter(*Z_new.T, c="black", marker="+", s=30, label="unseen rows, carried")
ax.set(aspect="equal", xticks=[], yticks=[])
fig.legend(loc="outside lower center", ncols=4)
plt.show()
