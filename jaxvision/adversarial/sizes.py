"""How large a perturbation is: one number for each image, in three norms."""

import jax.numpy as jnp
from jaxtyping import Array, Float

Batch = Float[Array, "n h w c"]
PerImage = Float[Array, " n"]


def linf_size(perturbations: Batch) -> PerImage:
    r"""The largest change of a value, $\max_i |\delta_i|$.

    Args:
        perturbations: `(N, H, W, C)`.

    Returns:
        `(N,)`, in the images' unit.

    Example:
        >>> linf_size(jnp.array([3.0, -4.0]).reshape(1, 1, 2, 1))
        Array([4.], dtype=float32)
    """
    return jnp.max(jnp.abs(perturbations), axis=(1, 2, 3))


def l2_size(perturbations: Batch) -> PerImage:
    r"""The Euclidean length, $\sqrt{\sum_i \delta_i^2}$.

    Args:
        perturbations: `(N, H, W, C)`.

    Returns:
        `(N,)`, in the images' unit.

    Example:
        >>> l2_size(jnp.array([3.0, -4.0]).reshape(1, 1, 2, 1))
        Array([5.], dtype=float32)
    """
    return jnp.sqrt(jnp.sum(perturbations**2, axis=(1, 2, 3)))


def l1_size(perturbations: Batch) -> PerImage:
    r"""The sum of all changes, $\sum_i |\delta_i|$.

    Args:
        perturbations: `(N, H, W, C)`.

    Returns:
        `(N,)`, in the images' unit.

    Example:
        >>> l1_size(jnp.array([3.0, -4.0]).reshape(1, 1, 2, 1))
        Array([7.], dtype=float32)
    """
    return jnp.sum(jnp.abs(perturbations), axis=(1, 2, 3))


def over_images(values: PerImage) -> Float[Array, "n 1 1 1"]:
    """One number for each image, ready to be combined with its pixels.

    Args:
        values: `(N,)`.

    Returns:
        `(N, 1, 1, 1)`.

    Example:
        >>> over_images(jnp.ones(2)).shape
        (2, 1, 1, 1)
    """
    return values[:, None, None, None]


def or_one(values: PerImage) -> PerImage:
    """What to divide by: 1 in place of 0.

    Args:
        values: `(N,)`, zero or more.

    Returns:
        `(N,)`, above zero.

    Example:
        >>> or_one(jnp.array([0.0, 0.5]))
        Array([1. , 0.5], dtype=float32)
    """
    return jnp.where(values > 0, values, 1)
