"""One random key for each image, so that a result does not depend on the images beside it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PRNGKeyArray

from jaxvision.errors import InputError

Keys = PRNGKeyArray | Key[Array, "..."]
"""One key, or one for each image."""


def example_keys(key: Keys, n: int) -> Key[Array, " n"]:
    """One key for each of n images: `fold_in(key, i)`, or `key` itself where it holds n keys already.

    Args:
        key: one key, or `(n,)` keys (to give an image the key that it had in another batch).
        n: the number of images.

    Returns:
        `(n,)` keys.

    Raises:
        InputError: if `key` holds keys, but not n.

    Example:
        >>> all_three, second = example_keys(jax.random.key(0), 3), jax.random.fold_in(jax.random.key(0), 1)
        >>> bool(all_three[1] == second)
        True
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.ndim == 0:
        return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(n))
    if key.shape != (n,):
        raise InputError(f"key must be one key or one for each of the {n} images, got keys of shape {key.shape}")
    return key
