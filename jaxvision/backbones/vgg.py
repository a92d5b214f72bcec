"""VGG-16 and VGG-19: 3 x 3 convolutions all the way, then three linear layers."""

import functools
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones.convolution import relu
from jaxvision.backbones.layers import Activations, Backbone, Conv, Keys, Linear, Taps, keep
from jaxvision.backbones.parameters import build
from jaxvision.backbones.pooling import max_pool
from jaxvision.errors import InputError
from jaxvision.pixels import in_chunks
from jaxvision.signatures import PLAIN, Rules

WIDTHS = (64, 128, 256, 512, 512)
MIN_SIDE = 32


class VGG(Backbone):
    """A VGG of five blocks, `model(images) -> (logits, activations)`; see `vgg16` and `vgg19`.

    Args:
        depths: convolutions in each of the five blocks.
        num_classes: K.
        key: for the initial weights.
    """

    head = "classifier.6"

    def __init__(self, depths: tuple[int, ...], num_classes: int, *, key: Keys):
        self.depths = depths
        keys = iter(jax.random.split(key, sum(depths) + 3))
        layers, channels = {}, 3
        for kind, index, alias in plan(depths):
            if kind == "conv":
                width = WIDTHS[int(alias[4]) - 1]
                layers[f"features.{index}"] = Conv(3, channels, width, padding=1, key=next(keys))
                channels = width
        for index, (size, features) in {0: (7 * 7 * 512, 4096), 3: (4096, 4096), 6: (4096, num_classes)}.items():
            layers[f"classifier.{index}"] = Linear(size, features, key=next(keys))
        self.layers = nnx.Dict(layers)

    def __call__(
        self, images: Float[Array, "n h w 3"], taps: Taps | None = None, rules: Rules = PLAIN
    ) -> tuple[Float[Array, "n k"], Activations]:
        """Logits and named activations.

        Args:
            images: `(N, H, W, 3)`, ImageNet-normalised (`pixels.normalize`), any size from 32 x 32 pixels.
            taps: what to add to activations, by name, of their shapes.
            rules: how to run the layers.

        Returns:
            Logits `(N, K)` and activations: `features.i` and `classifier.i` as torchvision indexes them, each also
            under its name in the paper: `conv1_1`, `relu1_1`, ... `pool5`, `fc6`, `relu6`, `fc7`, `relu7`.

        Raises:
            InputError: if the images are smaller than 32 x 32.
        """
        if min(images.shape[1:3]) < MIN_SIDE:
            raise InputError(
                f"VGG needs images of at least {MIN_SIDE} x {MIN_SIDE} pixels, "
                f"got {images.shape[1]} x {images.shape[2]}: resize them first"
            )
        return in_chunks(functools.partial(self._forward, rules), images, dict(taps or {}), sparing=self.recomputes)

    def _forward(self, rules: Rules, x: Float[Array, "n h w 3"], taps: Taps) -> tuple[Float[Array, "n k"], Activations]:
        seen: Activations = {}
        layers = plan(self.depths)
        ends = [0, *(i + 1 for i, (kind, _, _) in enumerate(layers) if kind == "pool")]
        for begin, end in itertools.pairwise(ends):
            x, found = self.block(functools.partial(self._stage, layers[begin:end], rules))(x, taps)
            seen |= found
        x = rules.affine(functools.partial(adaptive_average_pool, size=7), x)
        x = jax.lax.collapse(x.transpose(0, 3, 1, 2), 1)  # PyTorch flattens channels first
        into = functools.partial(keep, seen, taps)
        for index, name in ((0, "6"), (3, "7")):
            x = into(rules.affine(self.layers[f"classifier.{index}"], x), f"classifier.{index}", f"fc{name}")
            x = into(rules.relu(relu, x), f"classifier.{index + 1}", f"relu{name}")
        return rules.affine(self.layers["classifier.6"], x), seen

    def _stage(
        self, layers: list[tuple[str, int, str]], rules: Rules, x: Float[Array, "n h w c"], taps: Taps
    ) -> tuple[Array, Activations]:
        """Convolutions of one width, and the pool behind them."""
        seen: Activations = {}
        for kind, index, alias in layers:
            name = f"features.{index}"
            if kind == "conv":
                x = rules.affine(self.layers[name], x)
            else:
                x = rules.relu(relu, x) if kind == "relu" else rules.max_pool(max_pool, x)
            x = keep(seen, taps, x, name, alias)
        return x, seen


