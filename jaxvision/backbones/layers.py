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
    """

    head: str


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

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        """The convolution of x."""
        return conv2d(x, self.kernel[...], self.bias[...], stride=self.stride, padding=self.padding)


class Linear(nnx.Module):
    """A linear layer's kernel `(c, d)` and bias `(d,)`, called on `(n, c)`; initial values as `Conv`."""

    def __init__(self, channels: int, features: int, *, key: Keys):
        self.kernel = nnx.Param(_he_normal(key, (channels, features)))
        self.bias = nnx.Param(jnp.zeros(features))

    def __call__(self, x: Float[Array, "n c"]) -> Float[Array, "n d"]:
        """The product with x, plus bias."""
        return x @ self.kernel[...] + self.bias[...][None]


def _he_normal(key: Keys, shape: tuple[int, ...]) -> Array:
    return jax.nn.initializers.he_normal()(key, shape, jnp.float32)
