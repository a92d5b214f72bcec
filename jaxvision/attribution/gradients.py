"""The gradient of each image's class logit, and sums of it over many points: what the methods here are made of."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.pixels import points_per_pass, summing_dtype, target_logit
from jaxvision.signatures import LogitsFn

POINTS = (5, 2, 1)  # in a pass: 5 divides 10, 25, 50, 100 and 1,000, which then take the same memory


def logit_gradient(
    logits_fn: LogitsFn, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w c"]:
    r"""The gradient of each image's own class logit, by one forward and one backward pass for the whole batch.

    $$ g_{ijc} = \frac{\partial s_y(I)}{\partial I_{ijc}} $$

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        images: `(N, H, W, C)`.
        labels: `(N,)`, class indices in `[0, K)`; not checked here.

    Returns:
        `(N, H, W, C)`, logits per unit of the images.

    Example:
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> logit_gradient(square, jnp.array([1.0, 5.0]).reshape(2, 1, 1, 1), jnp.array([0, 0])).ravel()
        Array([ 2., 10.], dtype=float32)
    """
    scores, pull_back = jax.vjp(lambda x: target_logit(logits_fn(x), labels), images)
    (gradient,) = pull_back(jnp.ones_like(scores))  # image i alone moves score i
    return gradient


def sum_over_points(
    logits_fn: LogitsFn,
    labels: Int[Array, " n"],
    point: Callable[[Int[Array, ""]], Float[Array, "n h w c"]],
    term: Callable[[Int[Array, ""], Float[Array, "n h w c"]], Any],
    n_points: int,
) -> Any:
    r"""A sum over many points of what is made of the gradient there.

    $$ \sum_{k=0}^{K-1} t_k\bigl(\nabla s_y(x_k)\bigr) $$

    Points are made as they are needed and terms added at once, so that the memory does not grow with K. Of a small
    batch several points go through the network together, see `points_per_pass`.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        labels: `(N,)`.
        point: $x_k$, the k-th point of every image, from k.
        term: $t_k$, from k and the gradient at the k-th point, to a pytree of arrays.
        n_points: $K$, one or more, a Python number.

    Returns:
        The terms' sum, that of half precision in float32.

    Raises:
        InputError: if there is no point.

    Example:
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> point = lambda k: jnp.full((1, 1, 1, 1), k, jnp.float32)
        >>> sum_over_points(square, jnp.array([0]), point, lambda k, gradient: gradient, 4).item()  # 0 + 2 + 4 + 6
        12.0
    """
    if n_points < 1:
        raise InputError(f"the gradient must be taken at one point or more, got {n_points}")
    first = jax.ShapeDtypeStruct((), jnp.int32)
    shapes = jax.eval_shape(lambda k: term(k, point(k)), first)  # a gradient has the shape of its point
    size = points_per_pass(n_points, *jax.eval_shape(point, first).shape[:3], sizes=POINTS)

    def add_pass(index: Int[ArrayLike, ""], total: Any) -> Any:
        ks = index * size + jnp.arange(size, dtype=jnp.int32)
        points = jax.vmap(point)(jnp.minimum(ks, n_points - 1))  # (size, n, h, w, c)
        flat = points.reshape(-1, *points.shape[2:])
        gradients = logit_gradient(logits_fn, flat, jnp.tile(labels, size)).reshape(points.shape)
        terms = jax.vmap(term)(jnp.minimum(ks, n_points - 1), gradients)
        return jax.tree.map(
            lambda sum_, new: sum_ + jnp.sum(_first(new, n_points - index * size).astype(sum_.dtype), axis=0),
            total,
            terms,
        )

    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, summing_dtype(s.dtype)), shapes)
    return jax.lax.fori_loop(0, -(-n_points // size), add_pass, zeros)


def _first(terms: Float[Array, "p ..."], count: Int[ArrayLike, ""]) -> Float[Array, "p ..."]:
    """The first of so many terms, with zeros for the rest."""
    is_first = jnp.arange(len(terms)) < count
    return jnp.where(is_first.reshape(-1, *[1] * (terms.ndim - 1)), terms, 0)
