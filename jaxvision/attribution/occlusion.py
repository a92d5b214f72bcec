"""Occlusion: what hiding a window costs a class."""

import functools
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from jaxvision.errors import InputError
from jaxvision.pixels import (
    Classes,
    Score,
    check_baseline,
    check_images,
    check_labels,
    in_chunks,
    pytree_function,
    scores_at_points,
    target_logit,
)
from jaxvision.signatures import LogitsFn

Extent = tuple[int, int, int]
"""Rows, columns, channels."""

Sides = SupportsIndex | Sequence[SupportsIndex]
"""One side, two or three of a window, whole numbers."""


def occlusion(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    window: Sides,
    stride: Sides = 1,
    baseline: Num[ArrayLike, "..."] | None = None,
    score: Score = target_logit,
) -> Float[Array, "n h w c"]:
    r"""How much the score falls when a window slides over a value, on average over the windows that cover it.

    $$ A_v = \frac{1}{|\{k : v \in W_k\}|} \sum_{k : v \in W_k} \bigl(s_y(I) - s_y(I_k)\bigr), \qquad
       I_k = \begin{cases} I' & \text{in } W_k \\ I & \text{elsewhere} \end{cases} $$

    Windows start at the multiples of the stride until the last row, column and channel are covered; the last ones may
    reach beyond the edge and are cut there. Windows are made as they are needed.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        window: pixels of a side, or `(height, width)`, of all channels; or `(height, width, channels)`.
        stride: pixels from a window to the next, or `(down, right)`, and then from channels to the next; or
            `(down, right, channels)`; at most the window, so that no value is left out.
        baseline: $I'$, what is seen in the window, in the range of the images: anything that broadcasts to their shape.
            None for zeros.
        score: of logits and labels, a function of a module: `target_logit` or `target_probability`.

    Returns:
        `(N, H, W, C)`, in units of the score: positive where hiding lowers it.

    Raises:
        InputError: if images, labels, baseline or logits have the wrong shape, type or range, or the window is larger
            than an image or smaller than the stride.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([0.0, 1.0, 2.0]).reshape(1, 1, 3, 1)
        >>> occlusion(linear, image, jnp.array([0]), window=(1, 2)).ravel()  # windows cost 3 and 9
        Array([3., 6., 9.], dtype=float32)

    References:
        Zeiler and Fergus, "Visualizing and understanding convolutional networks", https://arxiv.org/abs/1311.2901,
        2013, section 4.2. Departure: a value's share is the mean over its windows, as in Captum, instead of a map of
        scores with one pixel a window.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    extents = _extent("window", window, images.shape[3])
    strides = _extent("stride", stride, extents[2])
    for size, step, side in zip(extents, strides, images.shape[1:], strict=True):
        if size > side:
            raise InputError(f"window {extents} must fit into an image of shape (H, W, C) = {images.shape[1:]}")
        if step > size and size < side:
            raise InputError(f"stride {strides} must be at most the window {extents}: values between would be left out")
    baseline = check_baseline(baseline, images)
    return _occlusion(pytree_function(logits_fn), images, labels, baseline, window=extents, stride=strides, score=score)


@functools.partial(jax.jit, static_argnames=("window", "stride", "score"))
def _occlusion(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baseline: Float[Array, "n h w c"],
    *,
    window: Extent,
    stride: Extent,
    score: Score,
) -> Float[Array, "n h w c"]:
    rows, columns, channels = (
        jnp.asarray(_covered(side, size, step), images.dtype)
        for side, size, step in zip(images.shape[1:], window, stride, strict=True)
    )
    counts = (len(rows), len(columns), len(channels))

    def falls(images: Array, labels: Array, baseline: Array) -> Array:
        def point(k: Array) -> Array:
            i, j, c = jnp.unravel_index(k, counts)
            hidden = rows[i][:, None, None] * columns[j][None, :, None] * channels[c][None, None, :]
            return jnp.where(hidden[None] > 0, baseline, images)

        scores = scores_at_points(logits_fn, labels, point, int(np.prod(counts)), score=score)
        fall = (score(logits_fn(images), labels)[None] - scores).astype(images.dtype).reshape(*counts, len(images))
        shares = [covers / jnp.sum(covers, axis=0, keepdims=True) for covers in (rows, columns, channels)]
        return jnp.einsum("ijkn,ih,jw,kc->nhwc", fall, *shares, precision="highest")

    return in_chunks(falls, images, labels, baseline)


def _covered(side: int, size: int, step: int) -> np.ndarray:
    """Along one side: `(windows, side)`, 1 where a window lies."""
    starts = step * np.arange(-(-(side - size) // step) + 1)[:, None]
    places = np.arange(side)[None]
    return (places >= starts) & (places < starts + size)


def _extent(name: str, value: Sides, n_channels: int) -> Extent:
    """Rows, columns and channels of a window or a stride."""
    numbers: Any = value
    given: list[Any] = [numbers, numbers] if np.ndim(numbers) == 0 else list(numbers)
    sides = [operator.index(side) if hasattr(side, "__index__") else 0 for side in given]  # 0: no whole number
    if len(sides) == 2:
        sides.append(n_channels)
    if len(sides) != 3 or min(sides) < 1:
        raise InputError(
            f"{name} must be one side, (height, width) or (height, width, channels), each 1 or more, got {value}"
        )
    height, width, channels = sides
    return height, width, channels
