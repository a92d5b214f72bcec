"""SqueezeNet 1.1: eight fire modules between three max-pools, 1.2 million parameters."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones.convolution import relu
from jaxvision.backbones.layers import Activations, Backbone, Conv, Keys, Taps, keep
from jaxvision.backbones.parameters import build
from jaxvision.backbones.pooling import max_pool
from jaxvision.errors import InputError
from jaxvision.pixels import in_chunks
from jaxvision.signatures import PLAIN, Rules

# features.i: (squeeze channels, channels of each expand), and the name in the paper's figure 2
FIRES = {
    3: (16, 64, "fire2"),
    4: (16, 64, "fire3"),
    6: (32, 128, "fire4"),
    7: (32, 128, "fire5"),
    9: (48, 192, "fire6"),
    10: (48, 192, "fire7"),
    11: (64, 256, "fire8"),
    12: (64, 256, "fire9"),
}
POOLS = {2: "pool1", 5: "pool3", 8: "pool5"}
MIN_SIDE = 17


class SqueezeNet(Backbone):
    """SqueezeNet 1.1, `model(images) -> (logits, activations)`; see `squeezenet1_1`."""

    head = "classifier.1"

    def __init__(self, num_classes: int, *, key: Keys):
        keys = iter(jax.random.split(key, 2 + 3 * len(FIRES)))
        layers = {"features.0": Conv(3, 3, 64, stride=2, key=next(keys))}
        channels = 64
        for index, (squeeze, expand, _) in FIRES.items():
            name = f"features.{index}"
            layers[f"{name}.squeeze"] = Conv(1, channels, squeeze, key=next(keys))
            layers[f"{name}.expand1x1"] = Conv(1, squeeze, expand, key=next(keys))
            layers[f"{name}.expand3x3"] = Conv(3, squeeze, expand, padding=1, key=next(keys))
            channels = 2 * expand
        layers["classifier.1"] = Conv(1, channels, num_classes, key=next(keys))
        self.layers = nnx.Dict(layers)

    def __call__(
        self, images: Float[Array, "n h w 3"], taps: Taps | None = None, rules: Rules = PLAIN
    ) -> tuple[Float[Array, "n k"], Activations]:
        """Logits and named activations.

        Args:
            images: `(N, H, W, 3)`, ImageNet-normalised (`pixels.normalize`), any size from 17 x 17 pixels.
            taps: what to add to activations, by name, of their shapes.
            rules: how to run the layers.

        Returns:
            Logits `(N, K)` and activations: `features.0` to `features.12`, `classifier.1` and `classifier.2` as
            torchvision indexes them, each also under its name in the paper: `conv1`, `relu1`, `pool1`, `fire2` ...
            `fire9`, `conv10`, `relu10`.

        Raises:
            InputError: if the images are smaller than 17 x 17.
        """
        if min(images.shape[1:3]) < MIN_SIDE:
            raise InputError(
                f"SqueezeNet needs images of at least {MIN_SIDE} x {MIN_SIDE} pixels, "
                f"got {images.shape[1]} x {images.shape[2]}: resize them first"
            )
        return in_chunks(functools.partial(self._forward, rules), images, dict(taps or {}), sparing=self.recomputes)

    def _forward(self, rules: Rules, x: Float[Array, "n h w 3"], taps: Taps) -> tuple[Float[Array, "n k"], Activations]:
        seen: Activations = {}
        into = functools.partial(keep, seen, taps)
        x = into(rules.affine(self.layers["features.0"], x), "features.0", "conv1")  # (n, (h-1)/2, (w-1)/2, 64)
        x = into(rules.relu(relu, x), "features.1", "relu1")
        pool = functools.partial(max_pool, size=3, ceil_mode=True)
        for index in range(2, 13):
            name = f"features.{index}"
            if index in POOLS:
                x = into(rules.max_pool(pool, x), name, POOLS[index])
            else:
                fire = self.block(functools.partial(self._fire, name, rules))
                x = into(fire(x), name, FIRES[index][2])
        x = into(rules.affine(self.layers["classifier.1"], x), "classifier.1", "conv10")  # (n, h', w', k)
        x = into(rules.relu(relu, x), "classifier.2", "relu10")
        return rules.affine(_mean_over_pixels, x), seen

    def _fire(self, name: str, rules: Rules, x: Float[Array, "n h w c"]) -> Float[Array, "n h w d"]:
        """Squeeze to few channels, then expand by 1x1 and 3x3 kernels side by side."""
        squeezed = rules.relu(relu, rules.affine(self.layers[f"{name}.squeeze"], x))
        expands = (rules.affine(self.layers[f"{name}.{expand}"], squeezed) for expand in ("expand1x1", "expand3x3"))
        return jnp.concatenate([rules.relu(relu, y) for y in expands], axis=-1)


def _mean_over_pixels(x: Float[Array, "n h w c"]) -> Float[Array, "n c"]:
    return jnp.mean(x, axis=(1, 2))


def squeezenet1_1(
    weights: str | Path | None = None, *, num_classes: int | None = None, key: Keys | None = None
) -> SqueezeNet:
    """SqueezeNet 1.1, with published, own or random weights.

    Args:
        weights: "imagenet" (looked up in JAXVISION_HOME, else downloaded), a safetensors file with torchvision's
            parameter names, or None for random ones.
        num_classes: K; taken from the weights where there are any, else 1000.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, H, W, 3) ImageNet-normalised) -> (logits (N, K), activations)`, a pytree to be passed to
        `jax.jit` as an argument.

    Raises:
        InputError: if the file is missing or damaged, or its names, shapes or `num_classes` do not fit.

    Example:
        >>> model = squeezenet1_1(num_classes=10)
        >>> logits, activations = jax.eval_shape(model, jnp.zeros((2, 32, 32, 3)))
        >>> logits.shape, activations["fire4"].shape
        ((2, 10), (2, 3, 3, 256))

    References:
        Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        https://arxiv.org/abs/1602.07360, 2016; version 1.1 of the authors' repository. Equal to torchvision's
        `squeezenet1_1`: RGB, max-pooling with `ceil_mode`, ReLU before the final average. Departure: no dropout, the
        function is that of inference.
    """
    return build(SqueezeNet, "squeezenet1_1", weights, num_classes, key=key)
