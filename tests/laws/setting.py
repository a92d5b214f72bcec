"""What the laws are tried on: a small smooth classifier, three images with labels and keys, and what a row says."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SHAPE, N_CLASSES, N_STEPS = (6, 5, 3), 4, 3
IMAGES = jax.random.normal(jax.random.key(0), (3, *SHAPE))
LABELS = jnp.array([3, 0, 2])
KEYS = jax.random.split(jax.random.key(1), 3)
TRACES: list[tuple[int, ...]] = []
"""The shapes of the images in every call of `network`: while a program is made, or where nothing is compiled."""


class Method(NamedTuple):
    """A row: a method, run on images, labels and keys, giving arrays with one entry per image."""

    name: str
    run: Callable  # (logits_fn, images, labels, keys) -> dict of arrays, one entry per image
    random: bool = False


def network(weights, images):
    """A convolution, a smooth nonlinearity, a mean over pixels, a linear layer."""
    TRACES.append(images.shape)
    features = jax.lax.conv_general_dilated(
        images, weights["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jnp.tanh(features).mean(axis=(1, 2)) @ weights["linear"]


def make_weights(seed, dtype=jnp.float32):
    rng = np.random.default_rng(seed)
    return {
        "conv": jnp.asarray(rng.normal(size=(3, 3, 3, 8)), dtype),
        "linear": jnp.asarray(rng.normal(size=(8, N_CLASSES)), dtype),
    }


def classifier(seed=0, dtype=jnp.float32):
    return jax.tree_util.Partial(network, make_weights(seed, dtype))


def assert_close(a, b, **tolerances):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **{"rtol": 1e-4, "atol": 1e-5} | tolerances), a, b)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def differ(a, b):
    assert a.keys() == b.keys()
    return any(not np.array_equal(a[name], b[name], equal_nan=True) for name in a)
