"""What other domains gained decides for a new one, and its own labels as far as there are some."""

import numpy as np
import pytest

from skflow.safeguard import OTHERS_ROWS, Gains, decide_by_domains, measure_gains

CANDIDATES = [("leave", None), ("simple", 0.0), ("rich", 1.0)]


def gains(simple, rich, error=0.01, n_rows=200):
    return Gains({"leave": 0.0, "simple": simple, "rich": rich}, {"leave": 0.0, "simple": error, "rich": error}, n_rows)


def test_gains_are_balanced_over_classes():
    right = [np.zeros(5), np.array([1.0, 1, 1, 1, 0])]
    found = measure_gains(["leave", "move"], right, np.array(["a", "a", "a", "a", "b"]))
    assert found.gains == {"leave": 0.0, "move": pytest.approx(0.5)}
    assert measure_gains(["leave", "move"], right, None).gains["move"] == pytest.approx(0.8)
    assert found.errors["leave"] == 0 < found.errors["move"]


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([gains(0.05, 0.10), gains(0.04, 0.12)], "rich"),
        ([gains(0.05, 0.051), gains(0.05, 0.051)], "simple"),  # no better than the simpler one
        ([gains(0.05, 0.20), gains(0.05, -0.10)], "simple"),  # harm at one of two
        ([gains(0.01, 0.01), gains(0.01, 0.01)], "leave"),  # not worth it
        ([gains(0.05, 0.05, error=0.2), gains(0.05, 0.05, error=0.2)], "leave"),  # not certain
    ],
)
def test_the_others_decide(others, chosen):
    assert decide_by_domains(CANDIDATES, others, None).chosen.name == chosen


def test_own_labels_count_more_the_more_there_are():
    others, against = [gains(0.1, 0.1)] * 2, {"simple": -0.2, "rich": -0.2}
    few = decide_by_domains(CANDIDATES, others, gains(**against, n_rows=OTHERS_ROWS // 10))
    many = decide_by_domains(CANDIDATES, others, gains(**against, n_rows=10 * OTHERS_ROWS))
    assert (few.chosen.name, many.chosen.name) == ("simple", "leave")
    assert "labelled rows of its own" in many.reason


def test_nothing_is_no_evidence():
    with pytest.raises(ValueError, match="gains of another domain"):
        decide_by_domains(CANDIDATES, [], None)
