"""Resizing with antialiasing."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def resize(
    images: Float[ArrayLike, "n h w c"],
    size: int | tuple[int, int],
    *,
    method: str = "bilinear",
    antialias: bool = True,
) -> Float[Array, "n h2 w2 c"]:
    r"""Images at another size.

    Each output pixel is a weighted mean of input pixels around its own place (pixel centres at half integers). With
    antialiasing the filter widens with the factor of reduction, so that fine texture is averaged instead of aliased.

    Args:
        images: `(N, H, W, C)`, any value range.
        size: `(height, width)`, or the short side: the other then keeps the aspect ratio, cut to a whole number as
            torchvision does.
        method: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5"; as `jax.image.resize`.
        antialias: widen the filter when the image becomes smaller.

    Returns:
        `(N, height, width, C)`. Bicubic and Lanczos filters may overshoot the range a little.

    Raises:
        InputError: if a side would be smaller than one pixel.

    Example:
        >>> resize(jnp.zeros((1, 40, 61, 3)), 20).shape
        (1, 20, 30, 3)
        >>> resize(jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1), (1, 1)).item()
        0.5
    """
    images = jnp.asarray(images)
    n, h, w, c = images.shape
    short = min(h, w)
    height, width = (h * size // short, w * size // short) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise InputError(f"the new size must be at least 1 x 1 pixel, got {height} x {width} (height x width)")
    return jax.image.resize(images, (n, height, width, c), method=method, antialias=antialias)
