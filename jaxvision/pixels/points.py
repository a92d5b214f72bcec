"""Scores at many points: what methods are made of that look at a classifier from outside.

A point is a batch of images made from a number k: with windows hidden, under random masks, with noise.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.forms import chunk_size
from jaxvision.pixels.classifier import target_logit
from jaxvision.signatures import LogitsFn

PASS = (64, 224, 224)  # a pass has the pixels of a chunk of such a batch: of two or eight images on a CPU, see `forms`
FORWARD = (50, 25, 10, 5, 2, 1)  # points in a pass without a gradient
MOST_WASTED = 0.1

Score = Callable[[Array, Array], Array]
"""Logits `(N, K)` and labels `(N,)` to one number for each image `(N,)`: `target_logit` or `target_probability`."""


def target_probability(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""The probability of each image's own class, $p_y = e^{s_y} / \sum_k e^{s_k}$.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)` in [0, 1].

    Example:
        >>> target_probability(jnp.log(jnp.array([[1.0, 3.0]])), jnp.array([1]))
        Array([0.75], dtype=float32)
    """
    return jnp.exp(target_logit(jax.nn.log_softmax(logits), labels))


def summing_dtype(dtype: DTypeLike) -> jnp.dtype:
    """In which type to add up many numbers: float32 for half precision, in which a sum soon stands still.

    Args:
        dtype: of the numbers.

    Returns:
        float32 for floats of fewer bits, otherwise the same.

    Example:
        >>> summing_dtype(jnp.bfloat16), summing_dtype(jnp.float32)
        (dtype('float32'), dtype('float32'))
    """
    is_half = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
    return jnp.dtype(jnp.float32 if is_half else dtype)


def scores_at_points(
    logits_fn: LogitsFn,
    labels: Int[Array, " n"],
    point: Callable[[Int[Array, ""]], Float[Array, "n h w c"]],
    n_points: int,
    *,
    score: Score = target_logit,
) -> Float[Array, "k n"]:
    """The score of every image at each of many points, which are made as they are needed.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        labels: `(N,)`.
        point: the k-th point of every image, from k.
        n_points: one or more, a Python number.
        score: of logits and labels.

    Returns:
        `(n_points, N)`.

    Raises:
        InputError: if there is no point.

    Example:
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> point = lambda k: jnp.full((1, 1, 1, 1), k, jnp.float32)
        >>> scores_at_points(square, jnp.array([0]), point, 4)[:, 0]
        Array([0., 1., 4., 9.], dtype=float32)
    """
    size, n_passes = _passes(point, n_points)

    def one_pass(index: Int[Array, ""]) -> Float[Array, "p n"]:
        return _scores(logits_fn, labels, point, score, _numbers(index, size, n_points))

    scores = jax.lax.map(one_pass, jnp.arange(n_passes, dtype=jnp.int32))
    return scores.reshape(-1, scores.shape[-1])[:n_points]


def sum_over_scores(
    logits_fn: LogitsFn,
    labels: Int[Array, " n"],
    point: Callable[[Int[Array, ""]], Float[Array, "n h w c"]],
    term: Callable[[Int[Array, ""], Float[Array, " n"]], Any],
    n_points: int,
    *,
    score: Score = target_logit,
) -> Any:
    """A sum over many points of what is made of the scores there; the memory does not grow with the points.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        labels: `(N,)`.
        point: the k-th point of every image, from k.
        term: from k and the scores `(N,)` at the k-th point, to a pytree of arrays.
        n_points: one or more, a Python number.
        score: of logits and labels.

    Returns:
        The terms' sum, that of half precision in float32.

    Raises:
        InputError: if there is no point.

    Example:
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> point = lambda k: jnp.full((1, 1, 1, 1), k, jnp.float32)
        >>> sum_over_scores(square, jnp.array([0]), point, lambda k, scores: scores, 4)  # 0 + 1 + 4 + 9
        Array([14.], dtype=float32)
    """
    size, n_passes = _passes(point, n_points)

    def pass_terms(index: Int[Array, ""]) -> Any:
        ks = _numbers(index, size, n_points)
        return jax.vmap(term)(ks, _scores(logits_fn, labels, point, score, ks))

    def first(terms: Array, is_new: Array) -> Array:
        return jnp.where(is_new.reshape(-1, *[1] * (terms.ndim - 1)), terms, 0)

    def add_pass(index: Int[Array, ""], total: Any) -> Any:
        is_new = index * size + jnp.arange(size, dtype=jnp.int32) < n_points
        return jax.tree.map(
            lambda sum_, new: sum_ + jnp.sum(first(new, is_new).astype(sum_.dtype), axis=0),
            total,
            pass_terms(index),
        )

    shapes = jax.eval_shape(pass_terms, jax.ShapeDtypeStruct((), jnp.int32))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape[1:], summing_dtype(s.dtype)), shapes)
    return jax.lax.fori_loop(0, n_passes, lambda index, total: add_pass(jnp.asarray(index, jnp.int32), total), zeros)


def points_per_pass(n_points: int, n: int, height: int, width: int, *, sizes: tuple[int, ...] = FORWARD) -> int:
    """How many points of each image go through a network at a time: as many as a pass holds and as divide the work.

    What is missing in the last pass is computed and left out: a tenth of all points at most.

    Args:
        n_points: of each image.
        n: images in the batch.
        height: of an image.
        width: of an image.
        sizes: what to choose from, the largest first.

    Returns:
        One of `sizes`, or 1.

    Example:
        >>> points_per_pass(50, 2, 28, 28), points_per_pass(50, 1, 900, 900), points_per_pass(7, 1, 28, 28)  # on a CPU
        (50, 1, 1)
    """
    most, h, w = PASS
    room = chunk_size(most, h, w) * h * w // max(1, n * height * width)
    fitting = (size for size in sizes if size <= room and -n_points % size <= MOST_WASTED * n_points)
    return next(fitting, 1)


def _passes(point: Callable[[Int[Array, ""]], Float[Array, "n h w c"]], n_points: int) -> tuple[int, int]:
    """Points in a pass, and passes."""
    if n_points < 1:
        raise InputError(f"the score must be taken at one point or more, got {n_points}")
    shape = jax.eval_shape(point, jax.ShapeDtypeStruct((), jnp.int32)).shape
    size = points_per_pass(n_points, *shape[:3])
    return size, -(-n_points // size)


def _numbers(index: Int[ArrayLike, ""], size: int, n_points: int) -> Int[Array, " p"]:
    """Which points a pass takes; what would be beyond the last one is the last one again."""
    return jnp.minimum(index * size + jnp.arange(size, dtype=jnp.int32), n_points - 1)


def _scores(
    logits_fn: LogitsFn,
    labels: Int[Array, " n"],
    point: Callable[[Int[Array, ""]], Float[Array, "n h w c"]],
    score: Score,
    ks: Int[Array, " p"],
) -> Float[Array, "p n"]:
    points = jax.vmap(point)(ks)  # (p, n, h, w, c)
    flat = points.reshape(-1, *points.shape[2:])
    return score(logits_fn(flat), jnp.tile(labels, len(ks))).reshape(points.shape[:2])
