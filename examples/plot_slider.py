"""
Watch a flow: move the slider
=============================

Three clouds of points flow to three reference clouds. Press play, or drag the slider to go through time yourself. Thin
crosses are the reference, the data that a model knows. Points move one by one; classes move together.

The page holds all frames. It needs no server.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation
from sklearn.datasets import make_blobs

from skflow import OTDDFlowTransformer

X, y = make_blobs(90, centers=[[-4, -3], [0, -5], [4, -3]], cluster_std=0.6, random_state=0)
X_ref, y_ref = make_blobs(90, centers=[[0, 4], [3, 2], [-3, 2]], cluster_std=[0.9, 0.4, 0.6], random_state=1)

# The flow alone: an alignment would take most of the way in one step.
flow = OTDDFlowTransformer((X_ref, y_ref), alignment=None, safeguard=False, keep_trajectory=30, random_state=0).fit(
    X, y
)
frames = flow.trajectory_

# %%
figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
colours = np.array(["#1f77b4", "#d9660a", "#2a8a3e"])
ax.scatter(*X_ref.T, c=colours[y_ref], marker="x", s=18, linewidths=0.7, alpha=0.5)
dots = ax.scatter(*frames[0].T, c=colours[y], s=22)
trails = [ax.plot([], [], color=colours[k], linewidth=0.5, alpha=0.4)[0] for k in y]
ax.set(xticks=[], yticks=[], aspect="equal")
ax.spines[:].set_visible(False)


def draw(time):
    dots.set_offsets(frames[time])
    for i, trail in enumerate(trails):
        trail.set_data(*frames[: time + 1, i].T)
    ax.set_title(f"frame {time} of {len(frames) - 1}")
    return [dots, *trails]


animation = FuncAnimation(figure, draw, frames=len(frames), interval=120, blit=True)
plt.show()
