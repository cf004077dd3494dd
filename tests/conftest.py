"""Fixtures for all tests."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core, one thread each, before a library counts the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES, scope="session")
def device(request):
    """Every device that is there."""
    return torch.device(request.param)
