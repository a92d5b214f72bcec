r"""The nearest perturbation that is small enough and keeps the image an image, in three norms.

A perturbation $u$ goes to the nearest point, in the Euclidean sense, of

$$ S = \{\delta : \lVert \delta \rVert_p \le \epsilon,\; l \le \delta \le h\}, \qquad l \le 0 \le h $$

where $l$ and $h$ are how far each value can go down and up before it leaves the bounds of an image.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.adversarial.sizes import Batch, PerImage, l2_size, linf_size, or_one, over_images


def linf_projection(perturbations: Batch, eps: PerImage, low: Batch, high: Batch) -> Batch:
    r"""The nearest perturbation in the ball and the bounds: every value clipped to both.

    Args:
        perturbations: `(N, H, W, C)`.
        eps: `(N,)`, zero or more.
        low: zero or less.
        high: zero or more.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> step = jnp.array([3.0, -4.0, 0.1]).reshape(1, 1, 3, 1)
        >>> linf_projection(step, jnp.array([0.5]), -0.25 + 0 * step, 1 + 0 * step).ravel()
        Array([ 0.5 , -0.25,  0.1 ], dtype=float32)
    """
    eps = over_images(eps)
    return jnp.clip(perturbations, jnp.maximum(low, -eps), jnp.minimum(high, eps))


def l2_projection(perturbations: Batch, eps: PerImage, low: Batch, high: Batch) -> Batch:
    r"""The nearest perturbation in the ball and the bounds: scaled until what is clipped is short enough.

    $$ \delta_i = \operatorname{clip}(s u_i,\, l_i,\, h_i), \qquad
       s \in [0, 1] \text{ the largest with } \lVert \delta \rVert_2 \le \epsilon $$

    The length grows with $s$, so halving an interval finds it, to the last bit. Scaling into the ball first and
    clipping then, as is often done, ends in the set as well, but shorter than it need be.

    Args:
        perturbations: $u$, `(N, H, W, C)`.
        eps: `(N,)`, zero or more.
        low: zero or less.
        high: zero or more.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> step = jnp.array([3.0, 4.0]).reshape(1, 1, 2, 1)
        >>> high = jnp.array([1.0, 0.6]).reshape(1, 1, 2, 1)
        >>> [round(value, 4) for value in l2_projection(step, jnp.array([1.0]), -high, high).ravel().tolist()]
        [0.8, 0.6]
    """
    rows, lowest, highest = (_rows(x, perturbations) for x in (perturbations, low, high))

    def size(s: Array) -> Array:
        return jnp.sqrt(jnp.sum(jnp.clip(s[:, None] * rows, lowest, highest) ** 2, axis=1))

    start = jnp.minimum(1, eps / or_one(l2_size(perturbations)))  # in the ball, and clipping only shortens
    return jnp.clip(over_images(_largest(size, start, eps)) * perturbations, low, high)


def l1_projection(perturbations: Batch, eps: PerImage, low: Batch, high: Batch) -> Batch:
    r"""The nearest perturbation in the ball and the bounds: all values shortened by the same amount, then clipped.

    $$ \delta_i = \operatorname{clip}\bigl(\operatorname{sign}(u_i) \max(|u_i| - \lambda, 0),\, l_i,\, h_i\bigr), \qquad
       \lambda \ge 0 \text{ the least with } \lVert \delta \rVert_1 \le \epsilon $$

    The norm falls as $\lambda$ grows, so halving an interval finds it, to the last bit of the largest value.

    Args:
        perturbations: $u$, `(N, H, W, C)`.
        eps: `(N,)`, zero or more.
        low: zero or less.
        high: zero or more.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> step = jnp.array([3.0, -1.0]).reshape(1, 1, 2, 1)
        >>> l1_projection(step, jnp.array([3.0]), -9 + 0 * step, 9 + 0 * step).ravel().round(5)
        Array([ 2.5, -0.5], dtype=float32)

    References:
        Duchi, Shalev-Shwartz, Singer and Chandra, "Efficient projections onto the l1-ball for learning in high
        dimensions", ICML 2008, https://doi.org/10.1145/1390156.1390191, section 4: the amount. Departure: found by
        halving, not by sorting. Croce and Hein, "Mind the box: l1-APGD for sparse adversarial attacks on image
        classifiers", https://arxiv.org/abs/2103.01208, 2021, proposition 2.1: with bounds.
    """
    largest = linf_size(perturbations)
    rows = jnp.abs(_rows(perturbations, perturbations))
    room = _rows(jnp.where(perturbations > 0, high, -low), perturbations)  # on the side where the perturbation is

    def size(t: Array) -> Array:
        return jnp.sum(jnp.minimum(jnp.maximum(rows - ((1 - t) * largest)[:, None], 0), room), axis=1)

    amounts = (1 - _largest(size, jnp.zeros_like(eps), eps)) * largest
    shorter = jnp.maximum(jnp.abs(perturbations) - over_images(amounts), 0)
    return jnp.clip(jnp.sign(perturbations) * shorter, low, high)


def _largest(size: Callable[[Array], Array], start: Array, eps: Array) -> Array:
    """Each image's largest t in [start, 1] at which the size, which grows with t, is at most eps, as it is at start."""
    inside = jnp.where(size(jnp.ones_like(start)) <= eps, 1, start)

    def between(ends: tuple[Array, Array]) -> Array:
        return 0.5 * (ends[0] + ends[1])

    def unfinished(ends: tuple[Array, Array]) -> Array:
        return jnp.any((between(ends) > ends[0]) & (between(ends) < ends[1]))

    def halve(ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = between(ends)
        fits = size(middle) <= eps
        return jnp.where(fits, middle, ends[0]), jnp.where(fits, ends[1], middle)

    ends = inside, jnp.where(eps > 0, 1, inside)  # without a budget there is nothing to look for
    return jax.lax.while_loop(unfinished, halve, ends)[0]


def _rows(values: Array, images: Array) -> Float[Array, "n d"]:
    """One row for each image: on a CPU a sum over a row takes a tenth of the time of one over three axes."""
    return jnp.broadcast_to(values, images.shape).reshape(len(images), -1)
