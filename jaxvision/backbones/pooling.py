r"""Max pooling by even and odd columns, then rows; means and maxima over each pixel's 3 x 3 neighbourhood.

`lax.reduce_window` has a slow gradient on the CPU (select-and-scatter) and an order-dependent one on GPUs. Splitting a
side into its even and odd half makes a window's members three (or two) plain arrays, and the gradient two copies:

$$ y_i = \max(x_{2i},\, x_{2i+1}[,\, x_{2i+2}]) = \max(e_i,\, o_i[,\, e_{i+1}]) $$

The first of equal members, in reading order, takes the gradient, as in PyTorch. Right under any order of
differentiation.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def max_pool(x: Float[Array, "n h w c"], *, size: int = 2, ceil_mode: bool = False) -> Float[Array, "n oh ow c"]:
    """Maximum over windows of `size` x `size`, stride 2, no padding.

    Args:
        x: `(n, h, w, c)`.
        size: 2 or 3.
        ceil_mode: whether a last window that hangs over the edge counts (over the values that are there), as in
            SqueezeNet; otherwise it is dropped, as in VGG.

    Returns:
        `(n, oh, ow, c)` with `oh = (h - size) / 2 + 1`, rounded up with `ceil_mode`, down without.

    Raises:
        InputError: if `size` is neither 2 nor 3, or the image has no window.

    Example:
        >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), size=3, ceil_mode=True)[0, :, :, 0]
        Array([[10., 11.],
               [14., 15.]], dtype=float32)
    """
    if size not in (2, 3):
        raise InputError(f"size must be 2 or 3, got {size}")
    least = size - 1 if ceil_mode else size
    if min(x.shape[1:3]) < least:
        raise InputError(f"max_pool needs at least {least} x {least} pixels here, got {x.shape[1]} x {x.shape[2]}")
    for axis in (2, 1):  # columns first: of equal members the first in reading order wins, as in PyTorch
        x = _max_pool_axis(x, axis, size, ceil_mode)
    return x


def max_around(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Maximum over each pixel and its eight neighbours, those beyond the edge left out.

    Args:
        x: `(n, h, w, c)`.

    Returns:
        `(n, h, w, c)`.

    Example:
        >>> max_around(jnp.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
        Array([[4., 5., 5.],
               [7., 8., 8.],
               [7., 8., 8.]], dtype=float32)
    """
    for axis in (2, 1):  # columns first, as in `max_pool`
        before, at, after = _neighbours(x, axis, -jnp.inf)
        x = _first_max(_first_max(before, at), after)
    return x


def mean_around(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Mean over each pixel and its eight neighbours, those beyond the edge neither summed nor counted.

    Args:
        x: `(n, h, w, c)`.

    Returns:
        `(n, h, w, c)`.

    Example:
        >>> mean_around(jnp.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
        Array([[2. , 2.5, 3. ],
               [3.5, 4. , 4.5],
               [5. , 5.5, 6. ]], dtype=float32)
    """
    counts = np.ones(())
    for axis in (2, 1):
        before, at, after = _neighbours(x, axis, 0.0)
        x = before + at + after
        i = np.arange(x.shape[axis])
        counts = np.multiply.outer(1 + (i > 0) + (i < len(i) - 1), counts)  # (h, w) after both
    return x / jnp.asarray(counts, x.dtype)[None, :, :, None]


def _neighbours(x: Array, axis: int, beyond: float) -> list[Array]:
    """What stands before each pixel along an axis, at it and after it."""
    padded = _pad(x, axis, 1, 1, beyond)
    return [lax.slice_in_dim(padded, shift, shift + x.shape[axis], axis=axis) for shift in range(3)]


def _max_pool_axis(x: Array, axis: int, size: int, ceil_mode: bool) -> Array:
    """Whole pairs, then windows: a side that is divided among devices stays divided, as its pairs are."""
    length = x.shape[axis]
    n_windows = (length - size + ceil_mode) // 2 + 1
    x = _pad(x, axis, 0, length % 2, -jnp.inf)
    x = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
    even, odd = (jnp.squeeze(half, axis + 1) for half in lax.split(x, (1, 1), axis=axis + 1))
    pooled = _first_max(even, odd)
    if size == 3:
        following = lax.slice_in_dim(_pad(even, axis, 0, 1, -jnp.inf), 1, None, axis=axis)
        pooled = _first_max(pooled, following)
    return lax.slice_in_dim(pooled, 0, n_windows, axis=axis)


def _pad(x: Array, axis: int, before: int, after: int, value: float) -> Array:
    sides = [(0, 0)] * x.ndim
    sides[axis] = (before, after)
    return jnp.pad(x, sides, constant_values=value) if before or after else x


def _first_max(a: Array, b: Array) -> Array:
    """The larger of two; the first on a tie, so that the gradient is not split; a NaN in either wins."""
    return lax.select((a >= b) | jnp.isnan(a), a, b)
