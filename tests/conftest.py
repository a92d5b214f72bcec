import importlib.util
import sys
import types

import pytest


@pytest.fixture
def torch_fidelity(monkeypatch):
    """torch-fidelity's own numerics; what it takes from torchvision, they do not need.

    It is not part of the extra `peers`, for it would bring torchvision: `pip install --no-deps torch-fidelity`.
    """
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed: pip install --no-deps torch-fidelity")
    if importlib.util.find_spec("torchvision") is None:

        class StandIn(types.ModuleType):
            def __getattr__(self, name):
                if name.startswith("__"):
                    raise AttributeError(name)
                return type(name, (), {})

        names = ("transforms", "transforms.functional", "datasets", "models", "utils")
        for name in ("torchvision", *(f"torchvision.{name}" for name in names)):
            module = StandIn(name)
            module.__path__ = []
            monkeypatch.setitem(sys.modules, name, module)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
    return importlib.import_module("torch_fidelity")
