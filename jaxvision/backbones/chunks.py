"""A large batch through a network in chunks, where that is faster (`forms` says)."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from jaxvision.backbones.forms import chunk_size


def in_chunks(function: Callable, images: Float[Array, "n h w c"]) -> Any:
    """`function(images)`, computed a chunk at a time.

    A CPU is slower on a batch whose activations leave its cache than on the same images one after the other.

    Args:
        function: images to a pytree of arrays with a leading batch axis, each image on its own.
        images: `(N, H, W, C)`.

    Returns:
        What `function(images)` returns.

    Example:
        >>> import jax.numpy as jnp
        >>> in_chunks(lambda images: images.mean(axis=(1, 2, 3)), jnp.ones((4, 224, 224, 3)))
        Array([1., 1., 1., 1.], dtype=float32)
    """
    n, h, w, c = images.shape
    size = chunk_size(n, h, w)
    if size == n:
        return function(images)
    outputs = jax.lax.map(function, images.reshape(-1, size, h, w, c))
    return jax.tree.map(lambda y: y.reshape(n, *y.shape[2:]), outputs)
