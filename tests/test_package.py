"""What a bare ``import skflow`` does, and what it leaves alone."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

import skflow
from skflow import alignment, flow, functionals, inspection, metrics, pushforward, safeguard, transport

ROOT = Path(skflow.__file__).resolve().parent.parent

# Everything that a library might be tempted to switch on import. The libraries underneath are imported first, so that
# what they do themselves is not put down to skflow.
SETTINGS = """
import os, random, sys, warnings
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

import skflow.inspection, skflow.metrics
early = {"matplotlib", "geomloss", "ot", "polars"}.intersection(sys.modules)
assert not early, f"import skflow loads {early}"

from sklearn.linear_model import LinearRegression
X, y = np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]
skflow.OTDDFlowTransformer((X, y), pushforward=LinearRegression()).fit_transform(X, y)
assert "dask" not in sys.modules
"""


def test_import_changes_no_global_setting_and_leaves_modules_for_later():
    done = subprocess.run([sys.executable, "-c", SETTINGS], capture_output=True, text=True, check=False)
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


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]
PUBLIC = {
    name: getattr(module, name)
    for module in (skflow, alignment, flow, functionals, inspection, metrics, pushforward, safeguard, transport)
    for name in module.__all__
}


def code_in(page):
    """Syntax trees of the code on a page that is Python: blocks, and words between backquotes."""
    text = page.read_text()
    pieces = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    pieces += re.findall(r"(?:::|code-block:: python)\n\n((?: +.*\n|\n)+)", text)
    pieces += re.findall(r"(?<!`)``?([^`]+)``?(?!`)", text)
    for piece in pieces:
        for form in (dedent(piece), f"f({piece})"):
            try:
                yield ast.parse(form)
                break
            except SyntaxError:
                continue


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_call_what_is_there(page):
    if not page.exists():
        pytest.skip("an installed package has no README beside it")
    for tree in code_in(page):
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in PUBLIC:
                keywords = {keyword.arg: None for keyword in call.keywords}
                try:
                    inspect.signature(PUBLIC[call.func.id]).bind(*call.args, **keywords)
                except TypeError as error:
                    pytest.fail(f"{page.name}: {ast.unparse(call)}: {error}")


def test_code_on_pages_is_found():
    if not PAGES[1:]:
        pytest.skip("an installed package has no documentation beside it")
    found = {
        call.func.id
        for page in PAGES
        for tree in code_in(page)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    assert found >= {
        "OTDDFlowTransformer",
        "PseudoLabelFlow",
        "ConstrainedFlow",
        "DomainAligner",
        "Permutation",
        "JointVariableLabels",
        "Euler",
        "Dense",
    }


def test_oldest_versions_are_those_that_are_declared():
    if not (ROOT / "constraints-lowest.txt").exists():
        pytest.skip("an installed package has no constraints beside it")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["plot"]]
    lowest, pinned = (
        dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / name).read_text(), flags=re.MULTILINE))
        for name in ("constraints-lowest.txt", "constraints.txt")
    )
    wanted = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(declared), flags=re.MULTILINE))
    assert wanted.pop("torch")  # a large download, and each of its versions wants another NumPy
    assert lowest.pop("torch") == pinned["torch"]
    assert {name: version.removesuffix(".0") for name, version in lowest.items()} == wanted
