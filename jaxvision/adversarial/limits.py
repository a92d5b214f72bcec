"""What an attack may do: how far from the image, and between which values."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError

Bounds = tuple[ArrayLike, ArrayLike]
"""The lowest and the highest value of an image: numbers, or one for each channel `(C,)`."""


def check_bounds(images: Float[Array, "n h w c"], bounds: Bounds) -> tuple[Array, Array]:
    """Bounds as two arrays `(1, 1, 1, C or 1)`, or one sentence saying that an image is beyond them.

    Values are looked at only where they are known: inside a `jax.jit` of the caller's only shapes are.

    Args:
        images: `(N, H, W, C)`.
        bounds: the lowest and the highest value: numbers, or one for each channel `(C,)`.

    Returns:
        Lowest and highest, ready to be combined with images.

    Raises:
        InputError: if bounds have another shape, or a value of an image lies beyond them.

    Example:
        >>> check_bounds(jnp.full((1, 2, 2, 3), 255.0), (0.0, 1.0))
        Traceback (most recent call last):
        jaxvision.errors.InputError: images must lie within bounds, got values up to 255.0: give bounds=(low, high)
    """
    channels = images.shape[3]
    for bound in bounds:
        if np.shape(bound) not in ((), (1,), (channels,)):
            raise InputError(f"bounds must be numbers or of shape ({channels},), got shape {np.shape(bound)}")
    low, high = (jnp.asarray(bound, images.dtype).reshape(1, 1, 1, -1) for bound in bounds)
    known = not any(isinstance(x, Tracer) for x in (images, low, high))
    if known and not bool(jnp.all((images >= low) & (images <= high))):
        beyond = "up to" if bool(jnp.any(images > high)) else "down to"
        value = float(jnp.max(images) if beyond == "up to" else jnp.min(images))
        raise InputError(f"images must lie within bounds, got values {beyond} {value}: give bounds=(low, high)")
    return low, high


def check_budgets(values: ArrayLike, images: Float[Array, "n h w c"], name: str) -> Float[Array, " n"]:
    """One number for each image, of the images' type, or one sentence saying what is wrong.

    Args:
        values: a number, or one for each image `(N,)`.
        images: `(N, H, W, C)`.
        name: what the caller calls them, for the sentence.

    Returns:
        `(N,)`.

    Raises:
        InputError: if they have another shape, or one is known to be below zero.

    Example:
        >>> check_budgets(0.5, jnp.zeros((2, 4, 4, 3)), "eps")
        Array([0.5, 0.5], dtype=float32)
    """
    n = len(images)
    if np.shape(values) not in ((), (n,)):
        raise InputError(f"{name} must be one number or one for each image, shape ({n},), got shape {np.shape(values)}")
    array = jnp.broadcast_to(jnp.asarray(values, images.dtype), (n,))
    if not isinstance(array, Tracer) and not bool(jnp.all(array >= 0)):
        raise InputError(f"{name} must be zero or more, got {float(jnp.min(array))}")
    return array
