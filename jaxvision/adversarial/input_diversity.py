"""Input diversity: a classifier sees an image smaller and in another place, so that an attack fits others as well."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxvision.errors import InputError


def resize_and_pad(
    image: Float[Array, "h w c"], key: PRNGKeyArray, *, smallest: float = 0.9, probability: float = 0.5
) -> Float[Array, "h w c"]:
    r"""One image, with some probability made smaller and put at a random place among zeros.

    $$ x'_{ij} = x\Bigl(\frac{i - a + 1/2}{s} - \tfrac12,\; \frac{j - b + 1/2}{s} - \tfrac12\Bigr), \qquad
       s = \tfrac{1}{H} \mathcal{U}\{\max(1, \lfloor rH \rfloor), \dots, H\}, \quad
       a \sim \mathcal{U}\{0, \dots, H - sH\}, \quad b \text{ likewise} $$

    Between pixels the image is interpolated linearly. One program for all sizes: the small image is a product with two
    matrices, one for each axis.

    Args:
        image: `(H, W, C)`, one image; `jax.vmap` over images and keys for a batch.
        key: decides the size and the place.
        smallest: $r$, the smallest size as a share, above 0 and at most 1.
        probability: of a change at all.

    Returns:
        `(H, W, C)`.

    Raises:
        InputError: if a number is out of range.

    Example:
        >>> image, key = jnp.ones((10, 10, 1)), jax.random.key(0)
        >>> resize_and_pad(image, key, smallest=0.5, probability=1.0).sum() < 100
        Array(True, dtype=bool)
        >>> bool((resize_and_pad(image, key, probability=0.0) == image).all())
        True

    References:
        Xie et al., "Improving transferability of adversarial examples with input diversity",
        https://arxiv.org/abs/1803.06978, 2018, section 3.3. Departure: the frame has the image's own size and the
        image becomes smaller, as in torchattacks, so that any classifier will do.
    """
    if not 0 < smallest <= 1 or not 0 <= probability <= 1:
        raise InputError(
            "expected smallest above 0 and at most 1, and probability between 0 and 1, "
            f"got {smallest} and {probability}"
        )
    height, width, _ = image.shape
    size_key, down_key, right_key, change_key = jax.random.split(key, 4)
    least = max(1, int(smallest * height))
    rows = jax.random.randint(size_key, (), least, height + 1)
    columns = jnp.maximum(1, rows * width // height)
    down = jax.random.randint(down_key, (), 0, height - rows + 1)
    right = jax.random.randint(right_key, (), 0, width - columns + 1)
    vertical, horizontal = (_weights(*place, image) for place in ((height, rows, down), (width, columns, right)))
    changed = jnp.einsum("ih,jw,hwc->ijc", vertical, horizontal, image)
    return jnp.where(jax.random.bernoulli(change_key, probability), changed, image)


@dataclasses.dataclass(frozen=True)
class ResizeAndPad:
    """`resize_and_pad` as a transform of `pgd`; two with the same numbers are equal.

    Attributes:
        smallest: size, as a share.
        probability: of a change at all.

    Example:
        >>> ResizeAndPad(0.8)(jnp.zeros((8, 8, 3)), jax.random.key(0)).shape
        (8, 8, 3)
    """

    smallest: float = 0.9
    probability: float = 0.5

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h w c"]:
        """Change one image."""
        return resize_and_pad(image, key, smallest=self.smallest, probability=self.probability)


def _weights(size: int, small: Array, offset: Array, image: Array) -> Float[Array, "s s"]:
    """Row i says which mean of an axis's values is at place i: none outside the small image."""
    places = jnp.arange(size)
    inside = (places >= offset) & (places < offset + small)
    scale = size / small.astype(image.dtype)
    source = ((places - offset).astype(image.dtype) + 0.5) * scale - 0.5
    source = jnp.clip(source, 0, size - 1)  # as at the edge of any interpolation
    distance = jnp.abs(source[:, None] - places[None, :].astype(image.dtype))
    return jnp.where(inside[:, None], jnp.maximum(1 - distance, 0), 0)
