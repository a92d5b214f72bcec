"""Colours of the content kept, by its chroma or by the style's moments."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import require_floats

# Luma and the two chroma axes of NTSC, rows for Y, I and Q.
_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


def keep_chroma(images: Float[ArrayLike, "n h w 3"], content: Float[ArrayLike, "_ _ _ 3"]) -> Float[Array, "n h w 3"]:
    """The brightness of one image with the colours of another.

    Args:
        images: `(N, H, W, 3)` in [0, 1], whose luminance is taken.
        content: `(N, H, W, 3)` in [0, 1], whose chroma is taken.

    Returns:
        `(N, H, W, 3)`, clipped to [0, 1].

    Raises:
        InputError: if the sizes differ, or one is bytes.

    Example:
        >>> red = jnp.array([0.5, 0.2, 0.2]).reshape(1, 1, 1, 3)
        >>> keep_chroma(jnp.full((1, 1, 1, 3), 0.29), red).ravel().round(3)  # as bright as red is already
        Array([0.5, 0.2, 0.2], dtype=float32)

    References:
        Gatys et al., "Preserving color in neural artistic style transfer", https://arxiv.org/abs/1606.05897, 2016,
        section 3.2, "luminance-only transfer". Departure: luminance is exchanged after the transfer.
    """
    images, content = jnp.asarray(images), jnp.asarray(content)
    require_floats(images)
    require_floats(content)
    if images.shape != content.shape:
        raise InputError(f"images and content must have one shape, got {images.shape} and {content.shape}")
    to_yiq = jnp.array(_YIQ, images.dtype)
    brightness = (images @ to_yiq.T)[..., :1]
    chroma = (content @ to_yiq.T)[..., 1:]
    mixed = jnp.concatenate([brightness, chroma], axis=-1) @ jnp.linalg.inv(to_yiq).T
    return jnp.clip(mixed, 0, 1)


def match_color(style: Float[ArrayLike, "m h w 3"], content: Float[ArrayLike, "n h2 w2 3"]) -> Float[Array, "n h w 3"]:
    r"""A style picture with the mean and covariance of a content's colours.

    $$ x' = A (x - \mu_S) + \mu_C, \qquad A = \Sigma_C^{1/2} \Sigma_S^{-1/2} $$

    Transferring the result instead of the style keeps the content's palette.

    Args:
        style: `(1 or N, H, W, 3)`, any range.
        content: `(N, h, w, 3)`, the same range.

    Returns:
        `(N, H, W, 3)`, not clipped.

    Raises:
        InputError: if one is bytes.

    Example:
        >>> style = jnp.stack(jnp.meshgrid(*[jnp.arange(2.0)] * 3), axis=-1).reshape(1, 2, 4, 3)
        >>> matched = match_color(style, 0.5 * style + 0.1)
        >>> bool(jnp.allclose(matched, 0.5 * style + 0.1, atol=1e-3))
        True

    References:
        Gatys et al., "Preserving color in neural artistic style transfer", https://arxiv.org/abs/1606.05897, 2016,
        section 3.1, "image analogies" form of A.
    """
    style, content = jnp.asarray(style), jnp.asarray(content)
    require_floats(style)
    require_floats(content)
    mean, covariance = _colours(style)
    wanted_mean, wanted_covariance = _colours(content)
    matrix = _power(wanted_covariance, 0.5) @ _power(covariance, -0.5)  # (N, 3, 3)
    return (style - mean[:, None, None]) @ matrix.mT[:, None] + wanted_mean[:, None, None]


def _colours(images: Float[Array, "n h w 3"]) -> tuple[Float[Array, "n 3"], Float[Array, "n 3 3"]]:
    """Mean and covariance over the pixels."""
    rows = images.reshape(len(images), -1, 3)
    mean = jnp.mean(rows, axis=1)
    centred = rows - mean[:, None]
    return mean, jnp.einsum("npc,npd->ncd", centred, centred) / rows.shape[1]


def _power(covariance: Float[Array, "n 3 3"], power: float) -> Float[Array, "n 3 3"]:
    """A symmetric matrix to a power; a colour that does not vary counts as varying a little."""
    values, vectors = jnp.linalg.eigh(covariance)
    return (vectors * jnp.maximum(values, 1e-5)[:, None] ** power) @ vectors.mT
