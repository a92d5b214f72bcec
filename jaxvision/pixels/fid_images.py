"""Images as the Inception network of the Fréchet distance takes them."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels.resize import resize as resize_images

SIDE = 299


def fid_images(images: ArrayLike, *, resize: str = "clean") -> Float[Array, "n 299 299 3"]:
    r"""Images of any size at 299 x 299 pixels and in the range of `backbones.inception_v3_fid`.

    $$ x' = \frac{r(255\, x) - 128}{128} $$

    Distances are comparable only between images that came this way by the same r. "legacy" samples one point between
    four pixels, at $i h / 299$ for row i, and so aliases what it makes smaller and shifts what it makes larger; the
    published numbers of years are of it. "clean" weighs all that a pixel covers, its values cut off at 0 and 255.

    Args:
        images: `(N, H, W, 3)` RGB, floats in [0, 1] or uint8 in [0, 255].
        resize: r, "clean" or "legacy".

    Returns:
        `(N, 299, 299, 3)` in [-1, 1). Nothing is rounded: generated floats differ a little from the bytes that their
        files would hold, and published distances are of bytes.

    Raises:
        InputError: if `resize` is another word, or the images have another shape, type or range (values are looked at
            only where they are known, outside of a caller's `jax.jit`).

    Example:
        >>> fid_images(np.full((1, 32, 32, 3), 192, np.uint8), resize="legacy")[0, 150, 150]
        Array([0.5, 0.5, 0.5], dtype=float32)

    References:
        Parmar, Zhang and Zhu, "On aliased resizing and surprising subtleties in GAN evaluation",
        https://arxiv.org/abs/2104.11222, 2021, section 3: "clean" is its Pillow-bicubic on floats, "legacy" the
        `resize_bilinear` of TensorFlow 1 in the network's own graph.
    """
    if resize not in ("clean", "legacy"):
        raise InputError(f'resize must be "clean" or "legacy", got {resize!r}')
    shape = np.shape(images)
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape[1:]:
        raise InputError(
            f"images must have shape (N, H, W, 3), got {shape}: repeat a grey channel three times, give one image as "
            "image[None]"
        )
    array = jnp.asarray(images)
    if array.dtype == jnp.uint8:
        array = array.astype(jnp.float32)
    elif jnp.issubdtype(array.dtype, jnp.floating):
        _check_range(array)
        array = 255 * array
    else:
        raise InputError(f"images must be floats in [0, 1] or uint8, got {array.dtype}: convert them first")
    if resize == "clean":
        array = jnp.clip(resize_images(array, (SIDE, SIDE), method="bicubic"), 0, 255)
    else:
        array = _bilinear(_bilinear(array, axis=2), axis=1)
    return (array - 128) / 128


def _check_range(images: Array) -> None:
    if isinstance(images, Tracer) or not images.size:
        return
    low, high = float(images.min()), float(images.max())
    if not (low >= -1e-5 and high <= 1 + 1e-5):
        raise InputError(
            f"images must be floats in [0, 1], got values from {low:.3g} to {high:.3g}: denormalise or clip them first"
        )


def _bilinear(x: Float[Array, "n h w c"], *, axis: int) -> Float[Array, "n h2 w2 c"]:
    """One axis to 299 values between the two next to $i h / 299$, of which the last stands for those beyond it."""
    length = x.shape[axis]
    place = np.arange(SIDE, dtype=np.float32) * np.float32(length / SIDE)  # rounded as in the original
    before = np.minimum(place.astype(np.int32), length - 1)
    after = np.minimum(before + 1, length - 1)
    part = jnp.asarray(place - before, x.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    low = jnp.take(x, before, axis=axis)
    return low + (jnp.take(x, after, axis=axis) - low) * part
