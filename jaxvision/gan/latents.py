"""What a generator begins with: random numbers, one key for each image."""

import jax
from jaxtyping import Array, Float

from jaxvision.pixels import Keys, example_keys


def uniform_latents(key: Keys, n: int, dim: int) -> Float[Array, "n dim"]:
    r"""Latents $z \sim \mathcal{U}[-1, 1)^d$, the assignment's.

    Args:
        key: one key, from which image i takes `fold_in(key, i)`, or `(n,)` keys.
        n: of images.
        dim: $d$.

    Returns:
        `(n, dim)`.

    Example:
        >>> uniform_latents(jax.random.key(0), 3, 96).shape
        (3, 96)
    """
    return jax.vmap(lambda k: jax.random.uniform(k, (dim,), minval=-1))(example_keys(key, n))


def normal_latents(key: Keys, n: int, dim: int) -> Float[Array, "n dim"]:
    r"""Latents $z \sim \mathcal{N}(0, I)$ of $d$ numbers.

    Args:
        key: one key, from which image i takes `fold_in(key, i)`, or `(n,)` keys.
        n: of images.
        dim: $d$.

    Returns:
        `(n, dim)`.

    Example:
        >>> normal_latents(jax.random.key(0), 3, 128).shape
        (3, 128)
    """
    return jax.vmap(lambda k: jax.random.normal(k, (dim,)))(example_keys(key, n))
