"""Inception-v3 as the Fréchet Inception distance takes it: eleven mixed blocks, 23.9 million parameters."""

import functools
import itertools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones.convolution import conv2d, relu
from jaxvision.backbones.inception_blocks import BLOCKS, WIDTH, Unit, kernel_shapes, layer_name
from jaxvision.backbones.layers import Activations, Backbone, Keys, Linear
from jaxvision.backbones.parameters import build
from jaxvision.errors import InputError
from jaxvision.pixels import in_chunks

SIDE = 299
NUM_CLASSES = 1008
EPSILON = 1e-3  # added to variances
TAPS = {"MaxPool_1": "pool64", "MaxPool_2": "pool192", "Mixed_6e": "pool768", "Mixed_7c": "pool2048"}


class Kernel(nnx.Module):
    """A convolution's kernel `(kh, kw, c, d)` without bias."""

    def __init__(self, kernel: Float[Array, "kh kw c d"]):
        self.kernel = nnx.Param(kernel)


class Normalization(nnx.Module):
    """A batch normalisation that has learned, called on `(n, h, w, c)`: gain, shift and running moments `(c,)`."""

    def __init__(self, channels: int):
        self.kernel = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.mean = nnx.BatchStat(jnp.zeros(channels))
        self.variance = nnx.BatchStat(jnp.ones(channels))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """One product and one sum per value, which the compiler joins to the convolution's own."""
        scale = self.kernel[...] * jax.lax.rsqrt(self.variance[...] + EPSILON)
        shift = self.bias[...] - scale * self.mean[...]
        return x * scale[None, None, None] + shift[None, None, None]


class InceptionV3(Backbone):
    """Inception-v3, `model(images) -> (logits, activations)`; see `inception_v3_fid`."""

    stem = "Conv2d_1a_3x3.conv"
    head = "fc"

    def __init__(self, num_classes: int, *, key: Keys):
        shapes = kernel_shapes()
        conv_key, head_key = jax.random.split(key)
        kernels = _he_normal(conv_key, tuple(shapes.values()))
        layers = {}
        for (name, shape), kernel in zip(shapes.items(), kernels, strict=True):
            layers[f"{name}.conv"], layers[f"{name}.bn"] = Kernel(kernel), Normalization(shape[-1])
        layers["fc"] = Linear(WIDTH, num_classes, key=head_key)
        self.layers = nnx.Dict(layers)

    def __call__(self, images: Float[Array, "n h w c"]) -> tuple[Float[Array, "n k"], Activations]:
        """Logits and named activations.

        Args:
            images: `(N, 299, 299, 3)` of `pixels.fid_images`, RGB in [-1, 1).

        Returns:
            Logits `(N, K)` and activations: `Conv2d_1a_3x3` to `Mixed_7c` as torchvision calls them, `MaxPool_1` and
            `MaxPool_2` between them; means over the pixels of four of these, `pool64` `(N, 64)`, `pool192`, `pool768`
            and `pool2048`; and `logits_unbiased` `(N, K)`, without the bias of `fc`.

        Raises:
            InputError: if the images have another shape.
        """
        if images.shape[1:] != (SIDE, SIDE, 3):
            raise InputError(
                f"Inception-v3 needs images of shape (N, {SIDE}, {SIDE}, 3), got {images.shape}: "
                "bring them to it with pixels.fid_images"
            )
        return in_chunks(self._forward, images, sparing=self.recomputes)

    def _forward(self, x: Float[Array, "n h w 3"]) -> tuple[Float[Array, "n k"], Activations]:
        seen: Activations = {}
        for name in BLOCKS:
            x = seen[name] = self.block(functools.partial(self._mixed, name))(x)
            if name in TAPS:
                seen[TAPS[name]] = jnp.mean(x, axis=(1, 2))
        head = self.layers["fc"]
        seen["logits_unbiased"] = seen["pool2048"] @ head.kernel[...]
        return seen["logits_unbiased"] + head.bias[...][None], seen

    def _mixed(self, block: str, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        """The branches of a block, side by side as channels."""
        ends = []
        for branch in BLOCKS[block]:
            y = x
            for stage in branch:
                y = stage(y) if callable(stage) else _side_by_side([self._unit(block, part, y) for part in stage])
            ends.append(y)
        return _side_by_side(ends)

    def _unit(self, block: str, part: Unit, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        name = layer_name(block, part)
        if part.padded:
            x = jnp.pad(x, ((0, 0), *((length // 2, length // 2) for length in part.size), (0, 0)))
        kernel = self.layers[f"{name}.conv"].kernel[...]
        y = conv2d(x, kernel, jnp.zeros(part.features, kernel.dtype), stride=part.stride)
        return relu(self.layers[f"{name}.bn"](y))


def inception_v3_fid(weights: str | Path | None = None, *, key: Keys | None = None) -> InceptionV3:
    """The Inception-v3 of 2015 whose features the Fréchet and kernel Inception distances compare.

    Not torchvision's `inception_v3`: other weights, 1008 outputs, and pools as TensorFlow had them.

    Args:
        weights: "imagenet" (looked up in JAXVISION_HOME, else downloaded, 96 MB), a safetensors file with the names of
            that file, or None for random ones.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, 299, 299, 3) of pixels.fid_images) -> (logits (N, 1008), activations)`. The distances take
        `activations["pool2048"]`, the Inception score `activations["logits_unbiased"]`.

    Raises:
        InputError: if the file is missing or damaged, or its names or shapes do not fit.

    Example:
        >>> images = jnp.zeros((2, 299, 299, 3))
        >>> logits, activations = jax.eval_shape(lambda: inception_v3_fid()(images))
        >>> logits.shape, activations["pool2048"].shape, activations["Mixed_6e"].shape
        ((2, 1008), (2, 2048), (2, 17, 17, 768))

    References:
        Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision",
        https://arxiv.org/abs/1512.00567, 2015, table 1 and figures 5 to 7, 10. Heusel et al., "GANs trained by a two
        time-scale update rule converge to a local Nash equilibrium", https://arxiv.org/abs/1706.08500, 2017, for the
        distance. Equal to the networks of pytorch-fid and torch-fidelity: average pools count no padding, the last
        block pools by the maximum. Departures: no auxiliary classifier, and inference only.
    """
    return build(InceptionV3, "inception_v3_fid", weights, key=key, default=NUM_CLASSES)


@functools.partial(jax.jit, static_argnums=1)
def _he_normal(key: Keys, shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    """With the variance of `Conv`, but drawn at once: a program for each shape would take half a minute to compile."""
    sizes = [math.prod(shape) for shape in shapes]
    pieces = jnp.split(jax.random.normal(key, (sum(sizes),), jnp.float32), list(itertools.accumulate(sizes[:-1])))
    scales = [math.sqrt(2 / math.prod(shape[:-1])) for shape in shapes]
    return [scale * piece.reshape(shape) for piece, scale, shape in zip(pieces, scales, shapes, strict=True)]


def _side_by_side(parts: list[Array]) -> Array:
    return jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
