"""Trained stylizers as files: one network for one style, or a decoder for any; and the function that either is."""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from experiments.networks import CHECKPOINTS, Network, load_network
from jaxvision import weights
from jaxvision.backbones import state_dict
from jaxvision.errors import InputError
from jaxvision.signatures import FeaturesFn, ImagesFn
from jaxvision.stylizers import AdaINDecoder, TransformerNet, adain_decoder, adain_stylize, transformer_net

EMBEDDED = CHECKPOINTS / "transformer_tissue.safetensors"


@dataclass(frozen=True)
class Stylizer:
    """A trained network and what it takes to use it.

    Attributes:
        model: the network.
        encoder: what an `AdaINDecoder` decodes the features of; None for a network of one style.
        layer: of the encoder, "" for a network of one style.
        note: one sentence, what it is.
    """

    model: TransformerNet | AdaINDecoder
    encoder: Network | None
    layer: str
    note: str

    @property
    def min_side(self) -> int:
        """The fewest pixels a side of an image may have."""
        return 8 if self.encoder is None else 17

    def function(self, style: Float[Array, "1 h w 3"] | None = None, alpha: float = 1.0) -> ImagesFn:
        """Normalised images to normalised images, as a pytree.

        Args:
            style: normalised, for a decoder.
            alpha: how much of it.

        Returns:
            `(N, H, W, 3)` to `(N, H, W, 3)`.
        """
        if self.encoder is None:
            return self.model
        of_layer = partial(_any_style, layer=self.layer)  # Partial would make an array of the name
        return Partial(of_layer, self.encoder.features_fn, self.model, style, np.float32(alpha))


def save_stylizer(file: Path, stylizer: Stylizer) -> None:
    """Writes a network in half precision: half the size, and no picture changes by more than a shade.

    Args:
        file: the safetensors file.
        stylizer: what to write.

    Raises:
        InputError: if the file cannot be written.
    """
    about = {"kind": "transformer"}
    if stylizer.encoder is not None:
        about = {
            "kind": "adain",
            "encoder": stylizer.encoder.weights,
            "encoder_sha256": fingerprint(stylizer.encoder),
            "layer": stylizer.layer,
        }
    weights.save(file, {name: value.astype(np.float16) for name, value in state_dict(stylizer.model).items()}, about)


def load_stylizer(file: Path, encoder_weights: str = "auto") -> Stylizer:
    """The network of a file.

    Args:
        file: of `save_stylizer`.
        encoder_weights: for a decoder, its encoder as a `--weights` flag names it; "auto" for the one it was trained
            with.

    Returns:
        The stylizer.

    Raises:
        InputError: if the file is missing, damaged or of another kind, or the encoder is not the decoder's own.
    """
    if not file.exists():
        raise InputError(
            f"{file} is not there: train a network with python -m experiments.fast_style --mode train --export FILE, "
            "and give it as --network FILE"
        )
    tensors = weights.load(file)
    if "down0.conv.weight" in tensors:
        return Stylizer(transformer_net(file), None, "", f"{file.name}, a network for one style")
    about = weights.metadata(file)
    if not {"in.conv.weight", "up0.0.conv.weight"} <= set(tensors) or not {"encoder", "layer"} <= set(about):
        raise InputError(
            f"{file} holds parameters of no stylizer ({', '.join(list(tensors)[:3])}, ...): give a file that "
            "python -m experiments.fast_style --mode train --export FILE wrote"
        )
    encoder = load_network(about["encoder"] if encoder_weights == "auto" else encoder_weights)
    if fingerprint(encoder) != about.get("encoder_sha256"):
        raise InputError(
            f"{file} decodes the features of another network than {encoder.name}: it was trained with --weights "
            f"{about['encoder']}, give those"
        )
    model = adain_decoder(encoder.features_fn, about["layer"], weights=file)
    return Stylizer(model, encoder, about["layer"], f"{file.name}, a decoder for any style, of {encoder.name}")


def rounded(stylizer: Stylizer) -> Stylizer:
    """The stylizer as `load_stylizer` will find it."""
    half = jax.tree.map(lambda leaf: leaf.astype("float16").astype(leaf.dtype), stylizer.model)
    return replace(stylizer, model=half)


def fingerprint(network: Network) -> str:
    """SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(network.features_fn):
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def _any_style(
    features_fn: FeaturesFn, decoder: AdaINDecoder, style: Array, alpha: Array, images: Array, *, layer: str
) -> Array:
    return adain_stylize(features_fn, decoder, images, style, layer=layer, alpha=alpha)
