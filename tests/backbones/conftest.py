import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def torch_networks():
    """The module `networks_in_torch`, where PyTorch is installed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    spec = importlib.util.spec_from_file_location("networks_in_torch", Path(__file__).parent / "networks_in_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
