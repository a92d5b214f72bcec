"""What measures of maps ask of the maps."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def check_maps(maps: ArrayLike, images: Float[Array, "n h w c"]) -> Float[Array, "n h w"]:
    """Maps as floats of the images' type, or one sentence saying what is wrong with them.

    Args:
        maps: `(N, H, W)` floats, larger where a pixel matters more.
        images: `(N, H, W, C)`.

    Returns:
        `(N, H, W)`.

    Raises:
        InputError: if there is not one float for each pixel.

    Example:
        >>> check_maps(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2, 3)))
        Traceback (most recent call last):
        jaxvision.errors.InputError: maps must have shape (N, H, W) = (1, 2, 2), got (1, 2, 2, 3): sum over the channels
    """
    array = jnp.asarray(maps)
    if array.shape != images.shape[:3]:
        hint = ": sum over the channels" if array.ndim == 4 else ""
        raise InputError(f"maps must have shape (N, H, W) = {images.shape[:3]}, got {array.shape}{hint}")
    return check_floats(array).astype(images.dtype)


def check_floats(maps: Array) -> Array:
    """Maps of floats, or one sentence.

    Args:
        maps: of any shape.

    Returns:
        The same.

    Raises:
        InputError: if they are no floats.

    Example:
        >>> check_floats(jnp.zeros(1, int))
        Traceback (most recent call last):
        jaxvision.errors.InputError: maps must be floats, got int32
    """
    if not jnp.issubdtype(maps.dtype, jnp.floating):
        raise InputError(f"maps must be floats, got {maps.dtype}")
    return maps
