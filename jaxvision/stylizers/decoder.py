"""Arbitrary style in one pass: an encoder's features, their moments exchanged, and a decoder trained to draw them."""

import math
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision import weights as weight_files
from jaxvision.backbones import Conv, Layered, load_state_dict, relu
from jaxvision.backbones.layers import Keys
from jaxvision.errors import InputError
from jaxvision.signatures import FeaturesFn
from jaxvision.style import adaptive_instance_norm
from jaxvision.stylizers.layers import bounded_image, double, reflect_conv, reflect_pad, require_side

MARGIN = 16  # pixels an image is mirrored outwards before it is encoded: encoders cut or blacken the border
STRIDE = 16  # the padded sides are multiples of it: what an encoder leaves over at the end would displace the drawing
MIN_SIDE = MARGIN + 1
NARROWEST = 16  # channels a decoder keeps to the end
PROBE = 256  # pixels, the side that an encoder's reduction is measured at


class AdaINDecoder(Layered):
    """From an encoder's features back to an image: `model(features) -> images`; see `adain_decoder`.

    Args:
        channels: of the features.
        doublings: of the size, as many as the encoder has halvings.
        key: for the initial weights.
    """

    def __init__(self, channels: int, doublings: int, *, key: Keys):
        keys = iter(jax.random.split(key, 2 + 2 * doublings))
        layers = {"in.conv": Conv(3, channels, channels, key=next(keys))}
        for index in range(doublings):
            narrower = max(NARROWEST, channels // 2)
            layers[f"up{index}.0.conv"] = Conv(3, channels, narrower, key=next(keys))
            layers[f"up{index}.1.conv"] = Conv(3, narrower, narrower, key=next(keys))
            channels = narrower
        layers["out.conv"] = Conv(3, channels, 3, key=next(keys))
        self.layers = nnx.Dict(layers)
        self.doublings = doublings

    def __call__(self, features: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 3"]:
        """The image that has these features.

        Args:
            features: `(N, h, w, C)` of the encoder's layer, or of `style.adaptive_instance_norm`.

        Returns:
            `(N, 2**doublings h, 2**doublings w, 3)`, normalised, every value within what [0, 1] maps to.
        """
        x = relu(reflect_conv(self.layers["in.conv"], features))
        for index in range(self.doublings):
            x = relu(double(self.layers[f"up{index}.0.conv"], x))
            x = relu(reflect_conv(self.layers[f"up{index}.1.conv"], x))
        return bounded_image(reflect_conv(self.layers["out.conv"], x))


def adain_decoder(
    features_fn: FeaturesFn, layer: str, *, weights: str | Path | None = None, key: Keys | None = None
) -> AdaINDecoder:
    """The decoder that belongs to a layer of an encoder.

    Args:
        features_fn: the encoder, images to a dictionary of feature maps by layer.
        layer: whose features are to be decoded.
        weights: a safetensors file written from `backbones.state_dict`, or None for random ones.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(features (N, h, w, C)) -> images`, a pytree.

    Raises:
        InputError: if there is no such layer, or the file is missing, damaged or of another encoder's decoder.

    Example:
        >>> halved = lambda images: {"halved": images[:, ::2, ::2]}
        >>> jax.eval_shape(lambda: adain_decoder(halved, "halved")).doublings
        1

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, section 6.1: the encoder mirrored, no normalisation, reflection at the
        borders. Departures: two convolutions for each size whatever the encoder, a sigmoid at the end.
    """
    probe = jax.ShapeDtypeStruct((1, PROBE, PROBE, 3), "float32")
    known = jax.eval_shape(features_fn, probe)
    if layer not in known or len(known[layer].shape) != 4:
        raise InputError(f"there is no layer {layer!r} among the feature maps: choose from {', '.join(known)}")
    _, height, _, channels = known[layer].shape
    doublings = round(math.log2(PROBE / height))
    build = jax.jit(lambda key: AdaINDecoder(channels, doublings, key=key))  # quicker than op by op
    if weights is None:
        return build(jax.random.key(0) if key is None else key)
    shapes = jax.eval_shape(build, jax.random.key(0))
    return load_state_dict(shapes, weight_files.load(Path(weights)), source=str(weights))


def encode(features_fn: FeaturesFn, images: Float[Array, "n h w 3"]) -> Mapping[str, Array]:
    """Features of images whose border is mirrored outwards first, so that the border is drawn as well as the middle.

    By 16 pixels, and at the bottom and the right by up to 15 more: an image is drawn in its place whatever its size.

    Args:
        features_fn: the encoder.
        images: `(N, H, W, 3)`, at least 17 x 17.

    Returns:
        Feature maps by layer.

    Raises:
        InputError: if the images are smaller.

    Example:
        >>> from jax import numpy as jnp
        >>> encode(lambda images: {"pixels": images}, jnp.ones((1, 20, 24, 3)))["pixels"].shape  # 52 x 56 and some more
        (1, 64, 64, 3)
    """
    require_side(images, MIN_SIDE, "arbitrary style")
    padded = reflect_pad(images, MARGIN)
    more = [(0, _padded(side) - full) for side, full in zip(images.shape[1:3], padded.shape[1:3], strict=True)]
    return features_fn(jnp.pad(padded, ((0, 0), *more, (0, 0)), mode="reflect"))


def _padded(side: int) -> int:
    return -(-(side + 2 * MARGIN) // STRIDE) * STRIDE


def decode(
    decoder: AdaINDecoder, features: Float[Array, "n h2 w2 c"], size: tuple[int, int]
) -> Float[Array, "n h w 3"]:
    """Of what the decoder draws the part where the image was that was encoded.

    Example:
        >>> from jax import numpy as jnp
        >>> halved = lambda images: {"halved": images[:, ::2, ::2]}
        >>> features = encode(halved, jnp.ones((1, 20, 24, 3)))["halved"]
        >>> decode(adain_decoder(halved, "halved"), features, (20, 24)).shape
        (1, 20, 24, 3)
    """
    drawn = decoder(features)
    top, left = (MARGIN + (full - _padded(side)) // 2 for full, side in zip(drawn.shape[1:3], size, strict=True))
    return drawn[:, top : top + size[0], left : left + size[1]]


def adain_stylize(
    features_fn: FeaturesFn,
    decoder: AdaINDecoder,
    content: Float[Array, "n h w 3"],
    style: Float[Array, "m h2 w2 3"],
    *,
    layer: str,
    alpha: ArrayLike = 1.0,
) -> Float[Array, "n h w 3"]:
    r"""Contents in the manner of any styles, in one pass.

    $$ y = g\bigl(\mathrm{AdaIN}(f(x), f(s), \alpha)\bigr) $$

    Args:
        features_fn: the encoder f that the decoder was trained with.
        decoder: g, of `adain_decoder`.
        content: x, `(N, H, W, 3)`, normalised, at least 17 x 17.
        style: s, `(N, h, w, 3)` or `(1, h, w, 3)`, normalised.
        layer: the encoder's, that the decoder was made for.
        alpha: how much of the style, a number or `(N,)`: 0 only decodes the content.

    Returns:
        `(N, H, W, 3)`, normalised, every value within what [0, 1] maps to.

    Raises:
        InputError: if a picture is smaller than 17 x 17.

    Example:
        >>> from jax import numpy as jnp
        >>> halved = lambda images: {"halved": images[:, ::2, ::2]}
        >>> content, style = jnp.zeros((2, 20, 24, 3)), jnp.ones((1, 18, 18, 3))
        >>> adain_stylize(halved, adain_decoder(halved, "halved"), content, style, layer="halved").shape
        (2, 20, 24, 3)

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, equations 8, 9 and 14.
    """
    own, wanted = encode(features_fn, content)[layer], encode(features_fn, style)[layer]
    size = (content.shape[1], content.shape[2])
    return decode(decoder, adaptive_instance_norm(own, wanted, alpha), size)
