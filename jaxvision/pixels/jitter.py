"""Jitter: a random circular shift of an image."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


def jitter(
    image: Float[Array, "h w c"], key: PRNGKeyArray, *, max_shift: int, inverse: bool = False
) -> Float[Array, "h w c"]:
    r"""One image, shifted down and right by random amounts; what leaves on one side comes back on the other.

    $$ x'_{i,j} = x_{(i - a) \bmod H,\, (j - b) \bmod W}, \qquad a, b \sim \mathcal{U}\{0, \dots, m\} $$

    As a transform of the pixel loop it makes an objective hold for the image wherever it lies on the network's strides.
    The gradient is shifted back, so the image itself does not wander.

    Args:
        image: `(H, W, C)`, one image; `jax.vmap` over images and keys for a batch.
        key: decides the shift.
        max_shift: the largest shift m in pixels, 0 for none.
        inverse: undo the shift of the same key.

    Returns:
        `(H, W, C)`.

    Example:
        >>> image, key = jnp.arange(12.0).reshape(3, 4, 1), jax.random.key(0)
        >>> back = jitter(jitter(image, key, max_shift=8), key, max_shift=8, inverse=True)
        >>> bool((back == image).all())
        True

    References:
        Mordvintsev, Olah and Tyka, "Inceptionism: going deeper into neural networks", Google Research blog, 2015.
        Stanford CS231n, assignment 3, "Network visualization".
    """
    shifts = jax.random.randint(key, (2,), 0, max_shift + 1)
    return jnp.roll(image, -shifts if inverse else shifts, axis=(0, 1))


@dataclasses.dataclass(frozen=True)
class Jitter:
    """`jitter` as a transform of the pixel loop; two with the same shift are equal.

    Attributes:
        max_shift: the largest shift in pixels.

    Example:
        >>> Jitter(4)(jnp.zeros((8, 8, 3)), jax.random.key(0)).shape
        (8, 8, 3)
    """

    max_shift: int

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h w c"]:
        """Shift one image."""
        return jitter(image, key, max_shift=self.max_shift)
