"""KernelSHAP: Shapley values of segments, by a weighted regression on coalitions."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Num

from jaxvision.attribution.segments import Coalition, SegmentAttributions, check_segments, painted, shown
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
    target_logit,
)
from jaxvision.signatures import LogitsFn

MOST_ENUMERATED = 20  # a million coalitions


def kernel_shap(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    segments: Int[ArrayLike, "..."],
    *,
    key: Keys | None = None,
    n_samples: int | None = 1000,
    n_segments: int | None = None,
    baseline: Num[ArrayLike, "..."] | None = None,
    score: Score = target_logit,
) -> SegmentAttributions:
    r"""Shapley values of an image's segments: each one's share of the score's change from the baseline to the image.

    $$ \phi = \arg\min_{\sum \phi = v(\mathbf 1) - v(\mathbf 0)} \sum_{k} w(z_k) \bigl(v(z_k) - v(\mathbf 0) -
       z_k^\top \phi\bigr)^2, \qquad w(z) = \frac{M - 1}{\binom{M}{|z|} \, |z| \, (M - |z|)} $$

    where $v(z)$ is the score of the image with the segments of the coalition $z$ shown and the baseline elsewhere.
    With `n_samples` None all $2^M - 2$ coalitions are tried, which gives the Shapley values themselves. Otherwise
    coalitions are drawn in proportion to $w$, each followed by its complement. The values add up to the change in any
    case. Coalitions are made as they are needed: the memory does not grow with them, but with $M^2$.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        segments: `(N, H, W)` integers from 0, superpixels; or `(H, W)` for all images, as `patches` gives. A segment
            without pixels gets about zero.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; pair k folds in k. None where all
            coalitions are tried.
        n_samples: coalitions, a Python number, even and at least 4 (M - 1); None for all, with at most 20 segments.
        n_segments: $M$, 2 or more, a Python number; None for the largest segment's number and one.
        baseline: what is seen of a hidden segment, in the range of the images: anything that broadcasts to their shape.
            None for zeros.
        score: of logits and labels, a function of a module: `target_logit` or `target_probability`.

    Returns:
        Values `(N, M)` and maps `(N, H, W)`, in units of the score.

    Raises:
        InputError: if images, labels, segments, keys, baseline or logits have the wrong shape, type or range, or there
            are too few samples or too many segments.

    Example:
        >>> product = lambda images: images.prod(axis=(1, 2))
        >>> image = jnp.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
        >>> result = kernel_shap(product, image, [0], np.array([[0, 1, 1]]), n_samples=None)
        >>> result.values.round(5)  # 6 for both together, nothing for either alone
        Array([[3., 3.]], dtype=float32)

    References:
        Lundberg and Lee, "A unified approach to interpreting model predictions", https://arxiv.org/abs/1705.07874,
        2017, theorem 2. Covert and Lee, "Improving KernelSHAP: practical Shapley value estimation via linear
        regression", https://arxiv.org/abs/2012.01536, 2021, section 4 (pairs), equation 7 (the constraint, met exactly
        instead of by a large weight).
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    pixels, n_segments = check_segments(segments, n_segments, images)
    if n_samples is None and n_segments > MOST_ENUMERATED:
        raise InputError(
            f"all coalitions of {n_segments} segments are too many: give n_samples, "
            f"or at most {MOST_ENUMERATED} segments"
        )
    least = 4 * (n_segments - 1)  # twice what one regression needs: random coalitions repeat
    if n_samples is not None and (n_samples % 2 or n_samples < least):
        raise InputError(f"n_samples must be even and {least} or more for {n_segments} segments, got {n_samples}")
    if key is None and n_samples is not None:
        raise InputError("random coalitions need a key: give key=jax.random.key(seed), or n_samples=None for all")
    return _kernel_shap(
        pytree_function(logits_fn),
        images,
        labels,
        check_baseline(baseline, images),
        pixels,
        example_keys(jax.random.key(0) if key is None else key, len(images)),
        n_samples=n_samples,
        n_segments=n_segments,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("n_samples", "n_segments", "score"))
