"""ImageNet normalisation, there and back, and the clip that keeps a normalised image displayable."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's pixels in [0, 1], red, green, blue; torchvision's constants."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's pixels in [0, 1], red, green, blue; torchvision's constants."""


def normalize(
    images: Float[ArrayLike, "*n h w c"],
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Float[Array, "*n h w c"]:
    r"""From [0, 1] to the range that the networks were trained on.

    $$ x' = \frac{x - \mu_c}{\sigma_c} $$

    Args:
        images: `(..., H, W, C)` in [0, 1].
        mean: $\mu$, one number per channel.
        std: $\sigma$, one number per channel.

    Returns:
        `(..., H, W, C)`, about zero mean and unit deviation per channel over ImageNet.

    Raises:
        InputError: if there is not one mean and one deviation per channel, or the images are bytes.

    Example:
        >>> normalize(jnp.full((1, 1, 1), 0.75), mean=[0.5], std=[0.25])
        Array([[[1.]]], dtype=float32)
    """
    images = jnp.asarray(images)
    return (images - _per_channel(mean, images)) / _per_channel(std, images)


def denormalize(
    images: Float[ArrayLike, "*n h w c"],
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Float[Array, "*n h w c"]:
    r"""Back to [0, 1] from the normalised range; values that lie outside are not clipped.

    $$ x = \sigma_c x' + \mu_c $$

    Args:
        images: `(..., H, W, C)`, normalised.
        mean: $\mu$, one number per channel.
        std: $\sigma$, one number per channel.

    Returns:
        `(..., H, W, C)`.

    Raises:
        InputError: if there is not one mean and one deviation per channel, or the images are bytes.

    Example:
        >>> denormalize(jnp.ones((1, 1, 1)), mean=[0.5], std=[0.25])
        Array([[[0.75]]], dtype=float32)
    """
    images = jnp.asarray(images)
    return images * _per_channel(std, images) + _per_channel(mean, images)


def clip_normalized(
    images: Float[ArrayLike, "*n h w c"],
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Float[Array, "*n h w c"]:
    r"""Normalised images, clipped to what [0, 1] maps to.

    $$ x' \leftarrow \min\Bigl(\max\Bigl(x', \frac{0 - \mu_c}{\sigma_c}\Bigr), \frac{1 - \mu_c}{\sigma_c}\Bigr) $$

    Args:
        images: `(..., H, W, C)`, normalised.
        mean: $\mu$, one number per channel.
        std: $\sigma$, one number per channel.

    Returns:
        `(..., H, W, C)`, normalised.

    Raises:
        InputError: if there is not one mean and one deviation per channel, or the images are bytes.

    Example:
        >>> clip_normalized(jnp.array([-9.0, 0.5, 9.0]).reshape(3, 1, 1), mean=[0.5], std=[0.25]).ravel()
        Array([-2. ,  0.5,  2. ], dtype=float32)
    """
    images = jnp.asarray(images)
    mean_c, std_c = _per_channel(mean, images), _per_channel(std, images)
    low, high = -mean_c / std_c, (1 - mean_c) / std_c
    return jnp.clip(images, jnp.broadcast_to(low, images.shape), jnp.broadcast_to(high, images.shape))


@dataclasses.dataclass(frozen=True)
class ClipNormalized:
    """`clip_normalized` as a projection of the pixel loop; two with the same numbers are equal.

    Attributes:
        mean: one number per channel.
        std: one number per channel.

    Example:
        >>> ClipNormalized(mean=(0.5,), std=(0.25,))(jnp.full((1, 1, 1, 1), 9.0), 0).item()
        2.0
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __call__(self, images: Float[Array, "n h w c"], step: object) -> Float[Array, "n h w c"]:
        """Clip; the same at every step."""
        del step
        return clip_normalized(images, self.mean, self.std)


def require_floats(images: Array) -> None:
    """Refuses bytes with one sentence: their arithmetic wraps around.

    Args:
        images: any array.

    Raises:
        InputError: if its values are no floats.

    Example:
        >>> require_floats(jnp.zeros((4, 4, 3), "uint8"))
        Traceback (most recent call last):
        jaxvision.errors.InputError: images must be floats, got uint8: divide bytes by 255
    """
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise InputError(f"images must be floats, got {images.dtype}: divide bytes by 255")


def _per_channel(values: Sequence[float], images: Array) -> Float[Array, "..."]:
    """One number per channel, with as many axes as the images."""
    require_floats(images)
    if len(values) != images.shape[-1]:
        raise InputError(
            f"mean and std need one number per channel: got {len(values)} for images with {images.shape[-1]} channels"
        )
    return jnp.asarray(values, images.dtype).reshape(*[1] * (images.ndim - 1), -1)
