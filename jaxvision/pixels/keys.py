"""One random key for each image, so that a result does not depend on the images beside it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PRNGKeyArray

from jaxvision.errors import InputError

Keys = PRNGKeyArray | Key[Array, "..."]
"""One key, or one for each image."""


def example_keys(key: Keys, n: int) -> Key[Array, " n"]:
    """One key for each of n images: `fold_in(key, i)`, or `key` itself where it holds n keys already.

    Only keys of JAX's default kind, threefry2x32, keep an image's random numbers independent of the images beside it:
    `jax.vmap` over keys of the kind rbg draws other numbers than each key alone.

    Args:
        key: one key, or `(n,)` keys (to give an image the key that it had in another batch).
        n: the number of images.

    Returns:
        `(n,)` keys.

    Raises:
        InputError: if `key` is no key, or holds keys, but not n.

    Example:
        >>> all_three, second = example_keys(jax.random.key(0), 3), jax.random.fold_in(jax.random.key(0), 1)
        >>> bool(all_three[1] == second)
        True
    """
    dtype = getattr(key, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == jnp.uint32):
        given = f"an array of {dtype}" if dtype is not None else repr(key)
        raise InputError(f"key must be a random key, got {given}: give key=jax.random.key(0)")
    if dtype == jnp.uint32:
        key = jax.random.wrap_key_data(key)
    if key.ndim == 0:
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(n))
    if key.shape != (n,):
        raise InputError(f"key must be one key or one for each of the {n} images, got keys of shape {key.shape}")
    return key