def _kernel_shap(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baseline: Float[Array, "n h w c"],
    segments: Int[Array, "n h w"],
    keys: Key[Array, " n"],
    *,
    n_samples: int | None,
    n_segments: int,
    score: Score,
) -> SegmentAttributions:
    def regress(images: Array, labels: Array, baseline: Array, segments: Array, keys: Array) -> SegmentAttributions:
        dtype = summing_dtype(images.dtype)
        if n_samples is None:
            draw: Coalition = functools.partial(_enumerated, len(images), n_segments, dtype)
        else:
            draw = functools.partial(_paired, keys, n_segments, dtype)
        empty, full = (score(logits_fn(x), labels).astype(dtype) for x in (baseline, images))
        even = ((full - empty) / n_segments)[:, None]  # the same for each, which the regression corrects

        def term(k: Array, scores: Array) -> tuple[Array, Array]:
            coalition, weights = draw(k)
            z = coalition.astype(dtype)
            left = scores.astype(dtype) - empty - jnp.sum(z * even, axis=1)
            centered = z - jnp.mean(z, axis=1, keepdims=True)  # corrections add up to zero
            weighted = weights[:, None] * centered
            return weighted[:, :, None] * centered[:, None, :], weighted * left[:, None]

        matrix, vector = sum_over_scores(
            logits_fn,
            labels,
            lambda k: shown(images, baseline, segments, draw(k)[0]),
            term,
            2**n_segments - 2 if n_samples is None else n_samples,
            score=score,
        )
        # Along the ones the matrix is zero, and so are the corrections; so where chance repeats a few coalitions.
        corrections = jnp.einsum("nij,nj->ni", jnp.linalg.pinv(matrix, hermitian=True), vector, precision="highest")
        values = (even + corrections).astype(images.dtype)
        return SegmentAttributions(values, painted(segments, values))

    return in_chunks(regress, images, labels, baseline, segments, keys)


def coalition(keys: Key[Array, " n"], k: Int[ArrayLike, ""], n_segments: int) -> Bool[Array, "n m"]:
    r"""The k-th random coalition of each image: a size in proportion to $1 / s (M - s)$, then any of that size.

    An odd one is the complement of the one before.

    Args:
        keys: `(N,)`, one for each image.
        k: which.
        n_segments: $M$.

    Returns:
        `(N, n_segments)`, neither empty nor full.

    Example:
        >>> keys = example_keys(jax.random.key(0), 3)
        >>> bool((coalition(keys, 4, 5) ^ coalition(keys, 5, 5)).all())
        True
    """
    k = jnp.asarray(k, jnp.int32)
    sizes = np.arange(1, n_segments)
    logits = jnp.asarray(-np.log(sizes * (n_segments - sizes)), jnp.float32)

    def one(key: Array) -> Array:
        of_size, of_members = jax.random.split(jax.random.fold_in(key, k // 2))
        size = 1 + jax.random.categorical(of_size, logits)
        return (jax.random.permutation(of_members, n_segments) < size) ^ (k % 2 == 1)

    return jax.vmap(one)(keys)


def _paired(
    keys: Key[Array, " n"], n_segments: int, dtype: jnp.dtype, k: Int[Array, ""]
) -> tuple[Bool[Array, "n m"], Float[Array, " n"]]:
    return coalition(keys, k, n_segments), jnp.ones(len(keys), dtype)


def _enumerated(
    n: int, n_segments: int, dtype: jnp.dtype, k: Int[Array, ""]
) -> tuple[Bool[Array, "n m"], Float[Array, " n"]]:
    """The binary digits of k + 1, and the kernel's weight."""
    members = (k + 1) >> jnp.arange(n_segments, dtype=jnp.int32) & 1
    m = n_segments
    by_size = [0.0, *((m - 1) / (math.comb(m, s) * s * (m - s)) for s in range(1, m)), 0.0]
    weight = jnp.asarray(by_size, dtype)[jnp.sum(members)]
    return jnp.broadcast_to(members == 1, (n, m)), jnp.broadcast_to(weight, (n,))
