"""The page on the paper's figures is what the scripts wrote, and leaves none out."""

import importlib
from pathlib import Path

import pytest

import skflow

ROOT = Path(skflow.__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="an installed package has no benchmarks")


@pytest.fixture
def reproduce(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("reproduce")


def test_the_page_is_that_of_the_summary(reproduce):
    findings = [finding for of in reproduce.read_summary().values() for finding in of]
    assert reproduce.PAGE.read_text() == reproduce.page(findings)


def test_every_figure_of_the_paper_is_in_it(reproduce):
    found = {finding.figure for of in reproduce.read_summary().values() for finding in of}
    numbers = {*map(str, range(1, 13))} - {"3"} | {"3a-d", "3e"}
    assert found == {"Table 1", *(f"Figure {number}" for number in numbers)}


def test_finished_work_is_not_redone(reproduce, tmp_path):
    work, asked = reproduce.Work(tmp_path / "progress.jsonl"), []

    def compute(n, seed):
        asked.append((n, seed))
        if seed == 2:
            raise KeyboardInterrupt
        return {"accuracy": n + seed}

    with pytest.raises(KeyboardInterrupt):
        list(work.each("part", [(10, seed) for seed in range(4)], compute))
    again = reproduce.Work(tmp_path / "progress.jsonl")
    done = list(again.each("part", [(10, seed) for seed in range(2)], compute))
    assert done == [((10, 0), {"accuracy": 10.0}), ((10, 1), {"accuracy": 11.0})]
    assert asked == [(10, 0), (10, 1), (10, 2)]
    list(again.each("part", [(20, 0)], compute))  # other settings
    assert asked[-1] == (20, 0)
