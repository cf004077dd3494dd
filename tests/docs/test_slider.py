"""The page with a slider: a real browser moves it, and sees another frame."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

import skflow

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

EXAMPLE = Path(skflow.__file__).parents[1] / "examples" / "plot_slider.py"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MOVE = """<script>onload = () => setTimeout(() => {
  const slider = document.querySelector("input[type=range]"), picture = document.querySelector("img");
  const first = picture.src; slider.value = slider.max; slider.dispatchEvent(new Event("input"));
  const last = document.createElement("p"); last.textContent = ["seen", slider.max, first !== picture.src].join(";");
  document.body.append(last) }, 500)</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian's package is `chromium`")
@pytest.mark.skipif(not EXAMPLE.exists(), reason="an installed package has no examples")
def test_the_slider_goes_through_the_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    made = runpy.run_path(str(EXAMPLE))
    page = made["animation"].to_jshtml(default_mode="once")
    plt.close("all")
    (tmp_path / "slider.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{page}{MOVE}")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=5000"]
    options.append(f"--user-data-dir={tmp_path / 'profile'}")
    done = subprocess.run(
        [CHROMIUM, *options, f"file://{tmp_path}/slider.html"], capture_output=True, text=True, timeout=90
    )
    assert re.search(r"seen;(\d+);(\w+)", done.stdout).groups() == (str(len(made["frames"]) - 1), "true")
