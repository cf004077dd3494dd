"""A few generated cases of every kind; ``python -m tests.fuzz`` runs thousands."""

import pytest

from tests.fuzz.running import run_case


@pytest.mark.parametrize("index", range(20))
def test_case(index):
    description, fault = run_case(20261127, index)
    assert fault is None, f"{description}\n{fault[0]}: {fault[1]}"
