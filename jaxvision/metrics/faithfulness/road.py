"""ROAD: remove and debias. Deletion whose holes are filled from around them, so that their outline tells nothing."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.checks import check_maps
from jaxvision.metrics.faithfulness.curves import descending_ranks
from jaxvision.pixels import (
    Classes,
    Keys,
    Score,
    check_images,
    check_labels,
    example_keys,
    in_chunks,
    pytree_function,
    scores_at_points,
    target_probability,
)
from jaxvision.signatures import LogitsFn


def road(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    maps: Float[ArrayLike, "..."],
    *,
    key: Keys,
    shares: Sequence[float] | Float[Array | np.ndarray, " shares"] = (0.1, 0.3, 0.5, 0.7, 0.9),
    noise: float = 0.01,
    n_iterations: int = 100,
    score: Score = target_probability,
) -> Float[Array, "n shares"]:
    r"""The score of an image whose most important pixels are filled in from around them: low is good.

    With `-maps` the least important pixels leave first, and high is good. Steps are made as they are needed.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        maps: `(N, H, W)` floats, larger where a pixel matters more.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; share k folds in k.
        shares: of the pixels that are removed, each above 0 and below 1.
        noise: deviation of the noise on what is filled in, in units of the images.
        n_iterations: of conjugate gradients, see `linear_imputation`.
        score: of logits and labels, a function of a module: `pixels.target_probability` or `pixels.target_logit`.

    Returns:
        `(N, shares)`.

    Raises:
        InputError: if images, labels, maps, keys or logits have the wrong shape, type or range, or a share, the noise
            or `n_iterations` is out of its range.

    Example:
        >>> from jaxvision.pixels import target_logit
        >>> linear = lambda images: images.sum(axis=(1, 2))
        >>> image = jnp.array([0.0, 9.0, 2.0]).reshape(1, 1, 3, 1)
        >>> settings = {"key": jax.random.key(0), "shares": [0.4], "noise": 0.0, "score": target_logit}
        >>> round(road(linear, image, [0], image[..., 0], **settings).item(), 3)  # the 9 becomes a 1
        3.0

    References:
        Rong et al., "A consistent and efficient evaluation strategy for attribution methods",
        https://arxiv.org/abs/2202.00449, 2022, section 4.2. Departure: conjugate gradients for a direct sparse solver.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    values = check_maps(maps, images)
    parts = tuple(float(share) for share in shares)
    if not parts or not all(0 < part < 1 for part in parts):
        raise InputError(f"shares must be above 0 and below 1, one or more, got {parts}")
    if not 0 <= noise < math.inf:
        raise InputError(f"noise must be zero or more and finite, in units of the images, got {noise}")
    if n_iterations < 1:
        raise InputError(f"n_iterations must be 1 or more, got {n_iterations}")
    return _road(
        pytree_function(logits_fn),
        images,
        labels,
        values,
        example_keys(key, len(images)),
        noise,
        counts=tuple(round(share * values[0].size) for share in parts),
        n_iterations=n_iterations,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("counts", "n_iterations", "score"))
def _road(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    maps: Float[Array, "n h w"],
    keys: Key[Array, " n"],
    noise: Float[ArrayLike, ""],
    *,
    counts: tuple[int, ...],
    n_iterations: int,
    score: Score,
) -> Float[Array, "n shares"]:
    removals = jnp.asarray(counts, jnp.int32)

    def scores(images: Array, labels: Array, ranks: Array, keys: Array) -> Array:
        def point(k: Array) -> Array:
            removed = ranks < removals[k]
            filled = _impute(images, removed, n_iterations)
            draw = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, k), images.shape[1:], images.dtype))
            return jnp.where(removed[..., None], filled + noise * draw(keys), images)

        return scores_at_points(logits_fn, labels, point, len(counts), score=score).T

    return in_chunks(scores, images, labels, descending_ranks(maps), keys)


def linear_imputation(
    images: Float[ArrayLike, "n h w c"], removed: Bool[ArrayLike, "..."], *, n_iterations: int = 100
) -> Float[Array, "n h w c"]:
    r"""Images whose removed pixels are each the weighted mean of the eight around it.

    $$ x_v = \frac{\sum_{u \sim v} w_{uv} x_u}{\sum_{u \sim v} w_{uv}} \text{ for all removed } v, \qquad
       w_{uv} = \tfrac{1}{6} \text{ beside each other}, \; \tfrac{1}{12} \text{ across a corner} $$

    The equations are solved together by conjugate gradients, from the mean of the pixels that are left. How many
    iterations it takes grows with the width of the holes: a hundred suffice for holes some tens of pixels wide.

    Args:
        images: `(N, H, W, C)`, any value range.
        removed: `(N, H, W)` bool, True where a pixel is not known; its value does not count. An image without known
            pixels becomes zero.
        n_iterations: a Python number.

    Returns:
        `(N, H, W, C)`.

    Raises:
        InputError: if images are no such batch, or `removed` has another shape.

    Example:
        >>> image, removed = jnp.array([0.0, 9.0, 2.0]).reshape(1, 1, 3, 1), jnp.array([[[False, True, False]]])
        >>> [round(value, 3) for value in linear_imputation(image, removed).ravel().tolist()]
        [0.0, 1.0, 2.0]

    References:
        Rong et al., "A consistent and efficient evaluation strategy for attribution methods",
        https://arxiv.org/abs/2202.00449, 2022, equation 8.
    """
    images, holes = check_images(images), jnp.asarray(removed)
    if holes.shape != images.shape[:3]:
        raise InputError(f"removed must have shape (N, H, W) = {images.shape[:3]}, got {holes.shape}")
    return _impute(images, holes, n_iterations)


@functools.partial(jax.jit, static_argnames="n_iterations")
def _impute(
    images: Float[Array, "n h w c"], removed: Bool[Array, "n h w"], n_iterations: int
) -> Float[Array, "n h w c"]:
    hidden = removed[..., None].astype(images.dtype)
    weight = _of_neighbours(jnp.ones_like(images))

    def left_side(x: Array) -> Array:
        return hidden * (weight * x - _of_neighbours(hidden * x))

    def dot(a: Array, b: Array) -> Array:
        return jnp.sum(a * b, axis=(1, 2), keepdims=True)  # each channel of each image is a system of its own

    def divide(a: Array, b: Array) -> Array:
        return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))

    known = jnp.where(removed[..., None], 0, images)
    first = hidden * divide(dot(known, jnp.ones_like(known)), dot(1 - hidden, jnp.ones_like(hidden)))
    residual = hidden * _of_neighbours(known) - left_side(first)

    def step(_: ArrayLike, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, residual, direction = state
        moved = left_side(direction)
        size = dot(residual, residual)
        length = divide(size, dot(direction, moved))
        after = residual - length * moved
        return x + length * direction, after, after + divide(dot(after, after), size) * direction

    filled, _, _ = jax.lax.fori_loop(0, n_iterations, step, (first, residual, residual))
    return known + filled


def _of_neighbours(images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """At each pixel the weighted sum of the eight around it: that of 1 2 1 down and across, less the middle."""
    total = images
    for axis in (1, 2):
        padded = jnp.pad(total, [(1, 1) if a == axis else (0, 0) for a in range(4)])
        length, at = images.shape[axis], (slice(None),) * axis
        before, after = padded[(*at, slice(0, length))], padded[(*at, slice(2, length + 2))]
        total = before + 2 * total + after
    return (total - 4 * images) / 12
