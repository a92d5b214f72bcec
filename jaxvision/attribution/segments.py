"""Segments: groups of pixels that are shown or hidden together."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxvision.errors import InputError


class SegmentAttributions(NamedTuple):
    """What each segment contributes.

    Attributes:
        values: `(N, n_segments)`, one for each segment.
        maps: `(N, H, W)`, at each pixel its segment's value.
    """

    values: Float[Array, "n m"]
    maps: Float[Array, "n h w"]


def patches(height: int, width: int, size: int) -> Int[np.ndarray, "h w"]:
    """Square patches as segments, numbered in reading order; those at the lower and right edge may be cut.

    Args:
        height: of the images.
        width: of the images.
        size: a side of a patch, in pixels.

    Returns:
        `(height, width)` int32, from 0.

    Raises:
        InputError: if a side is below one pixel.

    Example:
        >>> patches(2, 5, 2)
        array([[0, 0, 1, 1, 2],
               [0, 0, 1, 1, 2]], dtype=int32)
    """
    if min(height, width, size) < 1:
        raise InputError(f"height, width and size must be 1 or more pixels, got {height}, {width} and {size}")
    rows, columns = np.arange(height, dtype=np.int32) // size, np.arange(width, dtype=np.int32) // size
    return rows[:, None] * (columns[-1] + 1) + columns[None, :]


def check_segments(
    segments: ArrayLike, n_segments: int | None, images: Float[Array, "n h w c"]
) -> tuple[Int[Array, "n h w"], int]:
    """Segments of each image and their number, or one sentence saying what is wrong with them.

    Args:
        segments: `(N, H, W)` or, for all images alike, `(H, W)`, integers from 0.
        n_segments: how many there are at most; None to look.
        images: `(N, H, W, C)`.

    Returns:
        `(N, H, W)` int32, and their number.

    Raises:
        InputError: if there is not one integer in `[0, n_segments)` for each pixel, there are fewer than two segments,
            or None is given where the segments are not known.

    Example:
        >>> check_segments(patches(2, 4, 2), None, jnp.zeros((3, 2, 4, 1)))[1]
        2
    """
    shape = images.shape[:3]
    array = segments if isinstance(segments, jax.Array) else np.asarray(segments)
    if not jnp.issubdtype(array.dtype, jnp.integer) or array.shape not in (shape, shape[1:]):
        raise InputError(
            f"segments must be integers of shape (N, H, W) = {shape} or (H, W), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if not isinstance(array, Tracer):
        values = np.asarray(array)
        n_segments = int(values.max()) + 1 if n_segments is None else n_segments
        if values.min() < 0 or values.max() >= n_segments:
            raise InputError(
                f"segments must lie in [0, n_segments) = [0, {n_segments}), got {values.min()} to {values.max()}"
            )
    if n_segments is None:
        raise InputError("n_segments must be given where the segments are not known, inside a jax.jit of the caller's")
    if n_segments < 2:
        raise InputError(f"there must be two segments or more, got {n_segments}")
    return jnp.broadcast_to(jnp.asarray(array, jnp.int32), shape), n_segments


def shown(
    images: Float[Array, "n h w c"],
    baseline: Float[Array, "n h w c"],
    segments: Int[Array, "n h w"],
    coalition: Bool[Array, "n m"],
) -> Float[Array, "n h w c"]:
    """The images where their segments are in the coalition, the baseline elsewhere.

    Args:
        images: `(N, H, W, C)`.
        baseline: `(N, H, W, C)`.
        segments: `(N, H, W)`.
        coalition: `(N, n_segments)`, True for what is shown.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> images, coalition = jnp.ones((1, 1, 2, 1)), jnp.array([[False, True]])
        >>> shown(images, 0 * images, jnp.array([[[0, 1]]]), coalition).ravel()
        Array([0., 1.], dtype=float32)
    """
    return jnp.where(painted(segments, coalition)[..., None], images, baseline)


def painted(segments: Int[Array, "n h w"], values: Array) -> Array:
    """At each pixel its segment's value.

    Args:
        segments: `(N, H, W)`.
        values: `(N, n_segments)`.

    Returns:
        `(N, H, W)`.

    Example:
        >>> painted(jnp.array([[[0, 1, 1]]]), jnp.array([[2.0, 5.0]]))
        Array([[[2., 5., 5.]]], dtype=float32)
    """
    return jax.vmap(lambda of_pixels, of_segments: of_segments[of_pixels])(segments, values)


Coalition = Callable[[Int[Array, ""]], tuple[Bool[Array, "n m"], Float[Array, " n"]]]
"""From k to the k-th coalition of each image, and its weight."""
