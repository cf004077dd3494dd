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

n = 320
X_ref, turn = make_swiss_roll(n, noise=0.2, random_state=0)
X_ref = (X_ref - X_ref.mean(axis=0)) / [7, 10, 7]
y_ref = np.where(turn > np.median(turn), 1, 0)

rng = np.random.RandomState(0)
y = np.arange(n) % 2
X = [0.4, 0.7, 0.4] * rng.randn(n, 3) + np.where(y[:, None] == 1, [0.6, 0, 0], [-0.6, 0, 0])

# %%
# The flows
# ---------
# The margin potential asks for a plane between the classes, the collapse potential for no extent along the roll's axis.
# With a target, :class:`~skflow.ConstrainedFlow` adds the squared OTDD to them. Feature-only optimal transport, for
# comparison, is a target without classes.
separable = ("margin", MarginPotential(w=[0, 1, 0], margin=0.5, weight=5))
flat = ("collapse", CollapsePotential(dims=1, weight=5))
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

n_steps = 60
nearest = KNeighborsClassifier(1).fit(X_ref, y_ref)
print(f"{'flow':<18}classes as in the roll   separable by a plane   spread along the axis")
for name, flow in flows.items():
    flow.set_params(
        reg=0.01,
        step_size=0.04,
        max_iter=n_steps,
        tol=0,  # all of them take the same number of steps, whether needed or not
        keep_trajectory=n_steps + 1,
        mass=1.0,  # two clouds are to become a roll, however foreign to it their points are
        pushforward=LinearRegression(),  # no unseen rows here: the cheapest will do
        random_state=0,
    ).fit(X, y)
    Z = flow.particles_
    agreement, margin = nearest.score(Z, y), LogisticRegression(C=100).fit(Z, y).score(Z, y)
    print(f"{name:<18}{agreement:>22.0%}{margin:>23.0%}{Z[:, 1].std():>24.2f}")


# %%
# The plane in the pictures is the one that the potentials know: the classes should lie on either side of it, or on it.
def draw(names, steps=(0, 4, 12, n_steps)):
    fig = plt.figure(figsize=(11, 2.2 * len(names) + 0.2))
    fig.subplots_adjust(left=0.04, right=0.99, bottom=0.01, top=0.94, wspace=0, hspace=0)
    colours, edge = np.array(["tab:blue", "tab:orange"]), np.array([-1.7, 1.7])
    for i, name in enumerate(names):
        frames = [(f"step {step}", flows[name].trajectory_[step], y) for step in steps] + [("the roll", X_ref, y_ref)]
        for j, (title, Z, labels) in enumerate(frames):
            ax = fig.add_subplot(
                len(names), len(frames), i * len(frames) + j + 1, projection="3d", computed_zorder=False
            )
            behind = Z[:, 1] > 0
            ax.scatter(*Z[behind].T, c=colours[labels[behind]], s=4, depthshade=False, zorder=0)
            if flows[name].constraints and Z is not X_ref:
                x, z = np.meshgrid(edge, edge)
                ax.plot_surface(x, np.zeros_like(x), z, color="0.7", alpha=0.5, zorder=1)
            ax.scatter(*Z[~behind].T, c=colours[labels[~behind]], s=4, depthshade=False, zorder=2)
            ax.set(xlim=edge, ylim=edge, zlim=edge)
            ax.set_axis_off()
            ax.view_init(elev=16, azim=-58)
            ax.set_box_aspect((1, 1, 1), zoom=1.25)
            if i == 0:
                ax.set_title(title, y=1.03, fontsize=11)
            if j == 0:
                ax.text2D(-0.08, 0.5, name, transform=ax.transAxes, rotation=90, va="center", ha="center")
    plt.show()


# %%
# Resemblance, separability, both
# -------------------------------
# Each class becomes its own turn of the roll. The potential alone parts the clouds and stops. Together, the inner turn
# slides out of the outer one until a plane fits between them.
draw(["OTDD", "separable", "OTDD + separable"])

# %%
# Resemblance, flatness, both; and without labels
# -----------------------------------------------
# The flat roll is a spiral. Feature-only transport finds the shape of the roll too, but fills it from either side: its
# turns are of both classes.
draw(["flat", "OTDD + flat", "feature-only OT"])
