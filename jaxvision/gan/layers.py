"""What the networks of this room are made of: transposed and doubling convolutions, averages of 2 x 2 pixels."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones import Conv
from jaxvision.backbones.layers import Keys
from jaxvision.gan.transposed import conv_transpose2d


class ConvTranspose(nnx.Module):
    """A transposed convolution's kernel `(k, k, d, c)` and bias `(d,)`, called on `(n, h, w, c)`.

    The kernel starts as He's normal, of the values that reach a pixel: $\\mathcal{N}(0, 2 s^2 / (k^2 c))$.
    """

    def __init__(self, size: int, channels: int, features: int, *, stride: int = 2, padding: int = 1, key: Keys):
        deviation = (2 * stride**2 / (size**2 * channels)) ** 0.5
        self.kernel = nnx.Param(deviation * jax.random.normal(key, (size, size, features, channels)))
        self.bias = nnx.Param(jnp.zeros(features))
        self.stride = stride
        self.padding = padding

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        """The transposed convolution of x."""
        return conv_transpose2d(x, self.kernel[...], self.bias[...], stride=self.stride, padding=self.padding)


def glorot_uniform(layers: dict[str, Any], *, key: Keys) -> dict[str, Any]:
    r"""Layers whose kernels are drawn anew, as Glorot's uniform; gains and shifts of normalisations stay.

    $$ w \sim U(-a, a), \qquad a = \sqrt{\frac{6}{k^2 (c + d)}} $$

    Args:
        layers: by name; linear ones, convolutions and transposed ones of c channels to d.
        key: of the draw.

    Returns:
        The same layers.

    Example:
        >>> from jaxvision.backbones.layers import Linear
        >>> layers = glorot_uniform({"fc": Linear(50, 100, key=jax.random.key(0))}, key=jax.random.key(1))
        >>> 0.19 < float(jnp.max(layers["fc"].kernel[...])) < (6 / 150) ** 0.5
        True

    References:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", Proceedings of
        AISTATS, 2010, https://proceedings.mlr.press/v9/glorot10a.html, equation 16.
    """
    for number, layer in enumerate(layers.values()):
        shape = layer.kernel.shape
        if len(shape) > 1:
            *taps, c, d = shape
            limit = (6 / (math.prod(taps) * (c + d))) ** 0.5
            draw = jax.random.uniform(jax.random.fold_in(key, number), shape, minval=-limit, maxval=limit)
            layer.kernel.set_value(draw)
    return layers


def double(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Each pixel repeated in a 2 x 2 block.

    Args:
        x: `(n, h, w, c)`.

    Returns:
        `(n, 2h, 2w, c)`.

    Example:
        >>> double(jnp.arange(2.0).reshape(1, 1, 2, 1))[0, :, :, 0]
        Array([[0., 0., 1., 1.],
               [0., 0., 1., 1.]], dtype=float32)
    """
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def halve(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """The mean of each 2 x 2 block.

    Args:
        x: `(n, h, w, c)`, even sides.

    Returns:
        `(n, h / 2, w / 2, c)`.

    Example:
        >>> halve(jnp.arange(4.0).reshape(1, 2, 2, 1)).ravel()
        Array([1.5], dtype=float32)
    """
    n, h, w, c = x.shape
    return jnp.mean(x.reshape(n, h // 2, 2, w // 2, 2, c), axis=(2, 4))


def double_conv(layer: Conv, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
    r"""A 3 x 3 convolution, padded with one zero, of `double(x)`, as a transposed one of x.

    Rows 2i and 2i + 1 of the larger x are both row i, so that three taps read two rows of x:

    $$ y_{2i} = w_0 x_{i-1} + (w_1 + w_2)\, x_i, \qquad y_{2i+1} = (w_0 + w_1)\, x_i + w_2 x_{i+1} $$

    which is a transposed convolution of stride 2 with the taps $(w_2, w_1 + w_2, w_0 + w_1, w_0)$, and the same for
    columns: 16 products in place of 36.

    Args:
        layer: `Conv(3, c, d)`.
        x: `(n, h, w, c)`.

    Returns:
        `(n, 2h, 2w, d)`.

    Example:
        >>> layer = Conv(3, 1, 1, padding=1, key=jax.random.key(0))
        >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
        >>> bool(jnp.allclose(double_conv(layer, x), layer(double(x)), atol=1e-5))
        True
    """
    kernel = _four_taps(_four_taps(layer.kernel[...], 0), 1)  # (4, 4, c, d)
    return conv_transpose2d(x, jnp.swapaxes(kernel, 2, 3), layer.bias[...])


def _four_taps(kernel: Array, axis: int) -> Array:
    first, middle, last = (kernel.take(index, axis=axis) for index in range(3))
    return jnp.stack([last, middle + last, first + middle, first], axis=axis)
