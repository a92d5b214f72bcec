"""Gaussian blur."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def gaussian_blur(
    images: Float[ArrayLike, "n h w c"], sigma: float, *, truncate: float = 4.0
) -> Float[Array, "n h w c"]:
    r"""Images convolved with a Gaussian, first down the columns, then along the rows.

    $$ x'_i = \sum_{|k| \le r} w_k \, x_{i+k}, \qquad w_k \propto e^{-k^2 / 2 \sigma^2}, \quad \textstyle\sum_k w_k = 1,
       \quad r = \lfloor \text{truncate} \cdot \sigma + \tfrac{1}{2} \rfloor $$

    Beyond its edge the image is mirrored, edge pixel included (`d c b a | a b c d | d c b a`). Equals
    `scipy.ndimage.gaussian_filter` with its default mode "reflect" over height and width.

    Args:
        images: `(N, H, W, C)`, any value range.
        sigma: standard deviation in pixels, a Python number; 0 changes nothing.
        truncate: where to cut the kernel, in standard deviations.

    Returns:
        `(N, H, W, C)`; the mean of each channel is kept.

    Raises:
        InputError: if `sigma` is negative.

    Example:
        >>> impulse = jnp.zeros((1, 1, 5, 1)).at[0, 0, 2, 0].set(1.0)
        >>> gaussian_blur(impulse, 1.0, truncate=1.0).ravel()
        Array([0.        , 0.27406862, 0.45186275, 0.27406862, 0.        ],      dtype=float32)
    """
    if sigma < 0:
        raise InputError(f"sigma must be zero or more pixels, got {sigma}")
    images = jnp.asarray(images)
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return images
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    for axis in (1, 2):
        images = _convolve(images, weights / weights.sum(), axis)
    return images


def _convolve(images: Float[Array, "n h w c"], weights: np.ndarray, axis: int) -> Float[Array, "n h w c"]:
    """A weighted sum of shifted images: for a few taps faster than a convolution with one channel per group."""
    radius, length = len(weights) // 2, images.shape[axis]
    padding = [(radius, radius) if a == axis else (0, 0) for a in range(4)]
    padded = jnp.pad(images, padding, mode="symmetric")
    at = [slice(None)] * axis
    return sum(
        (float(weight) * padded[(*at, slice(k, k + length))] for k, weight in enumerate(weights)),
        start=jnp.zeros_like(images),
    )
