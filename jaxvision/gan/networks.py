"""The assignment's two pairs of networks for 28 x 28 digits: fully connected, and DCGAN."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones import Conv, Layered, max_pool, relu
from jaxvision.backbones.layers import Keys, Linear
from jaxvision.errors import InputError
from jaxvision.gan.layers import ConvTranspose, glorot_uniform
from jaxvision.gan.normalization import BatchNorm, Labels, Normalized, require_labels

SIDE = 28
LATENT_DIM = 96
SLOPE = 0.01  # of leaky rectifiers below zero


class MLPCritic(Layered):
    """`critic(images) -> scores`; see `mlp_critic`."""

    def __init__(self, *, key: Keys):
        keys = jax.random.split(key, 3)
        layers = {
            "fc1": Linear(SIDE * SIDE, 256, key=keys[0]),
            "fc2": Linear(256, 256, key=keys[1]),
            "fc3": Linear(256, 1, key=keys[2]),
        }
        self.layers = nnx.Dict(glorot_uniform(layers, key=key))

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, " n"]:
        """Scores `(N,)` of images `(N, 28, 28, 1)`."""
        x = require_digits(images).reshape(len(images), -1)
        x = jax.nn.leaky_relu(self.layers["fc1"](x), SLOPE)  # (n, 256)
        x = jax.nn.leaky_relu(self.layers["fc2"](x), SLOPE)
        return self.layers["fc3"](x)[:, 0]


class MLPGenerator(Layered):
    """`generator(latents) -> images`; see `mlp_generator`."""

    def __init__(self, latent_dim: int, *, key: Keys):
        keys = jax.random.split(key, 3)
        layers = {
            "fc1": Linear(latent_dim, 1024, key=keys[0]),
            "fc2": Linear(1024, 1024, key=keys[1]),
            "fc3": Linear(1024, SIDE * SIDE, key=keys[2]),
        }
        self.layers = nnx.Dict(glorot_uniform(layers, key=key))

    def __call__(self, latents: Float[Array, "n dim"]) -> Float[Array, "n 28 28 1"]:
        """Images `(N, 28, 28, 1)` in [-1, 1] of latents `(N, dim)`."""
        x = relu(self.layers["fc1"](latents))  # (n, 1024)
        x = relu(self.layers["fc2"](x))
        return jnp.tanh(self.layers["fc3"](x)).reshape(-1, SIDE, SIDE, 1)


class DCGANCritic(Layered):
    """`critic(images) -> scores`; see `dcgan_critic`."""

    def __init__(self, *, key: Keys):
        keys = jax.random.split(key, 4)
        layers = {
            "conv1": Conv(5, 1, 32, key=keys[0]),
            "conv2": Conv(5, 32, 64, key=keys[1]),
            "fc1": Linear(4 * 4 * 64, 4 * 4 * 64, key=keys[2]),
            "fc2": Linear(4 * 4 * 64, 1, key=keys[3]),
        }
        self.layers = nnx.Dict(glorot_uniform(layers, key=key))

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, " n"]:
        """Scores `(N,)` of images `(N, 28, 28, 1)`."""
        x = max_pool(jax.nn.leaky_relu(self.layers["conv1"](require_digits(images)), SLOPE))  # (n, 12, 12, 32)
        x = max_pool(jax.nn.leaky_relu(self.layers["conv2"](x), SLOPE))  # (n, 4, 4, 64)
        x = jax.nn.leaky_relu(self.layers["fc1"](x.reshape(len(images), -1)), SLOPE)  # (n, 1024)
        return self.layers["fc2"](x)[:, 0]


class DCGANGenerator(Normalized):
    """`generator(latents) -> images`, with batch normalisation; see `dcgan_generator`."""

    def __init__(self, latent_dim: int, *, key: Keys):
        keys = jax.random.split(key, 4)
        layers = {
            "fc1": Linear(latent_dim, 1024, key=keys[0]),
            "norm1": BatchNorm(1024),
            "fc2": Linear(1024, 7 * 7 * 128, key=keys[1]),
            "norm2": BatchNorm(7 * 7 * 128),
            "deconv1": ConvTranspose(4, 128, 64, key=keys[2]),
            "norm3": BatchNorm(64),
            "deconv2": ConvTranspose(4, 64, 1, key=keys[3]),
        }
        self.layers = nnx.Dict(glorot_uniform(layers, key=key))

    def draw(self, latents: Array, labels: Labels | None, normalize: Callable[[str, Array], Array]) -> Array:
        """Images `(N, 28, 28, 1)` in [-1, 1] of latents `(N, dim)`."""
        require_labels(labels, None)
        x = normalize("norm1", relu(self.layers["fc1"](latents)))  # (n, 1024)
        x = normalize("norm2", relu(self.layers["fc2"](x))).reshape(-1, 7, 7, 128)
        x = normalize("norm3", relu(self.layers["deconv1"](x)))  # (n, 14, 14, 64)
        return jnp.tanh(self.layers["deconv2"](x))  # (n, 28, 28, 1)


def mlp_critic(*, key: Keys | None = None) -> MLPCritic:
    """The fully connected critic: 784, 256, 256 and 1 values, leaky rectifiers, 267,009 parameters.

    Args:
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `critic(images (N, 28, 28, 1)) -> scores (N,)`, without a sigmoid.

    Example:
        >>> jax.eval_shape(lambda images: mlp_critic()(images), jnp.zeros((2, 28, 28, 1))).shape
        (2,)

    References:
        Stanford CS231n, assignment 3, 2017, "Generative adversarial networks".
    """
    return MLPCritic(key=jax.random.key(0) if key is None else key)


def mlp_generator(latent_dim: int = LATENT_DIM, *, key: Keys | None = None) -> MLPGenerator:
    """The fully connected generator: two layers of 1024, a tanh; 1,858,320 parameters for 4 latents.

    Args:
        latent_dim: numbers that an image begins with.
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `generator(latents (N, dim)) -> images (N, 28, 28, 1)` in [-1, 1].

    Example:
        >>> jax.eval_shape(lambda latents: mlp_generator(4)(latents), jnp.zeros((2, 4))).shape
        (2, 28, 28, 1)

    References:
        Stanford CS231n, assignment 3, 2017, "Generative adversarial networks".
    """
    return MLPGenerator(latent_dim, key=jax.random.key(0) if key is None else key)


def dcgan_critic(*, key: Keys | None = None) -> DCGANCritic:
    """The convolutional critic: 5 x 5 to 32 and 64 channels, max-pooling, two linear layers, 1,102,721 parameters.

    No batch normalisation, so that a score is of one image alone, and penalties of its gradient hold.

    Args:
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `critic(images (N, 28, 28, 1)) -> scores (N,)`, without a sigmoid.

    Example:
        >>> jax.eval_shape(lambda images: dcgan_critic()(images), jnp.zeros((2, 28, 28, 1))).shape
        (2,)

    References:
        Stanford CS231n, assignment 3, 2017, "Generative adversarial networks".
    """
    return DCGANCritic(key=jax.random.key(0) if key is None else key)


def dcgan_generator(latent_dim: int = LATENT_DIM, *, key: Keys | None = None) -> DCGANGenerator:
    """The convolutional generator: linear to 7 x 7 x 128, two transposed convolutions, 6,580,801 parameters for 4.

    Batch normalisation after each rectifier but the last, as in the assignment.

    Args:
        latent_dim: numbers that an image begins with.
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `generator(latents (N, dim)) -> images (N, 28, 28, 1)` in [-1, 1]; `draw_on_batch` is its training form.

    Example:
        >>> jax.eval_shape(lambda latents: dcgan_generator(4)(latents), jnp.zeros((2, 4))).shape
        (2, 28, 28, 1)

    References:
        Stanford CS231n, assignment 3, 2017, "Generative adversarial networks". Radford, Metz and Chintala,
        "Unsupervised representation learning with deep convolutional generative adversarial networks",
        https://arxiv.org/abs/1511.06434, 2015.
    """
    return DCGANGenerator(latent_dim, key=jax.random.key(0) if key is None else key)


def require_digits(images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """The images, if they are 28 x 28 with one channel.

    Raises:
        InputError: one sentence with the shape.
    """
    if images.shape[1:] != (SIDE, SIDE, 1):
        raise InputError(f"this critic needs images of shape (N, 28, 28, 1), got {images.shape}: resize them first")
    return images
