"""
A sensor that drifts, week by week
==================================

Thirteen sensors measure wine, and a frozen model tells from which of three growers it is. Every week the sensors leak a
little more into one another, and their zeros creep on. Nobody labels a bottle any more.
:class:`~skflow.DriftDetector` says when it is time to do something, and :class:`~skflow.GradualAligner` follows the
drift.
"""

# %%
# A year of small steps
# ---------------------
# Wines are real (scikit-learn's); the drift is simulated: a rotation that grows, and an offset.
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import expm
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from skflow import DomainAligner, DriftDetector, GradualAligner, Reference

X, y = load_wine(return_X_y=True)
X_ref, X_later, y_ref, y_later = train_test_split(scale(X), y, train_size=78, random_state=0, stratify=y)
model = LogisticRegression().fit(X_ref, y_ref)

rng = np.random.default_rng(1)
leak = rng.normal(size=(13, 13))
leak -= leak.T
leak *= 2.5 / 52 / np.abs(np.linalg.eigvals(leak)).max()  # 2.5 radians in a year, in the plane that turns fastest
offset_a_week = rng.normal(0, 0.05, 13)
weeks = np.arange(1, 53)


def measured(rows, week):
    return X_later[rows] @ expm(week * leak) + week * offset_a_week


# %%
# An alarm, and a chain of maps
# -----------------------------
# Each week brings sixty bottles. The detector compares them with what the model was trained on. The aligner takes one
# batch after the other, and needs no label.
detector = DriftDetector(alpha=0.01, random_state=0).fit(X_ref)
aligner = GradualAligner(Reference(X_ref, y_ref), invariance="orthogonal", random_state=0)
frozen, followed, alarms, after = [], [], [], []
for week in weeks:
    rows = rng.choice(len(X_later), 60, replace=False)
    batch = measured(rows, week)
    aligner.partial_fit(batch)
    carried = aligner.transform(batch)
    frozen.append(100 * model.score(batch, y_later[rows]))
    followed.append(100 * model.score(carried, y_later[rows]))
    alarms.append(detector.test(batch).p_value)
    after.append(detector.test(carried).p_value)

at_once = DomainAligner(Reference(X_ref, y_ref), invariance="orthogonal", random_state=0).fit(batch)
direct = 100 * model.score(at_once.transform(batch), y_later[rows])
print(f"last week: frozen {frozen[-1]:.0f} %, one rotation at once {direct:.0f} %, step by step {followed[-1]:.0f} %")

# %%
# Above, right answers on each week's bottles. Below, how likely such a batch is if nothing has changed: under the line
# is an alarm. The carried rows raise none.
figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
top.plot(weeks, frozen, color="0.5", label="frozen model")
top.plot(weeks, followed, color="tab:blue", label="rows carried by GradualAligner")
top.set(ylabel="right answers, %", ylim=(0, 103))
top.legend(loc="lower left")
bottom.semilogy(weeks, alarms, ".", color="0.5", label="as measured")
bottom.semilogy(weeks, after, ".", color="tab:blue", label="carried")
bottom.axhline(0.01, color="0.3", linestyle="--", linewidth=1)
bottom.set(xlabel="week", ylabel="p-value")
bottom.legend(loc="center right")
first = weeks[np.array(alarms) <= 0.01][0]
print(f"first alarm in week {first}; afterwards {np.mean(np.array(alarms)[first - 1 :] <= 0.01):.0%} of the weeks")
print(f"carried rows: {np.mean(np.array(after) <= 0.01):.0%}")
