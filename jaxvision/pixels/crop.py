"""Cropping about the centre."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def center_crop(images: Float[ArrayLike, "n h w c"], size: int | tuple[int, int]) -> Float[Array, "n h2 w2 c"]:
    """The middle of each image; an odd pixel left over is cut off at the bottom and at the right.

    Args:
        images: `(N, H, W, C)`.
        size: `(height, width)`, or the side of a square.

    Returns:
        `(N, height, width, C)`.

    Raises:
        InputError: if the image is smaller than the crop.

    Example:
        >>> center_crop(jnp.arange(5.0).reshape(1, 1, 5, 1), (1, 2)).ravel()
        Array([1., 2.], dtype=float32)
    """
    images = jnp.asarray(images)
    height, width = (size, size) if isinstance(size, int) else size
    h, w = images.shape[1:3]
    if not (0 < height <= h and 0 < width <= w):
        raise InputError(
            f"a crop of {height} x {width} pixels does not fit into {h} x {w} (height x width): resize first"
        )
    top, left = (h - height) // 2, (w - width) // 2
    return images[:, top : top + height, left : left + width]
