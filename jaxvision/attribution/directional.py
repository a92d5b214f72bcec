"""Derivatives in a direction: how fast a class's score changes that way, and how fast the score's gradient does."""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Score, check_images, check_labels, in_chunks, pytree_function, target_logit
from jaxvision.signatures import LogitsFn


def directional_derivative(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    directions: Float[ArrayLike, "..."],
    *,
    score: Score = target_logit,
) -> Float[Array, " n"]:
    r"""How fast the score of each image's class changes in a direction.

    $$ d = \langle \nabla s_y(I), v \rangle = \frac{d}{dt} s_y(I + t v) \Big|_{t = 0} $$

    One forward pass that carries the derivative along and keeps no activations: for one direction cheaper than the
    gradient, for many dearer.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own; differentiable in forward mode.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        directions: $v$, `(N, H, W, C)`; of any length.
        score: of logits and labels: `target_logit`, `target_probability` or one of your own.

    Returns:
        `(N,)`, score per unit of the images, times the length of v.

    Raises:
        InputError: if images, labels, directions or logits have the wrong shape, type or range.

    Example:
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> image, direction = jnp.array([[[[3.0]]]]), jnp.array([[[[10.0]]]])
        >>> directional_derivative(square, image, jnp.array([0]), direction)
        Array([60.], dtype=float32)

    References:
        Baydin et al., "Automatic differentiation in machine learning: a survey", https://arxiv.org/abs/1502.05767,
        2015, section 3.1.
    """
    arguments = _check(logits_fn, images, labels, directions)
    return _directional_derivative(*arguments, score=score)


def hessian_vector_product(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    vectors: Float[ArrayLike, "..."],
    *,
    score: Score = target_logit,
) -> Float[Array, "n h w c"]:
    r"""How fast the gradient of the score of each image's class changes in a direction.

    $$ H v = \frac{d}{dt} \nabla s_y(I + t v) \Big|_{t = 0}, \qquad
       H_{ij} = \frac{\partial^2 s_y}{\partial I_i \partial I_j} $$

    The derivative, carried forwards, of one backward pass: the Hessian itself is never there. A logit of a network of
    ReLUs and maxima is linear almost everywhere and has none: take `score=target_probability`, or another that bends.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own; differentiable in both modes.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        vectors: $v$, `(N, H, W, C)`.
        score: of logits and labels: `target_logit`, `target_probability` or one of your own.

    Returns:
        `(N, H, W, C)`, score per squared unit of the images, times the length of v.

    Raises:
        InputError: if images, labels, vectors or logits have the wrong shape, type or range.

    Example:
        >>> product = lambda images: images.prod(axis=(1, 2))
        >>> image, vector = (jnp.array(values).reshape(1, 1, 2, 1) for values in ([2.0, 3.0], [1.0, 0.0]))
        >>> hessian_vector_product(product, image, jnp.array([0]), vector).ravel()
        Array([0., 1.], dtype=float32)

    References:
        Pearlmutter, "Fast exact multiplication by the Hessian", https://doi.org/10.1162/neco.1994.6.1.147, 1994.
    """
    arguments = _check(logits_fn, images, labels, vectors, name="vectors")
    return _hessian_vector_product(*arguments, score=score)


def _check(
    logits_fn: LogitsFn, images: ArrayLike, labels: Classes, directions: ArrayLike, *, name: str = "directions"
) -> tuple[LogitsFn, Array, Array, Array]:
    """The arguments as arrays, or one sentence saying what is wrong with them."""
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    array = jnp.asarray(directions)
    if array.shape != images.shape or not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(
            f"{name} must be floats of the images' shape {images.shape}, got {array.dtype} of shape {array.shape}"
        )
    return pytree_function(logits_fn), images, labels, array.astype(images.dtype)


@functools.partial(jax.jit, static_argnames="score")
def _directional_derivative(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    directions: Float[Array, "n h w c"],
    *,
    score: Score,
) -> Float[Array, " n"]:
    def derivative(images: Array, labels: Array, directions: Array) -> Array:
        return jax.jvp(lambda x: score(logits_fn(x), labels), (images,), (directions,))[1]

    return in_chunks(derivative, images, labels, directions)


@functools.partial(jax.jit, static_argnames="score")
def _hessian_vector_product(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    vectors: Float[Array, "n h w c"],
    *,
    score: Score,
) -> Float[Array, "n h w c"]:
    def product(images: Array, labels: Array, vectors: Array) -> Array:
        gradient = jax.grad(lambda x: jnp.sum(score(logits_fn(x), labels)))  # image i alone moves score i
        return jax.jvp(gradient, (images,), (vectors,))[1]

    return in_chunks(product, images, labels, vectors)
