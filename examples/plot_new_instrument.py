"""
A new instrument, no labels, no paired standards
================================================

A calibration belongs to the instrument that it was made on. Another one shifts the wavelengths, blurs, and has a gain
and a baseline of its own, and the calibration's answers are off. The standard remedy needs the same samples measured on
both instruments, or a new calibration. `DomainAligner` needs neither: with the invariance `Spectral` it finds these few
numbers from sixty spectra of other samples.
"""

# %%
# Two instruments
# ---------------
# The spectra here are simulated: mixtures of five bands in samples that scatter. The calibration is a partial least
# squares regression of how much there is of the third. The second instrument is one and a half channels off, less
# sharp, and has another gain and baseline.
import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from sklearn.cross_decomposition import PLSRegression

from skflow import DomainAligner, Reference, RepurposedRegressor
from skflow.alignment import Spectral

channels = np.arange(100)
bands = np.array(
    [np.exp(-(((channels - at) / width) ** 2) / 2) for at, width in [(14, 9), (30, 7), (45, 10), (67, 6), (86, 8)]]
)


def spectra(n, seed):
    rng = np.random.default_rng(seed)
    amounts = rng.uniform(0.2, 1.2, (n, len(bands)))
    scatter, offset = rng.normal(1, 0.05, (n, 1)), rng.normal(0, 0.2, (n, 1))
    return scatter * (amounts @ bands) + offset + 5e-4 * rng.normal(size=(n, 100)), amounts[:, 2]


def second_instrument(X):
    shifted = CubicSpline(channels, X, axis=1)(channels + 1.5)
    return 0.95 * gaussian_filter1d(shifted, 2.0, axis=1) + 0.05 - 0.1 * channels / 100


X_ref, y_ref = spectra(120, 0)
X_src, y_src = spectra(60, 1)
X_new, y_new = spectra(200, 2)
model = PLSRegression(6, scale=False).fit(X_ref, y_ref)
print(f"R² on the first instrument: {model.score(X_new, y_new):.3f}")
print(f"on the second: {model.score(second_instrument(X_new), y_new):.3f}")

# %%
# Without a label
# ---------------
# ``fit`` sees spectra of the second instrument alone.
aligner = DomainAligner(Reference(X_ref, y_ref), invariance=Spectral(), random_state=0)
regressor = RepurposedRegressor(model, aligner).fit(second_instrument(X_src))
mean = second_instrument(X_new) - second_instrument(X_src).mean(axis=0) + X_ref.mean(axis=0)
print(f"mean centring: {model.score(mean, y_new):.3f}")
print(f"aligned: {regressor.score(second_instrument(X_new), y_new):.3f}")

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
some = slice(4)
axes[0].plot(channels, X_new[some].T, color="black", lw=2.5, alpha=0.3)
axes[0].plot(channels, second_instrument(X_new[some]).T, color="tab:red", lw=1)
axes[0].plot(channels, regressor.flow_.transform(second_instrument(X_new[some])).T, color="tab:blue", lw=1)
handles = [plt.Line2D([], [], color=colour) for colour in ("lightgray", "tab:red", "tab:blue")]
axes[0].legend(handles, ["first instrument", "second", "second, aligned"])
axes[0].set(xlabel="channel", ylabel="absorbance")
for rows, colour, name in ((second_instrument(X_new), "tab:red", "frozen"), (None, "tab:blue", "aligned")):
    answers = model.predict(rows) if rows is not None else regressor.predict(second_instrument(X_new))
    axes[1].plot(y_new, np.ravel(answers), ".", color=colour, label=name)
axes[1].axline((0.7, 0.7), slope=1, color="gray", lw=1)
axes[1].set(xlabel="amount", ylabel="answer on the second instrument")
axes[1].legend()
plt.show()

# %%
# How sure is it?
# ---------------
# Intervals need no labels either. With some they are conformal, and the labels correct what the alignment could not
# know: here the second laboratory reports amounts on a scale of its own.
low, high = regressor.predict_interval(second_instrument(X_new), coverage=0.9).T
print(f"90 % intervals hold {np.mean((low <= y_new) & (y_new <= high)):.1%} of the amounts")

few = np.where(np.arange(60) < 20, 100 * y_src + 5, np.nan)
regressor.fit(second_instrument(X_src), few)
print(f"with 20 labels of another scale: {regressor.score(second_instrument(X_new), 100 * y_new + 5):.3f}")
