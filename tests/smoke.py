"""What an installed skflow must do, without a test runner: ``python tests/smoke.py``. It takes seconds."""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skflow
from skflow.inspection import FlowReport


def main():
    """Fit a flow and an aligner, predict, and write a report; any warning is an error."""
    warnings.simplefilter("error")
    X, y = make_blobs(120, n_features=4, centers=5 * np.eye(3, 4), random_state=0)
    X = X * [1.0, 1.3, 0.8, 1.1]  # else the classes could be exchanged, and nothing would tell
    model = FrozenEstimator(LogisticRegression().fit(X[:60], y[:60]))
    target, rows, labels = skflow.Reference(X[:60], y[:60]), 12 - X[60:], y[60:]
    for first, known in (
        (skflow.OTDDFlowTransformer(target, random_state=0), labels),
        (skflow.DomainAligner(target, random_state=0), None),
    ):
        pipe = make_pipeline(first, model).fit(rows, known)
        right = pipe.score(rows, labels)
        assert right > 0.9, f"{type(first).__name__}: {right:.0%} right"
        with tempfile.TemporaryDirectory() as folder:
            FlowReport(pipe, rows, labels).write_html(Path(folder) / "report.html")
    print(f"skflow {skflow.__version__} works, from {Path(skflow.__file__).parent}, Python {sys.version.split()[0]}.")


if __name__ == "__main__":
    main()
