"""Sensitivity-n: do a map's sums over pixels tell what removing these pixels costs?"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.checks import check_maps
from jaxvision.metrics.faithfulness.spearman import pearson
from jaxvision.pixels import (
    Classes,
    Keys,
    Score,
    check_baseline,
    check_images,
    check_labels,
    example_keys,
    in_chunks,
    pytree_function,
    scores_at_points,
    target_logit,
)
from jaxvision.signatures import LogitsFn


def sensitivity_n(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    maps: Float[ArrayLike, "..."],
    *,
    key: Keys,
    n_pixels: int,
    n_samples: int = 100,
    baseline: Num[ArrayLike, "..."] | None = None,
    score: Score = target_logit,
) -> Float[Array, " n"]:
    r"""The correlation, over random sets of n pixels, of a map's sum over a set with what its removal costs: 1 is best.

    $$ \operatorname{corr}_{S : |S| = n}\Bigl(\sum_{v \in S} M_v, \;
       s_y(I) - s_y\bigl(I' \text{ on } S, \; I \text{ elsewhere}\bigr)\Bigr) $$

    Sets are made as they are needed: the memory grows by two numbers a set.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        maps: $M$, `(N, H, W)` floats: attributions, signed, summed over the channels.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; set k folds in k.
        n_pixels: $n$, from 1 to the number of pixels less one, a Python number.
        n_samples: sets, 2 or more, a Python number.
        baseline: $I'$, what is left of a pixel: anything that broadcasts to the images' shape. None for zeros.
        score: of logits and labels, a function of a module: `pixels.target_logit` or `pixels.target_probability`.

    Returns:
        `(N,)` in [-1, 1], 0 where nothing varies.

    Raises:
        InputError: if images, labels, maps, keys, baseline or logits have the wrong shape, type or range, or `n_pixels`
            or `n_samples` is out of its range.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1)
        >>> found = sensitivity_n(linear, image, [0], image[..., 0], key=jax.random.key(0), n_pixels=1)
        >>> round(found.item(), 3)  # a pixel costs three times its value
        1.0

    References:
        Ancona et al., "Towards better understanding of gradient-based attribution methods for deep neural networks",
        https://arxiv.org/abs/1711.06104, 2018, section 4.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    values = check_maps(maps, images)
    most = values[0].size - 1
    if not 1 <= n_pixels <= most:
        raise InputError(f"n_pixels must be from 1 to {most}, the number of pixels less one, got {n_pixels}")
    if n_samples < 2:
        raise InputError(f"n_samples must be 2 or more, got {n_samples}")
    baseline, keys = check_baseline(baseline, images), example_keys(key, len(images))
    return _sensitivity_n(
        pytree_function(logits_fn),
        images,
        labels,
        values,
        baseline,
        keys,
        n_pixels=n_pixels,
        n_samples=n_samples,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("n_pixels", "n_samples", "score"))
def _sensitivity_n(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    maps: Float[Array, "n h w"],
    baseline: Float[Array, "n h w c"],
    keys: Key[Array, " n"],
    *,
    n_pixels: int,
    n_samples: int,
    score: Score,
) -> Float[Array, " n"]:
    def correlate(images: Array, labels: Array, maps: Array, baseline: Array, keys: Array) -> Array:
        _, height, width, _ = images.shape
        chosen = functools.partial(random_pixels, keys, (height, width), n_pixels)
        scores = scores_at_points(
            logits_fn, labels, lambda k: jnp.where(chosen(k)[..., None], baseline, images), n_samples, score=score
        )
        falls = (score(logits_fn(images), labels)[None] - scores).astype(images.dtype)
        sums = jax.lax.map(lambda k: jnp.sum(jnp.where(chosen(k), maps, 0), axis=(1, 2)), jnp.arange(n_samples))
        return pearson(sums.T, falls.T)

    return in_chunks(correlate, images, labels, maps, baseline, keys)


def random_pixels(
    keys: Key[Array, " n"], shape: tuple[int, int], n_pixels: int, k: Int[ArrayLike, ""]
) -> Bool[Array, "n h w"]:
    """The k-th set of each image, any of its size.

    Args:
        keys: `(N,)`, one for each image.
        shape: `(H, W)` of the images.
        n_pixels: in a set.
        k: which.

    Returns:
        `(N, H, W)`, True in the set.

    Example:
        >>> random_pixels(example_keys(jax.random.key(0), 1), (4, 4), 5, 0).sum()
        Array(5, dtype=int32)
    """
    height, width = shape

    def one(key: Array) -> Array:
        return jax.random.permutation(jax.random.fold_in(key, k), height * width) < n_pixels

    return jax.vmap(one)(keys).reshape(-1, height, width)
