"""A large batch, computed a chunk at a time where that is faster (`forms` says)."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from jaxvision.forms import chunk_size


def in_chunks(
    function: Callable[..., Any], images: Float[Array, "n h w c"], *others: Any, sparing: bool = False
) -> Any:
    """`function(images, *others)`, computed a chunk at a time.

    A CPU is slower on a batch whose activations leave its cache than on the same images one after the other. A function
    that takes a gradient in itself also keeps one chunk's activations alone, instead of the whole batch's.

    Args:
        function: images, and what belongs to them, to a pytree of arrays with a leading batch axis, each image on its
            own.
        images: `(N, H, W, C)`.
        others: pytrees of arrays with a leading axis N, cut as the images are.
        sparing: of memory rather than of time.

    Returns:
        What `function(images, *others)` returns.

    Example:
        >>> import jax.numpy as jnp
        >>> images, gains = jnp.ones((4, 224, 224, 3)), jnp.arange(4.0)
        >>> in_chunks(lambda images, gains: gains * images.mean(axis=(1, 2, 3)), images, gains)
        Array([0., 1., 2., 3.], dtype=float32)
    """
    n, h, w, _ = images.shape
    size = chunk_size(n, h, w, sparing=sparing)
    if size == n:
        return function(images, *others)
    chunks = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), (images, *others))
    outputs = jax.lax.map(lambda chunk: function(*chunk), chunks)
    return jax.tree.map(lambda y: y.reshape(n, *y.shape[2:]), outputs)
