"""Perturbations drawn uniformly from the ball of size 1, in three norms: where an attack begins."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Key

from jaxvision.adversarial.sizes import Batch, l1_size, over_images


def linf_sample(keys: Key[Array, " n"], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Batch:
    """Uniform in the ball of size 1: every value on its own in [-1, 1].

    Args:
        keys: `(N,)`.
        shape: `(H, W, C)`.
        dtype: of the values.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> from jaxvision.adversarial import linf_size
        >>> bool(linf_size(linf_sample(jax.random.split(jax.random.key(0), 1), (9, 9, 1)))[0] > 0.9)
        True
    """
    return jax.vmap(lambda key: jax.random.uniform(key, shape, dtype, -1, 1))(keys)


def l2_sample(keys: Key[Array, " n"], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Batch:
    r"""Uniform in the ball of size 1: $g / \sqrt{\lVert g \rVert_2^2 + 2 e}$ of Gaussian $g$ and exponential $e$.

    Args:
        keys: `(N,)`.
        shape: `(H, W, C)`.
        dtype: of the values.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> from jaxvision.adversarial import l2_size
        >>> bool(l2_size(l2_sample(jax.random.split(jax.random.key(0), 1), (9, 9, 1)))[0] > 0.9)
        True

    References:
        Barthe, Guedon, Mendelson and Naor, "A probabilistic approach to the geometry of the l_p^n-ball",
        https://arxiv.org/abs/math/0503650, 2005, theorem 1.
    """
    values, extra = _values_and_extra(jax.random.normal, keys, shape, dtype)
    return values / over_images(jnp.sqrt(jnp.sum(values**2, axis=(1, 2, 3)) + 2 * extra))


def l1_sample(keys: Key[Array, " n"], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Batch:
    r"""Uniform in the ball of size 1: $v / (\lVert v \rVert_1 + e)$ of two-sided exponential $v$ and exponential $e$.

    Args:
        keys: `(N,)`.
        shape: `(H, W, C)`.
        dtype: of the values.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> bool(l1_size(l1_sample(jax.random.split(jax.random.key(0), 1), (9, 9, 1)))[0] > 0.9)
        True

    References:
        Barthe, Guedon, Mendelson and Naor, "A probabilistic approach to the geometry of the l_p^n-ball",
        https://arxiv.org/abs/math/0503650, 2005, theorem 1.
    """
    values, extra = _values_and_extra(jax.random.laplace, keys, shape, dtype)
    return values / over_images(l1_size(values) + extra)


def _values_and_extra(draw: Any, keys: Array, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[Array, Array]:
    def one(key: Array) -> tuple[Array, Array]:
        first, second = jax.random.split(key)
        return draw(first, shape, dtype), jax.random.exponential(second, (), dtype)

    return jax.vmap(one)(keys)
