"""What an attack may do: how far from the image, and between which values."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.pixels import Classes, check_images, check_labels, pytree_function
from jaxvision.signatures import LogitsFn

Bounds = tuple[ArrayLike, ArrayLike]
"""The lowest and the highest value of an image: numbers, or one for each channel `(C,)`."""


def check_attacked(
    logits_fn: LogitsFn, images: ArrayLike, labels: Classes, *, name: str = "labels", least: int = 2
) -> tuple[Float[Array, "n h w c"], Int[Array, " n"]]:
    """Images and class indices that an attack can begin with, or one sentence saying what is wrong.

    Half precision is refused: between 0.5 and 1 the steps of bfloat16 are 1/256, so that an attack's smaller steps
    would be rounded away and a classifier would look robust. So would one that tells no classes apart.

    Args:
        logits_fn: images to logits.
        images: `(N, H, W, C)` float32 or float64.
        labels: `(N,)` integers.
        name: what the caller calls them, for the sentence.
        least: how many classes there must be.

    Returns:
        Images, and labels as int32.

    Raises:
        InputError: as `pixels.check_images` and `pixels.check_labels`, if images are of half precision, or there are
            too few classes.

    Example:
        >>> check_attacked(lambda images: images.mean((1, 2)), jnp.zeros((1, 2, 2, 1)), [0])
        Traceback (most recent call last):
        jaxvision.errors.InputError: logits_fn must tell at least 2 classes apart, got 1
    """
    images = check_images(images)
    if jnp.finfo(images.dtype).bits < 32:
        raise InputError(
            f"attacks need images of float32 or float64, got {images.dtype}: half precision rounds small steps away, "
            "cast inside logits_fn instead, and its logits back"
        )
    indices = check_labels(logits_fn, images, labels, name=name)
    n_classes = jax.eval_shape(operator.call, pytree_function(logits_fn), images).shape[1]
    if n_classes < least:
        raise InputError(f"logits_fn must tell at least {least} classes apart, got {n_classes}")
    return images, indices


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
        InputError: if they have another shape, or one is known to be below zero or infinite.

    Example:
        >>> check_budgets(0.5, jnp.zeros((2, 4, 4, 3)), "eps")
        Array([0.5, 0.5], dtype=float32)
    """
    n = len(images)
    if np.shape(values) not in ((), (n,)):
        raise InputError(f"{name} must be one number or one for each image, shape ({n},), got shape {np.shape(values)}")
    array = jnp.broadcast_to(jnp.asarray(values, images.dtype), (n,))
    if not isinstance(array, Tracer):
        if not bool(jnp.all(array >= 0)):
            raise InputError(f"{name} must be zero or more, got {float(jnp.min(array))}")
        if not bool(jnp.all(array < jnp.inf)):
            raise InputError(f"{name} must be finite, got inf: beyond the bounds no image goes, give their distance")
    return array


def check_known(name: str, values: ArrayLike, range_: str, fits: Callable[[np.ndarray], Any]) -> None:
    """One sentence where numbers are known to be out of their range; inside a `jax.jit` they may be anything.

    Args:
        name: what the caller calls them, for the sentence.
        values: a number or numbers.
        range_: in words, for the sentence.
        fits: whether each of some numbers is in it.

    Raises:
        InputError: if one is not.

    Example:
        >>> check_known("share", 2.0, "above 0 and at most 1", lambda x: (x > 0) & (x <= 1))
        Traceback (most recent call last):
        jaxvision.errors.InputError: share must be above 0 and at most 1, got 2.0
    """
    if isinstance(values, Tracer):
        return
    numbers = np.asarray(values)
    fitting = np.asarray(fits(numbers))
    if not fitting.all():
        raise InputError(f"{name} must be {range_}, got {numbers[~fitting].flat[0]}")
