"""A baseline: what counts as absence."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def check_baseline(baseline: ArrayLike | None, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """The baseline in the shape and type of the images, or one sentence saying what is wrong with it.

    Args:
        baseline: anything that broadcasts to the images' shape, in their range; None for zeros.
        images: `(N, H, W, C)`.

    Returns:
        `(N, H, W, C)`.

    Raises:
        InputError: if it does not broadcast, or is an array of anything but floats.

    Example:
        >>> check_baseline(0.5, jnp.zeros((1, 1, 2, 1))).ravel()
        Array([0.5, 0.5], dtype=float32)
    """
    if baseline is None:
        return jnp.zeros_like(images)
    array = jnp.asarray(baseline)
    if array.ndim and not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"baseline must be floats in the range of the images, got {array.dtype}")
    try:
        return jnp.broadcast_to(array.astype(images.dtype), images.shape)
    except ValueError:
        raise InputError(
            f"baseline must broadcast to the images' shape {images.shape}, got shape {array.shape}"
        ) from None
