"""LIME: a linear model of a classifier near an image, in terms of its segments."""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jaxvision.attribution.segments import SegmentAttributions, check_segments, painted, shown
from jaxvision.errors import InputError
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
    sum_over_scores,
    summing_dtype,
    target_probability,
)
from jaxvision.signatures import LogitsFn


def lime(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    segments: Int[ArrayLike, "..."],
    *,
    key: Keys,
    n_samples: int = 1000,
    n_segments: int | None = None,
    baseline: Num[ArrayLike, "..."] | None = None,
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    score: Score = target_probability,
) -> SegmentAttributions:
    r"""The weights of segments in a ridge regression on images with half of the segments hidden at random.

    $$ \beta = \arg\min_{\beta, \beta_0} \sum_{k=1}^{K} \pi(z_k) \bigl(v(z_k) - \beta_0 - z_k^\top \beta\bigr)^2
       + \lambda \lVert \beta \rVert_2^2, \qquad
       \pi(z) = \exp\Bigl(-\frac{(1 - \sqrt{|z| / M})^2}{2 \sigma^2}\Bigr) $$

    where $v(z)$ is the score of the image with the segments of $z$ shown and the baseline elsewhere; each $z$ is a fair
    coin for each segment, and the first is the image itself. $1 - \sqrt{|z| / M}$ is the cosine distance to it.
    Samples are made as they are needed: the memory does not grow with them, but with $M^2$.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        segments: `(N, H, W)` integers from 0, superpixels; or `(H, W)` for all images, as `patches` gives.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; sample k folds in k.
        n_samples: $K$, above the number of segments, a Python number.
        n_segments: $M$, 2 or more, a Python number; None for the largest segment's number and one.
        baseline: what is seen of a hidden segment, in the range of the images: anything that broadcasts to their shape.
            None for zeros.
        kernel_width: $\sigma$, above zero: how near a sample must be to count.
        ridge: $\lambda$, zero or more; the intercept $\beta_0$ is free.
        score: of logits and labels, a function of a module: `target_probability` or `target_logit`.

    Returns:
        Values $\beta$ `(N, M)` and maps `(N, H, W)`, in units of the score.

    Raises:
        InputError: if images, labels, segments, keys, baseline or logits have the wrong shape, type or range, there
            are too few samples, or the width or ridge is out of its range.

    Example:
        >>> from jaxvision.pixels import target_logit
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
        >>> settings = {"key": jax.random.key(0), "n_samples": 50, "ridge": 0.0, "score": target_logit}
        >>> [round(value, 3) for value in lime(linear, image, [0], jnp.array([[0, 1]]), **settings).values[0].tolist()]
        [3.0, 6.0]

    References:
        Ribeiro, Singh and Guestrin, "Why should I trust you? Explaining the predictions of any classifier",
        https://arxiv.org/abs/1602.04938, 2016, equation 2 and algorithm 1; distance, width and ridge as in the
        authors' program for images. Departure: the ridge's few features are not selected, all segments are kept.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    pixels, n_segments = check_segments(segments, n_segments, images)
    if n_samples <= n_segments:
        raise InputError(f"n_samples must be above the number of segments, {n_segments}, got {n_samples}")
    if kernel_width <= 0:
        raise InputError(f"kernel_width must be above zero, got {kernel_width}")
    if ridge < 0:
        raise InputError(f"ridge must be zero or more, got {ridge}")
    return _lime(
        pytree_function(logits_fn),
        images,
        labels,
        check_baseline(baseline, images),
        pixels,
        example_keys(key, len(images)),
        kernel_width,
        ridge,
        n_samples=n_samples,
        n_segments=n_segments,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("n_samples", "n_segments", "score"))
def _lime(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baseline: Float[Array, "n h w c"],
    segments: Int[Array, "n h w"],
    keys: Key[Array, " n"],
    kernel_width: Float[ArrayLike, ""],
    ridge: Float[ArrayLike, ""],
    *,
    n_samples: int,
    n_segments: int,
    score: Score,
) -> SegmentAttributions:
    def regress(images: Array, labels: Array, baseline: Array, segments: Array, keys: Array) -> SegmentAttributions:
        dtype = summing_dtype(images.dtype)
        whole = score(logits_fn(images), labels).astype(dtype)

        def term(k: Array, scores: Array) -> Array:
            z = coin_flips(keys, k, n_segments).astype(dtype)
            weights = proximity(z, kernel_width)
            # Near zero, so that the centring below loses little: z from its mean, scores from the whole image's.
            row = jnp.concatenate([jnp.ones_like(z[:, :1]), z - 0.5, (scores.astype(dtype) - whole)[:, None]], axis=1)
            return (weights[:, None] * row)[:, :, None] * row[:, None, :]

        sums = sum_over_scores(
            logits_fn,
            labels,
            lambda k: shown(images, baseline, segments, coin_flips(keys, k, n_segments)),
            term,
            n_samples,
            score=score,
        )
        first = sums[:, :1, 1:]
        centered = sums[:, 1:, 1:] - jnp.swapaxes(first, 1, 2) * first / sums[:, :1, :1]  # without the intercept
        matrix = centered[:, :-1, :-1] + ridge * jnp.eye(n_segments, dtype=dtype)[None]
        values = jnp.linalg.solve(matrix, centered[:, :-1, -1:])[..., 0].astype(images.dtype)
        return SegmentAttributions(values, painted(segments, values))

    return in_chunks(regress, images, labels, baseline, segments, keys)


def coin_flips(keys: Key[Array, " n"], k: Int[ArrayLike, ""], n_segments: int) -> Bool[Array, "n m"]:
    """The k-th sample of each image: every segment shown with probability one half; the first shows all.

    Args:
        keys: `(N,)`, one for each image.
        k: which.
        n_segments: of each.

    Returns:
        `(N, n_segments)`.

    Example:
        >>> coin_flips(example_keys(jax.random.key(0), 1), 0, 3)
        Array([[ True,  True,  True]], dtype=bool)
    """
    flips = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, k), 0.5, (n_segments,)))(keys)
    return flips | (jnp.asarray(k) == 0)


def proximity(z: Float[Array, "n m"], kernel_width: Float[ArrayLike, ""]) -> Float[Array, " n"]:
    r"""How much a sample counts, $\pi(z)$.

    Args:
        z: `(N, n_segments)`, 1 for a segment that is shown, 0 for a hidden one.
        kernel_width: $\sigma$.

    Returns:
        `(N,)` in (0, 1].

    Example:
        >>> proximity(jnp.array([[1.0, 1.0], [0.0, 0.0]]), 0.5)  # all shown; none: exp(-2)
        Array([1.        , 0.13533528], dtype=float32)
    """
    return jnp.exp(-((1 - jnp.sqrt(jnp.mean(z, axis=1))) ** 2) / (2 * kernel_width**2))
