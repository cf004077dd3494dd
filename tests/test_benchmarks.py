"""The scripts that measure accuracy run from end to end at their quick sizes; what they print are figures."""

import contextlib
import io
import re
import runpy
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest

import skflow

ROOT = Path(skflow.__file__).resolve().parent.parent
DATA = ROOT / ".." / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="an installed package has no benchmarks beside it"),
    pytest.mark.skipif(
        not (DATA / "usps.npz").exists(), reason="the .npz data sets are not in ../shared/data beside the checkout"
    ),
]


def quick(script, *options):
    """Run a script at its quick size: the tables that it prints, as rows of cells, by their titles.

    It runs in this process, which has loaded already what takes a new one seconds, and its flows align units alone: the
    search for a map is most of their time, and is tested elsewhere.
    """
    path, printed, tables = ROOT / "benchmarks" / script, io.StringIO(), {}
    with (
        mock.patch.object(sys, "argv", [str(path), "--quick", *map(str, options)]),
        mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
        mock.patch.dict(skflow.OTDDFlowTransformer.__init__.__kwdefaults__, alignment="diagonal"),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(printed),
    ):
        runpy.run_path(str(path), run_name="__main__")
    for line in printed.getvalue().splitlines():
        if line.startswith("### "):
            rows = tables[line[4:]] = []
        elif line.startswith("|") and not line.startswith("| -"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return tables


def assert_figures(tables, *titles):
    """One table for each title, of finite figures and cells left empty on purpose."""
    assert [sum(title in name for name in tables) for title in titles] == [1] * len(titles)
    for title, (header, *rows) in tables.items():
        cells = [cell for row in rows for cell in row[1:] if cell]
        assert cells, title
        assert all(len(row) == len(header) for row in rows), title
        assert all(re.fullmatch(r"-?\d+\.\d+", cell) for cell in cells), (title, cells)


def test_pseudo_labels():
    assert_figures(quick("pseudo_labels.py"), "Table 1")


def test_repurposed():
    tables = quick("repurposed.py")
    assert_figures(tables, "USPS, centred", "Digits", "Heart disease", "26 letters")


def test_no_harm():
    titles = "Labels: full", "Labels: none", "Nothing shifted", "below the best", "Seconds", "Scorers"
    assert_figures(quick("no_harm.py"), *titles)


def test_trust():
    titles = (
        "Found",
        "other rows",
        "Class frequencies",
        "most trusted",
        "risk and coverage",
        "Calibration",
        "area by trust",
    )
    assert_figures(quick("trust.py"), *titles, "Calibration", "area by trust")


def test_reproduce(tmp_path):
    """The parts that no other test runs: table 1 has one of its own, and so have the examples."""
    tables = quick("reproduce.py", "--figures", tmp_path, "--only", "paths", "shots", "oracle", "histology")
    assert_figures(tables, "3a to 3d", "Figure 9", "3e and 10", "as many steps", "30 epochs", "6 and 11", "Figure 5")
    drawn = {path.stem for path in tmp_path.glob("*.png") if path.stat().st_size > 5000}
    assert drawn == {f"figure_{name}" for name in ("3a_d", "9", "3e_10", "4", "6_11", "5")}


def test_regression():
    assert_figures(quick("regression.py"), "Meats, fat", "Diabetes")


def test_sites():
    assert_figures(quick("sites.py"), "unseen rows", "By pair", "Seconds")


def test_mixed_tables():
    assert_figures(quick("mixed_tables.py"), "Heart disease, categories")
