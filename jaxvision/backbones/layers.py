"""Parameters of a convolution or a linear layer, as an `nnx.Module` with He's initial values."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, PRNGKeyArray

from jaxvision.backbones.convolution import conv2d
from jaxvision.errors import InputError

Keys = PRNGKeyArray | Key[Array, ""]
Activations = dict[str, Array]
"""What a network computes on its way to the logits, by name."""
Taps = Mapping[str, Array]
"""What is to be added to activations, by their names; zeros, where one wants derivatives by them."""


class Layered(nnx.Module):
    """A network whose parameters lie in one dictionary by the names of its layers.

    Attributes:
        layers: each by name, with a `kernel` and a `bias`.
    """

    layers: nnx.Dict[Any]


class Backbone(Layered):
    """What the networks of this room have in common: a first layer, blocks, and a last one that answers.

    Attributes:
        head: the name of the last layer, whose width is the number of classes, or of scores.
        stem: the name of the first.
        recomputes: whether a gradient computes the inside of each block again, see `with_recomputed_blocks`.
    """

    head: str
    stem: str = "features.0"
    recomputes: bool = False

    def __init__(self, width: int, *, key: Keys):
        raise NotImplementedError

    def block(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """A part of the network, of which a gradient keeps everything or only what goes in."""
        return jax.checkpoint(run) if self.recomputes else run


def keep(seen: Activations, taps: Taps, value: Array, *names: str) -> Array:
    """The value with what is tapped into it, kept under each of its names."""
    for name in names:
        value = value + taps[name] if name in taps else value
    for name in names:
        seen[name] = value
    return value


class Conv(nnx.Module):
    """A convolution's kernel `(k, k, c, d)` and bias `(d,)`, called on `(n, h, w, c)`.

    The kernel starts as He's normal of variance $2 / (k^2 c)$, cut at two deviations, the bias as zeros.

    References:
        He et al., "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852, 2015, equation 10.
    """

    def __init__(self, size: int, channels: int, features: int, *, stride: int = 1, padding: int = 0, key: Keys):
        self.kernel = nnx.Param(_he_normal(key, (size, size, channels, features)))
        self.bias = nnx.Param(jnp.zeros(features))
        self.stride = stride
        self.padding = padding
        self.replicate = False

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        """The convolution of x."""
        padding = self.padding
        if self.replicate:
            size, padding = self.kernel.shape[0], 0
            for axis in (1, 2):
                x = _go_on(x, axis, *_to_ceil(x.shape[axis], size, self.stride))
        return conv2d(x, self.kernel[...], self.bias[...], stride=self.stride, padding=padding)


class Linear(nnx.Module):
    """A linear layer's kernel `(c, d)` and bias `(d,)`, called on `(n, c)`; initial values as `Conv`."""

    def __init__(self, channels: int, features: int, *, key: Keys):
        self.kernel = nnx.Param(_he_normal(key, (channels, features)))
        self.bias = nnx.Param(jnp.zeros(features))

    def __call__(self, x: Float[Array, "n c"]) -> Float[Array, "n d"]:
        """The product with x, plus bias."""
        return x @ self.kernel[...] + self.bias[...][None]


def with_replicated_edges(model: Backbone) -> Backbone:
    """The same network, to which an image goes on beyond its edges as its outermost pixels.

    A first convolution that pads with zeros sees a frame around every image, which a style transfer paints. Here its
    output has `ceil(side / stride)` rows, so that a side which is a power of two stays divisible in the pools behind.

    Args:
        model: whose first layer is a `Conv`.

    Returns:
        A copy; its weights are shared.

    Raises:
        InputError: if its first layer is another.

    Example:
        >>> from jaxvision.backbones import squeezenet1_1
        >>> images = jnp.zeros((1, 64, 64, 3))
        >>> _, activations = jax.eval_shape(lambda: with_replicated_edges(squeezenet1_1())(images))
        >>> activations["conv1"].shape, activations["fire2"].shape
        ((1, 32, 32, 64), (1, 16, 16, 128))
    """
    if not isinstance(model.layers[model.stem], Conv):
        raise InputError(f"{type(model).__name__} has no first layer that pads with zeros: take it as it is")
    copy = nnx.merge(*nnx.split(model))
    copy.layers[model.stem].replicate = True
    return copy


def with_recomputed_blocks(model: Backbone) -> Backbone:
    """The same network, whose gradients take less memory and more time.

    Forward, only what enters each block (a fire module, VGG's layers up to a pool) is kept; backward, its inside is
    computed a second time. The numbers are the same. A gradient in VGG-19's weights takes four tenths less memory, in
    SqueezeNet's a quarter (4 images of 224 px); one in the image alone, as in a style transfer, keeps little to begin
    with, a byte for each ReLU, and saves hardly anything.

    Args:
        model: a SqueezeNet, VGG or Inception-v3.

    Returns:
        A copy; its weights are shared.

    Example:
        >>> from jaxvision.backbones import squeezenet1_1
        >>> images = jnp.zeros((1, 32, 32, 3))
        >>> jax.eval_shape(lambda: with_recomputed_blocks(squeezenet1_1(num_classes=10))(images))[0].shape
        (1, 10)

    References:
        Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost",
        https://arxiv.org/abs/1604.06174, 2016, section 4.
    """
    copy = nnx.merge(*nnx.split(model))
    copy.recomputes = True
    return copy


def _to_ceil(length: int, size: int, stride: int) -> tuple[int, int]:
    """Rows to add before and after, for ceil(length / stride) windows."""
    missing = max(0, (-(-length // stride) - 1) * stride + size - length)
    return missing // 2, missing - missing // 2


def _go_on(x: Array, axis: int, before: int, after: int) -> Array:
    """`jnp.pad(x, ..., mode="edge")` along an axis, by whole images moved and not by single rows.

    The derivative of a row is an image of zeros with that row, which each of several devices would hold whole.
    """
    length, sides = x.shape[axis], [(0, 0)] * x.ndim

    def moved(count: int) -> Array:
        sides[axis] = (before + count, after - count)
        return jax.lax.pad(x, jnp.zeros((), x.dtype), [(low, high, 0) for low, high in sides])

    row = jax.lax.broadcasted_iota(jnp.int32, [n + (i == axis) * (before + after) for i, n in enumerate(x.shape)], axis)
    y = moved(0)
    for count in range(1, before + 1):
        y = jnp.where(row == before - count, moved(-count), y)
    for count in range(1, after + 1):
        y = jnp.where(row == before + length - 1 + count, moved(count), y)
    return y


def _he_normal(key: Keys, shape: tuple[int, ...]) -> Array:
    return jax.nn.initializers.he_normal()(key, shape, jnp.float32)
