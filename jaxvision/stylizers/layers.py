"""What the networks of this room are made of: reflected borders, instance normalisation, doubling of the size."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones import Conv, conv2d
from jaxvision.errors import InputError
from jaxvision.pixels import IMAGENET_MEAN, IMAGENET_STD
from jaxvision.style import channel_moments


class InstanceNorm(nnx.Module):
    """`instance_norm` with its gain and shift `(c,)`, called `kernel` and `bias` as in any layer; first 1 and 0."""

    def __init__(self, channels: int):
        self.kernel = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """The normalised x."""
        return instance_norm(x, self.kernel[...], self.bias[...])


def instance_norm(
    x: Float[Array, "n h w c"], gain: Float[Array, " c"], shift: Float[Array, " c"]
) -> Float[Array, "n h w c"]:
    r"""Each channel of each image with a mean and a deviation of its own learning.

    $$ y_{nijc} = g_c \frac{x_{nijc} - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}} + b_c $$

    Args:
        x: `(n, h, w, c)`.
        gain: g, `(c,)`.
        shift: b, `(c,)`.

    Returns:
        `(n, h, w, c)`.

    Example:
        >>> x = jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1)
        >>> [round(value, 3) for value in instance_norm(x, jnp.array([2.0]), jnp.array([0.5])).ravel().tolist()]
        [-1.5, 2.5]

    References:
        Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
        https://arxiv.org/abs/1607.08022, 2016, equation 5, with a gain and a shift.
    """
    mean, std = (moment[:, None, None] for moment in channel_moments(x))
    return (x - mean) * (gain[None, None, None] / std) + shift[None, None, None]


def reflect_pad(x: Float[Array, "n h w c"], margin: int) -> Float[Array, "n h2 w2 c"]:
    """x with its border mirrored outwards, the outermost pixel not repeated.

    Args:
        x: `(n, h, w, c)`.
        margin: pixels on every side.

    Returns:
        `(n, h + 2 margin, w + 2 margin, c)`.

    Example:
        >>> reflect_pad(jnp.arange(3.0).reshape(1, 1, 3, 1), 1)[0, 1].ravel()
        Array([1., 0., 1., 2., 1.], dtype=float32)
    """
    return jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")


def reflect_conv(layer: Conv, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
    """A convolution that sees x go on as a mirror would show it; nothing is cut off at the border.

    Args:
        layer: of an odd size, without padding of its own.
        x: `(n, h, w, c)`.

    Returns:
        `(n, ceil(h / stride), ceil(w / stride), d)`.

    Example:
        >>> layer = Conv(3, 3, 8, key=jax.random.key(0))
        >>> reflect_conv(layer, jnp.ones((1, 5, 6, 3))).shape
        (1, 5, 6, 8)
    """
    return layer(reflect_pad(x, layer.kernel.shape[0] // 2))


def double(layer: Conv, x: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w d"]:
    r"""A 3 x 3 convolution of x at twice the size, each pixel repeated, computed at the size of x.

    Rows 2i and 2i + 1 of the larger x are both row i, so that a kernel of three taps reads only two rows of x:

    $$ y_{2i} = w_0 x_{i-1} + (w_1 + w_2)\, x_i, \qquad y_{2i+1} = (w_0 + w_1)\, x_i + w_2 x_{i+1} $$

    and the same for columns. One 2 x 2 convolution gives the four pixels that come of each, with 4/9 of the
    multiplications. The border of the larger x is mirrored, which repeats that of x.

    Args:
        layer: `Conv(3, c, d)`, without padding of its own.
        x: `(n, h, w, c)`.

    Returns:
        `(n, 2 h, 2 w, d)`.

    Example:
        >>> layer = Conv(3, 1, 1, key=jax.random.key(0))
        >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
        >>> repeated = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        >>> bool(jnp.allclose(double(layer, x), reflect_conv(layer, repeated), atol=1e-5))
        True

    References:
        Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill, 2016,
        https://doi.org/10.23915/distill.00003: resize-convolution. Shi et al., "Real-time single image and video
        super-resolution using an efficient sub-pixel convolutional neural network", https://arxiv.org/abs/1609.05158,
        2016: the arrangement of the results.
    """
    n, h, w, _ = x.shape
    kernel, bias = layer.kernel[...], layer.bias[...]
    kernel = _pairs(_pairs(kernel, 0), 1)  # (2, 2, c, d, 2, 2): taps, channels, and which of the four pixels
    c, d = kernel.shape[2:4]
    around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    y = conv2d(around, kernel.reshape(2, 2, c, 4 * d), jnp.repeat(bias, 4)).reshape(n, h + 1, w + 1, d, 2, 2)
    rows = jnp.stack([y[:, :h, ..., 0, :], y[:, 1:, ..., 1, :]], axis=2)  # (n, h, 2, w + 1, d, 2)
    both = jnp.stack([rows[:, :, :, :w, ..., 0], rows[:, :, :, 1:, ..., 1]], axis=4)  # (n, h, 2, w, 2, d)
    return both.reshape(n, 2 * h, 2 * w, d)


def bounded_image(x: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    r"""From any values to normalised images that can be shown: $(\mathrm{sigmoid}(x) - \mu) / \sigma$."""
    mean, std = (jnp.asarray(values, x.dtype).reshape(1, 1, 1, 3) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (jax.nn.sigmoid(x) - mean) / std


def require_side(images: Float[Array, "n h w 3"], least: int, who: str) -> None:
    """Refuses images with a side of fewer than `least` pixels.

    Raises:
        InputError: one sentence with the size.
    """
    h, w = images.shape[1:3]
    if min(h, w) < least:
        raise InputError(f"{who} needs images of at least {least} x {least} pixels, got {h} x {w}: resize them first")


def _pairs(kernel: Array, axis: int) -> Array:
    """Three taps along an axis as two for the even pixel and two for the odd one, which comes last."""
    first, middle, last = (kernel.take(index, axis=axis) for index in range(3))
    even, odd = (jnp.stack(taps, axis=axis) for taps in ([first, middle + last], [first + middle, last]))
    return jnp.stack([even, odd], axis=-1)
