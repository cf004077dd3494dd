"""Fixtures for all tests."""

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES, scope="session")
def device(request):
    """Every device that is there."""
    return torch.device(request.param)
