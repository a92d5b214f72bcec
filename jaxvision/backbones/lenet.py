"""LeNet for 28 x 28 digits: two convolutions, two linear layers, 431,080 parameters."""

import functools
from pathlib import Path

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones.convolution import relu
from jaxvision.backbones.layers import Activations, Backbone, Conv, Keys, Linear, Taps, keep
from jaxvision.backbones.parameters import build
from jaxvision.backbones.pooling import max_pool
from jaxvision.errors import InputError
from jaxvision.signatures import PLAIN, Rules


class LeNet(Backbone):
    """LeNet, `model(images) -> (logits, activations)`; see `lenet`."""

    stem = "conv1"
    head = "fc2"

    def __init__(self, num_classes: int, *, key: Keys):
        keys = jax.random.split(key, 4)
        self.layers = nnx.Dict(
            {
                "conv1": Conv(5, 1, 20, key=keys[0]),
                "conv2": Conv(5, 20, 50, key=keys[1]),
                "fc1": Linear(4 * 4 * 50, 500, key=keys[2]),
                "fc2": Linear(500, num_classes, key=keys[3]),
            }
        )

    def __call__(
        self, images: Float[Array, "n h w c"], taps: Taps | None = None, rules: Rules = PLAIN
    ) -> tuple[Float[Array, "n k"], Activations]:
        """Logits and named activations.

        Args:
            images: `(N, 28, 28, 1)`, in [0, 1], light strokes on black.
            taps: what to add to activations, by name, of their shapes.
            rules: how to run the layers.

        Returns:
            Logits `(N, K)`, and the activations `conv1`, `relu1`, `pool1`, `conv2`, `relu2`, `pool2`, `fc1`, `relu3`.

        Raises:
            InputError: if the images have another shape.
        """
        if images.shape[1:] != (28, 28, 1):
            raise InputError(f"LeNet needs images of shape (N, 28, 28, 1), got {images.shape}: resize and average them")
        seen: Activations = {}
        into = functools.partial(keep, seen, taps or {})
        x = into(rules.affine(self.layers["conv1"], images), "conv1")  # (n, 24, 24, 20)
        x = into(rules.relu(relu, x), "relu1")
        x = into(rules.max_pool(max_pool, x), "pool1")  # (n, 12, 12, 20)
        x = into(rules.affine(self.layers["conv2"], x), "conv2")  # (n, 8, 8, 50)
        x = into(rules.relu(relu, x), "relu2")
        x = into(rules.max_pool(max_pool, x), "pool2")  # (n, 4, 4, 50)
        x = into(rules.affine(self.layers["fc1"], jax.lax.collapse(x, 1)), "fc1")  # (n, 500)
        x = into(rules.relu(relu, x), "relu3")
        return rules.affine(self.layers["fc2"], x), seen


def lenet(weights: str | Path | None = None, *, num_classes: int | None = None, key: Keys | None = None) -> LeNet:
    """LeNet in the widths that Caffe's MNIST example made common (20, 50, 500), with ReLU and max-pooling.

    Args:
        weights: a safetensors file written from `state_dict`, or None for random ones.
        num_classes: K; taken from the weights where there are any, else 10.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, 28, 28, 1) in [0, 1]) -> (logits (N, K), activations)`.

    Raises:
        InputError: if the file is missing or damaged, or its names, shapes or `num_classes` do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> lenet()(jnp.zeros((2, 28, 28, 1)))[0].shape
        (2, 10)

    References:
        LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE, 1998.
        Departures: widths, ReLU, max-pooling and a plain softmax classifier.
    """
    if weights == "imagenet":
        raise InputError('LeNet has no "imagenet" weights: give a safetensors file, or None for random ones')
    return build(LeNet, "lenet", weights, num_classes, key=key, default=10)
