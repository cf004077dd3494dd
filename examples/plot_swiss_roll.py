"""
Shaping a swiss roll
====================

A functional says what a dataset should be like, and the dataset flows down its gradient. Here it should resemble a
labelled swiss roll (the distance), be linearly separable or flat (a potential), or both at once. After figures 1 and 12
of the paper.
"""

# %%
# Two clouds, and a roll in two halves
# ------------------------------------
# The inner turn of the roll is one class, the outer turn the other. The clouds lie side by side and overlap:
# nothing in their features tells which of them is to become the inner turn, labels alone do.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_swiss_roll
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skflow import ConstrainedFlow
from skflow.functionals import CollapsePotential, MarginPotential

n = 600
X_ref, turn = make_swiss_roll(n, noise=0.2, random_state=0)
X_ref = (X_ref - X_ref.mean(axis=0)) / 7
y_ref = np.where(turn > np.median(turn), 1, 0)

rng = np.random.RandomState(0)
y = np.arange(n) % 2
X = 0.5 * rng.randn(n, 3) + np.where(y[:, None] == 1, [0.6, 0, 0], [-0.6, 0, 0])

# %%
# The flows
# ---------
# The margin potential asks for a plane between the classes, the collapse potential for no extent along the roll's axis.
# With a target, :class:`~skflow.ConstrainedFlow` adds the squared OTDD to them. Feature-only optimal transport, for
# comparison, is a target without classes.
separable = ("margin", MarginPotential(w=[0, 1, 0], margin=0.2, weight=8))
flat = ("collapse", CollapsePotential(dims=1, weight=8))
reference = (X_ref, y_ref)
unlabelled = (X_ref, np.zeros(n))

flows = {
    "OTDD": ConstrainedFlow([], reference),
    "separable": ConstrainedFlow([separable]),
    "OTDD + separable": ConstrainedFlow([separable], reference),
    "flat": ConstrainedFlow([flat]),
    "OTDD + flat": ConstrainedFlow([flat], reference),
    "feature-only OT": ConstrainedFlow([], unlabelled, label_weight=0, correspondence="coupling"),
}

print(f"{'flow':<18}steps   classes as in the roll   separable by a plane   extent along the axis")
nearest = KNeighborsClassifier(1).fit(X_ref, y_ref)
for name, flow in flows.items():
    # The movement is not needed for unseen rows here: the cheapest regressor will do.
    flow.set_params(
        reg=0.01,
        step_size=0.04,
        tol=1e-5,
        max_iter=120,
        keep_trajectory=4,
        pushforward=LinearRegression(),
        random_state=0,
    ).fit(X, y)
    Z = flow.particles_
    agreement, margin = nearest.score(Z, y), LogisticRegression(C=100).fit(Z, y).score(Z, y)
    print(f"{name:<18}{flow.n_iter_:>5}{agreement:>22.0%}{margin:>23.0%}{Z[:, 1].std():>24.2f}")


# %%
def draw(names):
    fig = plt.figure(figsize=(10, 2.1 * len(names)))
    fig.subplots_adjust(left=0.03, right=1, bottom=0, top=0.95, wspace=0, hspace=0)
    colours = np.array(["tab:blue", "tab:orange"])
    for i, name in enumerate(names):
        frames = [*flows[name].trajectory_, X_ref]
        for j, Z in enumerate(frames):
            ax = fig.add_subplot(len(names), len(frames), i * len(frames) + j + 1, projection="3d")
            labels = y_ref if Z is X_ref else y
            ax.scatter(*Z.T, c=colours[labels], s=4, depthshade=False)
            ax.set(xlim=(-2, 2), ylim=(-2, 2), zlim=(-2, 2), xticklabels=[], yticklabels=[], zticklabels=[])
            ax.tick_params(length=0)
            ax.view_init(elev=14, azim=-62)
            ax.set_box_aspect((1, 1, 1), zoom=1.25)
            if i == 0:
                ax.set_title(["start", "", "", "end", "the roll"][j], y=1)
            if j == 0:
                ax.text2D(-0.05, 0.5, name, transform=ax.transAxes, rotation=90, va="center")
    plt.show()


# %%
# Resemblance, separability, both
# -------------------------------
# Each class becomes its own turn of the roll; the potential alone parts the clouds and stops; together the inner turn
# slides out of the outer one, until a plane fits between them.
draw(["OTDD", "separable", "OTDD + separable"])

# %%
# Resemblance, flatness, both; and without labels
# -----------------------------------------------
# The flat roll is a spiral. Feature-only transport finds the shape of the roll too, but fills it from either side: its
# turns are of both classes.
draw(["flat", "OTDD + flat", "feature-only OT"])
