"""Residual networks for 32 x 32 images, with or without classes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones import Conv, Layered, relu
from jaxvision.backbones.layers import Keys, Linear
from jaxvision.errors import InputError
from jaxvision.gan.layers import double, double_conv, halve
from jaxvision.gan.normalization import BatchNorm, Labels, Normalized, require_labels

SIDE = 32
LATENT_DIM = 128


class ClassVectors(nnx.Module):
    """One vector for each class, `kernel` `(K, c)`, standard normal at first."""

    def __init__(self, num_classes: int, channels: int, *, key: Keys):
        self.kernel = nnx.Param(jax.random.normal(key, (num_classes, channels)))

    def __call__(self, labels: Labels) -> Float[Array, "n c"]:
        """The vectors of these classes."""
        return self.kernel[...][labels]


class ResNetGenerator(Normalized):
    """`generator(latents[, labels]) -> images`; see `resnet_generator`."""

    def __init__(self, latent_dim: int, channels: int, width: int, num_classes: int | None, *, key: Keys):
        keys = iter(jax.random.split(key, 11))
        layers: dict[str, nnx.Module] = {"fc": Linear(latent_dim, 4 * 4 * width, key=next(keys))}
        for block in ("block1", "block2", "block3"):
            layers[f"{block}.norm1"] = BatchNorm(width, num_classes)
            layers[f"{block}.conv1"] = Conv(3, width, width, padding=1, key=next(keys))
            layers[f"{block}.norm2"] = BatchNorm(width, num_classes)
            layers[f"{block}.conv2"] = Conv(3, width, width, padding=1, key=next(keys))
            layers[f"{block}.shortcut"] = Conv(1, width, width, key=next(keys))
        layers["out.norm"] = BatchNorm(width)
        layers["out.conv"] = Conv(3, width, channels, padding=1, key=next(keys))
        self.layers = nnx.Dict(layers)
        self.num_classes = num_classes

    def draw(self, latents: Array, labels: Labels | None, normalize: Callable[[str, Array], Array]) -> Array:
        """Images `(N, 32, 32, C)` in [-1, 1] of latents `(N, dim)`."""
        require_labels(labels, self.num_classes)
        x = self.layers["fc"](latents).reshape(len(latents), 4, 4, -1)
        for block in ("block1", "block2", "block3"):  # (n, 8, 8, width), then 16 and 32
            y = double_conv(self.layers[f"{block}.conv1"], relu(normalize(f"{block}.norm1", x)))
            y = self.layers[f"{block}.conv2"](relu(normalize(f"{block}.norm2", y)))
            x = y + double(self.layers[f"{block}.shortcut"](x))
        return jnp.tanh(self.layers["out.conv"](relu(normalize("out.norm", x))))


class ResNetCritic(Layered):
    """`critic(images[, labels]) -> scores`; see `resnet_critic`."""

    def __init__(self, channels: int, width: int, num_classes: int | None, *, key: Keys):
        keys = iter(jax.random.split(key, 12))
        layers: dict[str, nnx.Module] = {}
        for index, incoming in enumerate((channels, width, width, width), start=1):
            layers[f"block{index}.conv1"] = Conv(3, incoming, width, padding=1, key=next(keys))
            layers[f"block{index}.conv2"] = Conv(3, width, width, padding=1, key=next(keys))
            if index <= 2:
                layers[f"block{index}.shortcut"] = Conv(1, incoming, width, key=next(keys))
        layers["fc"] = Linear(width, 1, key=next(keys))
        if num_classes is not None:
            layers["classes"] = ClassVectors(num_classes, width, key=next(keys))
        self.layers = nnx.Dict(layers)
        self.num_classes = num_classes

    def __call__(self, images: Float[Array, "n h w c"], labels: Labels | None = None) -> Float[Array, " n"]:
        """Scores `(N,)` of images `(N, 32, 32, C)`, and of labels `(N,)` for a network with classes."""
        require_labels(labels, self.num_classes)
        if images.shape[1:3] != (SIDE, SIDE):
            raise InputError(f"this critic needs images of 32 x 32 pixels, got {images.shape}: resize or pad them")
        layers = self.layers
        y = layers["block1.conv2"](relu(layers["block1.conv1"](images)))
        x = halve(y) + layers["block1.shortcut"](halve(images))  # (n, 16, 16, width)
        y = layers["block2.conv2"](relu(layers["block2.conv1"](relu(x))))
        x = halve(y) + layers["block2.shortcut"](halve(x))  # (n, 8, 8, width)
        for block in ("block3", "block4"):
            x = x + layers[f"{block}.conv2"](relu(layers[f"{block}.conv1"](relu(x))))
        features = jnp.sum(relu(x), axis=(1, 2))  # (n, width)
        scores = layers["fc"](features)[:, 0]
        return scores if labels is None else scores + jnp.sum(layers["classes"](labels) * features, axis=1)


def resnet_generator(
    latent_dim: int = LATENT_DIM,
    *,
    channels: int = 3,
    width: int = 256,
    num_classes: int | None = None,
    key: Keys | None = None,
) -> ResNetGenerator:
    """A residual generator of 32 x 32 images: three blocks that each double the side; 4,276,739 parameters.

    Args:
        latent_dim: numbers that an image begins with.
        channels: of the images.
        width: channels between the blocks.
        num_classes: classes, each with its own gains and shifts (conditional batch normalisation); or None.
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `generator(latents (N, dim)[, labels (N,)]) -> images (N, 32, 32, C)` in [-1, 1]; `draw_on_batch` is its
        training form.

    Example:
        >>> jax.eval_shape(lambda latents: resnet_generator()(latents), jnp.zeros((2, 128))).shape
        (2, 32, 32, 3)

    References:
        Gulrajani et al., "Improved training of Wasserstein GANs", https://arxiv.org/abs/1704.00028, 2017, appendix F.
        Miyato et al., "Spectral normalization for generative adversarial networks", https://arxiv.org/abs/1802.05957,
        2018, table 4. Departure: weights begin as He's normal.
    """
    key = jax.random.key(0) if key is None else key
    # quicker than op by op
    return jax.jit(lambda key: ResNetGenerator(latent_dim, channels, width, num_classes, key=key))(key)


def resnet_critic(
    *, channels: int = 3, width: int = 128, num_classes: int | None = None, key: Keys | None = None
) -> ResNetCritic:
    """A residual critic of 32 x 32 images: four blocks, two of them halving the side; 1,053,825 parameters.

    No normalisation of activations: it is made for `gradient_penalty` or `spectral_normalize`.

    Args:
        channels: of the images.
        width: channels of the blocks.
        num_classes: classes, whose vector is multiplied with the features (a projection critic); or None.
        key: for the initial weights; `jax.random.key(0)` if not given.

    Returns:
        `critic(images (N, 32, 32, C)[, labels (N,)]) -> scores (N,)`.

    Example:
        >>> jax.eval_shape(lambda images: resnet_critic()(images), jnp.zeros((2, 32, 32, 3))).shape
        (2,)

    References:
        Miyato et al., "Spectral normalization for generative adversarial networks", https://arxiv.org/abs/1802.05957,
        2018, table 4. Miyato and Koyama, "cGANs with projection discriminator", https://arxiv.org/abs/1802.05637,
        2018, equation 4: the term of the class. Departure: weights begin as He's normal.
    """
    key = jax.random.key(0) if key is None else key
    # quicker than op by op
    return jax.jit(lambda key: ResNetCritic(channels, width, num_classes, key=key))(key)
