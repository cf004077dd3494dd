"""A map in words: known maps are told by their names."""

import numpy as np
import pytest

from skflow.inspection._map_words import describe_map

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 16)) * np.linspace(1, 2, 16) + 3
IMAGES = X.reshape(-1, 4, 4)
NAMES = [f"c{k}" for k in range(16)]


def exchanged(i, j):
    order = np.arange(16)
    order[[i, j]] = j, i
    return X[:, order]


def words(moved, rows=X, **options):
    names = [NAMES[k] for k in range(rows.shape[1])]
    return describe_map(rows, moved, names, [f"t{k}" for k in range(moved.shape[1])], **options).sentence


@pytest.mark.parametrize(
    ("moved", "sentence"),
    [
        (X, "Rows are left as they are."),
        (X + 0.01, "Rows hardly move."),
        (X + 4, "All values are shifted by 4."),
        (X + np.arange(16), "Each column is shifted by a number of its own; nothing else changes."),
        (1.4 * X, "All values are 1.4 times as large."),
        (16 - X, "All values are inverted: each becomes about 16 minus itself."),
        (16 - 2 * X, "All values are inverted, 2 times as large: each becomes about 16 minus itself."),
        (X * np.r_[2.2, np.ones(15)], "One column changes in scale: c0 times 2.2."),
        (exchanged(3, 7), "Columns c3 and c7 are exchanged."),
        (
            exchanged(3, 7) * np.r_[1, 5, np.ones(14)],
            "Columns c3 and c7 are exchanged, and change in scale.",
        ),
        (
            np.rot90(IMAGES, axes=(1, 2)).reshape(-1, 16),
            "Seen as pictures of 4 × 4, rows are turned by 90° to the left.",
        ),
        (X[:, ::-1], "Seen as pictures of 4 × 4, rows are turned by 180°."),
    ],
)
def test_known_maps(moved, sentence):
    assert words(moved) == sentence


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_noise_does_not_change_the_words(noise):
    moved = np.rot90(IMAGES, axes=(1, 2)).reshape(-1, 16)
    found = describe_map(X, moved + noise * rng.normal(size=X.shape), NAMES, NAMES)
    assert found.sentence.endswith("turned by 90° to the left.")
    assert found.agreement == pytest.approx(1 - noise**2 * 16 / moved.var(axis=0).sum(), abs=0.01)


@pytest.mark.parametrize("angle", [-120, -30, 40, 90])
@pytest.mark.parametrize("size", [1.0, 1.5])
def test_a_turn_of_the_plane(angle, size):
    t = np.radians(angle)
    turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    rows = X[:, [0, 15]]
    side = "left" if angle > 0 else "right"
    larger = "" if size == 1 else " and made 1.5 times as large"
    assert words(size * rows @ turn, rows) == f"The plane is turned by about {abs(angle)}° to the {side}{larger}."


def test_columns_in_another_order_and_other_columns():
    order = rng.permutation(15)
    assert words(X[:, order], X[:, :15]).startswith("The columns come in another order: ")
    assert words(X[:, 14::-1], X[:, :15]) == "The order of the columns is reversed."
    assert words(X[:, [4, 2]]) == "Columns are named anew: c4 → t0, c2 → t1."


def test_what_is_nothing_simpler_is_called_a_mixture():
    mixed = X @ np.linalg.qr(rng.normal(size=(16, 16)))[0]
    assert words(mixed).startswith("Columns are mixed with each other")
    assert words(X[:, :6] @ rng.normal(size=(6, 12)), X[:, :6]).startswith("Each of the 12 columns becomes a mixture")
