"""RISE: which pixels a class is seen through, by random masks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Num

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


def rise(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    key: Keys,
    n_masks: int = 4000,
    cells: int = 7,
    p_keep: float = 0.5,
    baseline: Num[ArrayLike, "..."] | None = None,
    score: Score = target_probability,
) -> Float[Array, "n h w"]:
    r"""The mean of random smooth masks, each weighted by the score of the image seen through it.

    $$ S_v = \frac{1}{pK} \sum_{k=1}^{K} M_{kv} \, p_y\bigl(M_k \odot I + (1 - M_k) \odot I'\bigr) $$

    A mask is a grid of cells, each kept with probability p, enlarged bilinearly and shifted by a random part of a cell.
    In expectation a pixel has the score of the image given that the pixel is seen. Masks are made as they are needed:
    the memory does not grow with them.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; mask k folds in k.
        n_masks: $K$, a Python number; the paper takes 4,000 for VGG-16 and 8,000 for ResNet-50.
        cells: of the grid along each side, from 2 to the pixels of the shorter side, a Python number.
        p_keep: $p$, above 0, at most 1.
        baseline: $I'$, what is seen of a hidden pixel, in the range of the images: anything that broadcasts to their
            shape. None for zeros.
        score: of logits and labels, a function of a module: `target_probability`, as in the paper, or `target_logit`.

    Returns:
        `(N, H, W)`, in units of the score.

    Raises:
        InputError: if images, labels, keys, baseline or logits have the wrong shape, type or range, or `n_masks`,
            `cells` or `p_keep` is out of its range.

    Example:
        >>> from jaxvision.pixels import target_logit
        >>> constant = lambda images: 0 * images.sum(axis=(1, 2)) + 2.0
        >>> settings = {"key": jax.random.key(0), "n_masks": 10, "cells": 2, "p_keep": 1.0, "score": target_logit}
        >>> rise(constant, jnp.ones((1, 2, 2, 1)), [0], **settings).ravel()  # every mask shows everything
        Array([2., 2., 2., 2.], dtype=float32)

    References:
        Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models",
        https://arxiv.org/abs/1806.07421, 2018, equation 6 and section 3.3.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    if n_masks < 1:
        raise InputError(f"n_masks must be 1 or more, got {n_masks}")
    shorter = min(images.shape[1:3])
    if not 2 <= cells <= shorter:
        raise InputError(f"cells must be from 2 to {shorter}, the pixels of the shorter side, got {cells}")
    if not 0 < p_keep <= 1:
        raise InputError(f"p_keep must be above 0 and at most 1, got {p_keep}")
    return _rise(
        pytree_function(logits_fn),
        images,
        labels,
        check_baseline(baseline, images),
        example_keys(key, len(images)),
        p_keep,
        n_masks=n_masks,
        cells=cells,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("n_masks", "cells", "score"))
def _rise(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baseline: Float[Array, "n h w c"],
    keys: Key[Array, " n"],
    p_keep: Float[ArrayLike, ""],
    *,
    n_masks: int,
    cells: int,
    score: Score,
) -> Float[Array, "n h w"]:
    def mean(images: Array, labels: Array, baseline: Array, keys: Array) -> Array:
        _, height, width, _ = images.shape
        dtype = summing_dtype(images.dtype)

        def masks(k: Array) -> Array:
            return smooth_masks(keys, k, (height, width), cells, p_keep).astype(dtype)

        def point(k: Array) -> Array:
            return baseline + masks(k).astype(images.dtype)[..., None] * (images - baseline)

        def term(k: Array, scores: Array) -> Array:
            return scores.astype(dtype)[:, None, None] * masks(k)

        total = sum_over_scores(logits_fn, labels, point, term, n_masks, score=score)
        return (total / (n_masks * p_keep)).astype(images.dtype)

    return in_chunks(mean, images, labels, baseline, keys)


def smooth_masks(
    keys: Key[Array, " n"],
    k: Int[ArrayLike, ""],
    shape: tuple[int, int],
    cells: int,
    p_keep: Float[ArrayLike, ""],
) -> Float[Array, "n h w"]:
    """The k-th mask of each image: a random grid, enlarged to one cell more than the image, of which a part is taken.

    Args:
        keys: `(N,)`, one for each image.
        k: which.
        shape: `(H, W)` of the images.
        cells: of the grid along each side.
        p_keep: the probability that a cell is kept.

    Returns:
        `(N, H, W)` in [0, 1].

    Example:
        >>> smooth_masks(example_keys(jax.random.key(0), 1), 0, (1, 2), 2, 1.0)
        Array([[[1., 1.]]], dtype=float32)
    """
    enlarging = [jnp.asarray(_bilinear(cells, (cells + 1) * -(-side // cells)), jnp.float32) for side in shape]
    most = jnp.array([-(-side // cells) for side in shape])

    def one(key: Array) -> Array:
        of_grid, of_shift = jax.random.split(jax.random.fold_in(key, k))
        grid = jax.random.bernoulli(of_grid, p_keep, (cells, cells)).astype(jnp.float32)
        shifts = jax.random.randint(of_shift, (2,), 0, most)
        rows, columns = (
            jax.lax.dynamic_slice_in_dim(matrix, shift, side)
            for matrix, shift, side in zip(enlarging, shifts, shape, strict=True)
        )
        return jnp.einsum("hi,ij,wj->hw", rows, grid, columns, precision="highest")

    return jax.vmap(one)(keys)


def _bilinear(n: int, size: int) -> np.ndarray:
    """The matrix `(size, n)` that enlarges n values, pixel centres at half integers, the edge's value beyond it."""
    places = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)[:, None]
    return np.maximum(1 - np.abs(places - np.arange(n)[None]), 0)
