import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="session")
def filled():
    """`filled(network)`: a network with weights drawn by NumPy, without a program to compile for each shape."""

    def draw(network):
        rng = np.random.default_rng(0)
        std = lambda leaf: 0.1 if leaf.ndim == 1 else (2 / np.prod(leaf.shape[:-1])) ** 0.5  # noqa: E731
        return jax.tree.map(
            lambda leaf: jnp.asarray(rng.normal(0, std(leaf), leaf.shape), leaf.dtype), jax.eval_shape(network)
        )

    return draw


@pytest.fixture(scope="session")
def torch_networks():
    """The module `networks_in_torch`, where PyTorch is installed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    spec = importlib.util.spec_from_file_location("networks_in_torch", Path(__file__).parent / "networks_in_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