def plan(depths: tuple[int, ...]) -> list[tuple[str, int, str]]:
    """The layers before the classifier: kind, torchvision's index, the paper's name.

    Example:
        >>> plan((2, 2, 3, 3, 3))[:5]  # doctest: +ELLIPSIS
        [('conv', 0, 'conv1_1'), ('relu', 1, 'relu1_1'), ('conv', 2, 'conv1_2'), ..., ('pool', 4, 'pool1')]
    """
    layers = []
    for block, depth in enumerate(depths, start=1):
        for number in range(1, depth + 1):
            layers += [("conv", f"conv{block}_{number}"), ("relu", f"relu{block}_{number}")]
        layers.append(("pool", f"pool{block}"))
    return [(kind, index, alias) for index, (kind, alias) in enumerate(layers)]


def adaptive_average_pool(x: Float[Array, "n h w c"], size: int) -> Float[Array, "n size size c"]:
    """Averages over `size` x `size` windows of nearly equal extent, as PyTorch's `adaptive_avg_pool2d`.

    Window i of a side of length L covers `floor(i L / size)` to `ceil((i + 1) L / size)`.

    Example:
        >>> adaptive_average_pool(jnp.arange(3.0).reshape(1, 1, 3, 1), 2)[0, 0, :, 0]
        Array([0.5, 1.5], dtype=float32)
    """

    def averages(length: int) -> Array:
        start = np.arange(size) * length // size
        stop = -(-(np.arange(1, size + 1) * length) // size)
        inside = (np.arange(length) >= start[:, None]) & (np.arange(length) < stop[:, None])  # (size, length)
        return jnp.asarray(inside / inside.sum(axis=1, keepdims=True), x.dtype)

    return jnp.einsum("nhwc,ih,jw->nijc", x, averages(x.shape[1]), averages(x.shape[2]))


class VGG16(VGG):
    """VGG with 13 convolutions; see `vgg16`."""

    def __init__(self, num_classes: int, *, key: Keys):
        super().__init__((2, 2, 3, 3, 3), num_classes, key=key)


class VGG19(VGG):
    """VGG with 16 convolutions; see `vgg19`."""

    def __init__(self, num_classes: int, *, key: Keys):
        super().__init__((2, 2, 4, 4, 4), num_classes, key=key)


def vgg16(weights: str | Path | None = None, *, num_classes: int | None = None, key: Keys | None = None) -> VGG16:
    """VGG-16 (configuration D), with published, own or random weights.

    Args:
        weights: "imagenet" (looked up in JAXVISION_HOME, else downloaded, 553 MB), a safetensors file with
            torchvision's parameter names, or None for random ones.
        num_classes: K; taken from the weights where there are any, else 1000.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, H, W, 3) ImageNet-normalised) -> (logits (N, K), activations)`; 138 million parameters.

    Raises:
        InputError: if the file is missing or damaged, or its names, shapes or `num_classes` do not fit.

    Example:
        >>> jax.eval_shape(lambda: vgg16()(jnp.zeros((1, 224, 224, 3)))[1]["relu4_3"]).shape
        (1, 28, 28, 512)

    References:
        Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
        https://arxiv.org/abs/1409.1556, 2014, table 1. Equal to torchvision's `vgg16` without its dropout.
    """
    return build(VGG16, "vgg16", weights, num_classes, key=key)


def vgg19(weights: str | Path | None = None, *, num_classes: int | None = None, key: Keys | None = None) -> VGG19:
    """VGG-19 (configuration E), the network of Gatys' style transfer; arguments and reference as `vgg16`.

    Example:
        >>> jax.eval_shape(lambda: vgg19()(jnp.zeros((1, 224, 224, 3)))[1]["relu4_2"]).shape
        (1, 28, 28, 512)
    """
    return build(VGG19, "vgg19", weights, num_classes, key=key)
