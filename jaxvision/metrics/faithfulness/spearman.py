"""Spearman's rank correlation."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import summing_dtype


def spearman(a: Float[ArrayLike, "..."], b: Float[ArrayLike, "..."]) -> Float[Array, " n"]:
    r"""The correlation of two maps' ranks, for each pair: 1 for the same order, -1 for the reverse, about 0 for none.

    $$ \rho = \frac{\sum_v (r_v - \bar r)(s_v - \bar s)}{\sqrt{\sum_v (r_v - \bar r)^2 \sum_v (s_v - \bar s)^2}} $$

    with $r$ and $s$ the ranks of $a$'s and of $b$'s values; equal values share the mean of their ranks.

    Args:
        a: `(N, ...)` floats, as maps `(N, H, W)`.
        b: the same shape.

    Returns:
        `(N,)` in [-1, 1], 0 where all values of one are equal.

    Raises:
        InputError: if shapes differ, there is nothing to rank, or values are no floats.

    Example:
        >>> round(spearman(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[1.0, 9.0, 4.0]])).item(), 3)
        0.5

    References:
        Spearman, "The proof and measurement of association between two things",
        https://doi.org/10.2307/1412159, 1904. `scipy.stats.spearmanr` is the same.
    """
    first, second = jnp.asarray(a), jnp.asarray(b)
    if first.shape != second.shape or first.ndim < 2 or 0 in first.shape[1:]:
        raise InputError(
            f"a and b must share a shape (N, ...) with values to rank, got {first.shape} and {second.shape}"
        )
    if not all(jnp.issubdtype(x.dtype, jnp.floating) for x in (first, second)):
        raise InputError(f"a and b must be floats, got {first.dtype} and {second.dtype}: give them as x.astype(float)")
    return _spearman(first.reshape(len(first), -1), second.reshape(len(second), -1))


@jax.jit
def _spearman(a: Float[Array, "n v"], b: Float[Array, "n v"]) -> Float[Array, " n"]:
    dtype = summing_dtype(a.dtype)  # half precision cannot count so far
    return pearson(_ranks(a, dtype), _ranks(b, dtype)).astype(a.dtype)


def pearson(a: Float[Array, "n v"], b: Float[Array, "n v"]) -> Float[Array, " n"]:
    """The correlation of two rows of numbers, for each pair.

    Args:
        a: `(N, V)`.
        b: `(N, V)`.

    Returns:
        `(N,)`, 0 where all values of one are equal.

    Example:
        >>> round(pearson(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[0.0, -2.0, -4.0]])).item(), 3)
        -1.0
    """
    units = []
    for values in (a, b):
        scale = jnp.max(jnp.abs(values), axis=1, keepdims=True)  # so that no square is out of range
        centered = values / jnp.where(scale == 0, 1, scale)
        centered = centered - jnp.mean(centered, axis=1, keepdims=True)
        length = jnp.linalg.norm(centered, axis=1, keepdims=True)
        is_flat = jnp.max(values, axis=1, keepdims=True) == jnp.min(values, axis=1, keepdims=True)
        units.append(jnp.where(is_flat, 0, centered / jnp.where(is_flat, 1, length)))
    return jnp.clip(jnp.sum(units[0] * units[1], axis=1), -1, 1)


def _ranks(values: Float[Array, "n v"], dtype: jnp.dtype) -> Float[Array, "n v"]:
    """How many are smaller, and half of those equal."""

    def one(row: Array) -> Array:
        ordered = jnp.sort(row)
        before, upto = (jnp.searchsorted(ordered, row, side=side) for side in ("left", "right"))
        return (before + upto).astype(dtype) / 2

    return jax.vmap(one)(values)
