"""Parameters of a convolution or a linear layer, as an `nnx.Module` with PyTorch's initial values."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key, PRNGKeyArray

from jaxvision.backbones.convolution import conv2d

Keys = PRNGKeyArray | Key[Array, ""]


class Layered(nnx.Module):
    """A network whose parameters lie in one dictionary by the names of its layers.

    Attributes:
        layers: each by name, with a `kernel` and a `bias`.
    """

    layers: nnx.Dict


class Backbone(Layered):
    """What the networks of this room have in common: torchvision's names, and a classifier at the end.

    Attributes:
        head: the name of the last layer, whose width is the number of classes.
        stem: the name of the first.
    """

    head: str
    stem: str = "features.0"


class Conv(nnx.Module):
    """A convolution's kernel `(k, k, c, d)` and bias `(d,)`, called on `(n, h, w, c)`.

    The kernel starts as He's normal, $\\mathcal{N}(0, 2 / (k^2 c))$, the bias as zeros.

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
            sides = (_to_ceil(length, size, self.stride) for length in x.shape[1:3])
            x = jnp.pad(x, ((0, 0), *sides, (0, 0)), mode="edge")
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

    Example:
        >>> from jaxvision.backbones import squeezenet1_1
        >>> images = jnp.zeros((1, 64, 64, 3))
        >>> _, activations = jax.eval_shape(lambda: with_replicated_edges(squeezenet1_1())(images))
        >>> activations["conv1"].shape, activations["fire2"].shape
        ((1, 32, 32, 64), (1, 16, 16, 128))
    """
    copy = nnx.merge(*nnx.split(model))
    copy.layers[model.stem].replicate = True
    return copy


def _to_ceil(length: int, size: int, stride: int) -> tuple[int, int]:
    """Rows to add before and after, for ceil(length / stride) windows."""
    missing = max(0, (-(-length // stride) - 1) * stride + size - length)
    return missing // 2, missing - missing // 2


def _he_normal(key: Keys, shape: tuple[int, ...]) -> Array:
    return jax.nn.initializers.he_normal()(key, shape, jnp.float32)
