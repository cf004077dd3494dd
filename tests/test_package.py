"""What a bare ``import skflow`` does, and what it leaves alone."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skflow

ROOT = Path(skflow.__file__).resolve().parent.parent

# Everything that a library might be tempted to switch on import. The libraries underneath are imported first, so that
# what they do themselves is not put down to skflow.
SETTINGS = """
import os, random, warnings
import numpy as np, scipy, sklearn, skorch, torch

def settings():
    return {
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
        "gradients": torch.is_grad_enabled(),
        "torch's generator": torch.get_rng_state().tolist(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "numpy's generator": repr(np.random.get_state()),
        "numpy's errors": np.geterr(),
        "numpy's printing": repr(np.get_printoptions()),
        "python's generator": random.getstate(),
        "warnings": list(warnings.filters),
        "scikit-learn": sklearn.get_config(),
        "environment": dict(os.environ),
    }

before = settings()
import skflow
after = settings()
changed = [name for name in before if before[name] != after[name]]
assert not changed, f"import skflow changed: {changed}"
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_import_leaves_modules_for_later():
    done = run("import sys, skflow; print(*{'matplotlib', 'geomloss', 'ot', 'polars'}.intersection(sys.modules))")
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split()


def test_import_changes_no_global_setting():
    done = run(SETTINGS)
    assert done.returncode == 0, done.stderr


def test_version_is_the_projects():
    pyproject = ROOT / "pyproject.toml"
    if not pyproject.exists():
        pytest.skip("an installed package has no pyproject.toml beside it")
    assert skflow.__version__ == tomllib.loads(pyproject.read_text())["project"]["version"]
    assert f"## [{skflow.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_all_public_names_are_there():
    missing = [name for name in skflow.__all__ if not hasattr(skflow, name)]
    assert not missing
