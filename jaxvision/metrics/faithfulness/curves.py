"""Insertion and deletion: how a score changes as the pixels come or go, the most important ones first."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.checks import check_maps
from jaxvision.pixels import (
    Classes,
    Score,
    check_baseline,
    check_images,
    check_labels,
    in_chunks,
    pytree_function,
    scores_at_points,
    target_probability,
)
from jaxvision.signatures import LogitsFn


class Curve(NamedTuple):
    """A score over the share of pixels that came or went, from 0 to 1 in equal steps.

    Attributes:
        scores: `(N, n_steps + 1)`.
        auc: `(N,)`, the area under each, by trapezoids.
    """

    scores: Float[Array, "n steps"]
    auc: Float[Array, " n"]


def deletion(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    maps: Float[ArrayLike, "..."],
    *,
    baseline: Num[ArrayLike, "..."] | None = None,
    n_steps: int = 50,
    score: Score = target_probability,
) -> Curve:
    r"""The score of an image whose pixels leave for the baseline, those of the largest map values first: low is good.

    $$ d_j = p_y\bigl(I' \text{ at the } \lfloor jHW / K \rfloor \text{ largest of } M, \; I \text{ elsewhere}\bigr),
       \qquad \mathrm{AUC} = \frac{1}{K} \sum_{j=0}^{K} d_j - \frac{d_0 + d_K}{2K} $$

    Of equal map values the first in reading order goes first.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        maps: $M$, `(N, H, W)` floats, larger where a pixel matters more.
        baseline: $I'$, what is left of a pixel, in the range of the images: anything that broadcasts to their shape.
            None for zeros.
        n_steps: $K$, from 1 to the number of pixels, a Python number.
        score: of logits and labels, a function of a module: `pixels.target_probability` or `pixels.target_logit`.

    Returns:
        Scores `(N, n_steps + 1)`, and the area below each `(N,)`.

    Raises:
        InputError: if images, labels, maps, baseline or logits have the wrong shape, type or range, or there are more
            steps than pixels.

    Example:
        >>> from jaxvision.pixels import target_logit
        >>> linear = lambda images: images.sum(axis=(1, 2))
        >>> image = jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1)
        >>> curve = deletion(linear, image, jnp.array([0]), image[..., 0], n_steps=2, score=target_logit)
        >>> curve.scores, curve.auc  # 4, then without the 3, then without the 1
        (Array([[4., 1., 0.]], dtype=float32), Array([1.5], dtype=float32))

    References:
        Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models",
        https://arxiv.org/abs/1806.07421, 2018, algorithm 1. Departure: pixels are shared out evenly among a fixed
        number of steps instead of a fixed number of pixels to a step.
    """
    arguments = _check(logits_fn, images, labels, maps, baseline, n_steps)
    return _deletion(*arguments, n_steps=n_steps, score=score)


def insertion(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    maps: Float[ArrayLike, "..."],
    *,
    baseline: Num[ArrayLike, "..."] | None = None,
    n_steps: int = 50,
    score: Score = target_probability,
) -> Curve:
    r"""The score of a baseline into which an image's pixels come, those of the largest map values first: high is good.

    $$ i_j = p_y\bigl(I \text{ at the } \lfloor jHW / K \rfloor \text{ largest of } M, \; I' \text{ elsewhere}\bigr) $$

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        maps: $M$, `(N, H, W)` floats, larger where a pixel matters more.
        baseline: $I'$, where to begin: anything that broadcasts to the images' shape. None for zeros; the paper blurs
            the image, `pixels.gaussian_blur(images, 5.0)`, since edges that are inserted are evidence themselves.
        n_steps: $K$, from 1 to the number of pixels, a Python number.
        score: of logits and labels, a function of a module: `pixels.target_probability` or `pixels.target_logit`.

    Returns:
        Scores `(N, n_steps + 1)`, and the area below each `(N,)`.

    Raises:
        InputError: as `deletion`.

    Example:
        >>> from jaxvision.pixels import target_logit
        >>> linear = lambda images: images.sum(axis=(1, 2))
        >>> image = jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1)
        >>> insertion(linear, image, jnp.array([0]), image[..., 0], n_steps=2, score=target_logit).scores
        Array([[0., 3., 4.]], dtype=float32)

    References:
        Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models",
        https://arxiv.org/abs/1806.07421, 2018, section 4.3.
    """
    function, images, labels, baseline, maps = _check(logits_fn, images, labels, maps, baseline, n_steps)
    return _deletion(function, baseline, labels, images, maps, n_steps=n_steps, score=score)


@functools.partial(jax.jit, static_argnames=("n_steps", "score"))
def _deletion(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baseline: Float[Array, "n h w c"],
    maps: Float[Array, "n h w"],
    *,
    n_steps: int,
    score: Score,
) -> Curve:
    counts = jnp.asarray([j * maps[0].size // n_steps for j in range(n_steps + 1)], jnp.int32)

    def scores(images: Array, labels: Array, baseline: Array, ranks: Array) -> Array:
        def point(k: Array) -> Array:
            return jnp.where((ranks < counts[k])[..., None], baseline, images)

        return scores_at_points(logits_fn, labels, point, n_steps + 1, score=score).T

    found = in_chunks(scores, images, labels, baseline, descending_ranks(maps))
    return Curve(found, (jnp.sum(found, axis=1) - (found[:, 0] + found[:, -1]) / 2) / n_steps)


def descending_ranks(maps: Float[Array, "n h w"]) -> Int[Array, "n h w"]:
    """The place of each pixel in its map's order: 0 for the largest value, the first in reading order among equals.

    Args:
        maps: `(N, H, W)`.

    Returns:
        `(N, H, W)`, each map a permutation.

    Example:
        >>> descending_ranks(jnp.array([[[1.0, 3.0, 1.0]]]))
        Array([[[1, 0, 2]]], dtype=int32)
    """
    flat = maps.reshape(len(maps), -1)
    order = jnp.argsort(flat, axis=1, stable=True, descending=True)
    return jnp.argsort(order, axis=1).astype(jnp.int32).reshape(maps.shape)


def _check(
    logits_fn: LogitsFn,
    images: ArrayLike,
    labels: Classes,
    maps: ArrayLike,
    baseline: ArrayLike | None,
    n_steps: int,
) -> tuple[LogitsFn, Array, Array, Array, Array]:
    """The arguments of the compiled function, or one sentence saying what is wrong with them."""
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    maps = check_maps(maps, images)
    n_pixels = images.shape[1] * images.shape[2]
    if not 1 <= n_steps <= n_pixels:
        raise InputError(f"n_steps must be from 1 to {n_pixels}, the number of pixels, got {n_steps}")
    return pytree_function(logits_fn), images, labels, check_baseline(baseline, images), maps
