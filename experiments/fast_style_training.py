"""How a stylizer is trained: what a batch is, what the loss of it is, and how good the outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key, UInt8

from experiments.crops import random_crops
from experiments.networks import Network
from experiments.style_stages import SCENES, SQUEEZENET, VGG
from jaxvision import style
from jaxvision.stylizers import AdaINDecoder, TransformerNet, adain_decoder, decode, encode, transformer_net

# Where arbitrary style exchanges moments, and the layers whose moments are compared with their shares.
ADAIN = {
    "squeezenet": ("features.4", {"features.1": 1.0, "features.3": 1.0, "features.4": 1.0, "features.6": 1.0}),
    "vgg": ("relu3_1", {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0}),
}


SHIFT = 8  # offsets of what is judged, from 0 to 7: the reduction of the layers that judge


class Batch(NamedTuple):
    """What a step sees. The network that judges is a part of it: its weights stay inputs of the compiled program.

    Attributes:
        content: `(N, H, W, 3)`, normalised.
        styles: `(N, H, W, 3)`, normalised, for arbitrary style; else None.
        features_fn: images to features by layer.
        targets: of `style.style_targets`, for one style; else None.
    """

    content: Float[Array, "n h w 3"]
    styles: Float[Array, "n h w 3"] | None
    features_fn: Callable
    targets: style.StyleTargets | None


@dataclass(frozen=True)
class Task:
    """A training: a model, batches by step, and a loss.

    Attributes:
        model: with its first weights.
        batch_fn: `step -> Batch`, a pytree.
        loss_fn: `(model, batch, key) -> (loss, metrics)`.
        layer: of the encoder, for arbitrary style; else None.
    """

    model: TransformerNet | AdaINDecoder
    batch_fn: Callable[[Int[Array, ""]], Batch]
    loss_fn: Callable[[Any, Batch, Key[Array, ""]], tuple[Float[Array, ""], dict[str, Float[Array, ""]]]]
    layer: str | None


def one_style(
    network: Network,
    photographs: UInt8[Array, "m s s 3"],
    picture: Float[Array, "1 h w 3"],
    *,
    statistic: style.StyleStatistic,
    weights: tuple[float, float, float],
    shape: tuple[int, int],
    batch_size: int,
    side: int,
    seed: int,
) -> Task:
    """Johnson's training: a network for one style.

    Args:
        network: judges content and style.
        photographs: to be styled.
        picture: the style, normalised.
        statistic: what of the style is matched.
        weights: of content, style and total variation.
        shape: width and number of blocks.
        batch_size: photographs in a batch.
        side: of a photograph in pixels.
        seed: of weights and crops.

    Returns:
        The task.
    """
    content_layers, style_layers = style_layers_of(network, picture)
    content_weight, style_weight, tv_weight = weights
    targets = style.style_targets(
        network.features_fn,
        picture,
        [picture],
        content_layers={},
        style_layers=style_layers,
        style_weights=[style_weight],
        tv_weight=tv_weight,
        statistic=statistic,
        relative=True,
    )
    crops = partial(random_crops, batch_size=batch_size, side=side)
    loss_fn = partial(
        _one_style_loss, content_layers=content_layers, content_weight=content_weight, statistic=statistic
    )
    weights_key, crops_key = jax.random.split(jax.random.key(seed))
    return Task(
        transformer_net(width=shape[0], n_blocks=shape[1], key=weights_key),
        Partial(partial(_one_style_batch, crops), photographs, crops_key, network.features_fn, targets),
        loss_fn,
        None,
    )


def any_style(
    network: Network,
    photographs: UInt8[Array, "m s s 3"],
    pictures: UInt8[Array, "p s s 3"],
    *,
    weights: tuple[float, float, float],
    batch_size: int,
    side: int,
    seed: int,
) -> Task:
    """Huang and Belongie's training: a decoder for the features of any style.

    Args:
        network: encodes and judges.
        photographs: to be styled.
        pictures: the styles.
        weights: of content, style and total variation.
        batch_size: photographs in a batch, each with a style of its own.
        side: of a photograph and of a style in pixels.
        seed: of weights and crops.

    Returns:
        The task.
    """
    layer, style_layers = ADAIN["vgg" if is_vgg(network) else "squeezenet"]
    weights_key, content_key, style_key = jax.random.split(jax.random.key(seed), 3)
    crops = partial(random_crops, batch_size=batch_size, side=side)
    content_weight, style_weight, tv_weight = weights
    loss_fn = partial(
        _any_style_loss,
        layer=layer,
        style_layers=style_layers,
        style_weight=style_weight / content_weight,
        tv_weight=tv_weight / content_weight,
    )
    return Task(
        adain_decoder(network.features_fn, layer, key=weights_key),
        Partial(partial(_any_style_batch, crops), photographs, pictures, content_key, style_key, network.features_fn),
        loss_fn,
        layer,
    )


def is_vgg(network: Network) -> bool:
    """Whether a network has VGG's layers."""
    return "relu4_2" in jax.eval_shape(network.features_fn, jnp.zeros((1, 64, 64, 3)))


def style_layers_of(network: Network, picture: Array) -> tuple[dict[str, float], dict[str, float]]:
    """Content and style layers of a network, with their shares: those of `experiments.style_transfer`."""
    if is_vgg(network):
        return VGG
    return SCENES if network.samples == "scenes" else SQUEEZENET


# What Partial binds becomes an array, so that counts and names are bound by functools.partial.


def _one_style_batch(crops, photographs, key, features_fn, targets, step):
    return Batch(crops(photographs, key, step), None, features_fn, targets)


def _any_style_batch(crops, photographs, pictures, content_key, style_key, features_fn, step):
    styles = crops(pictures, style_key, step)
    return Batch(crops(photographs, content_key, step), styles, features_fn, None)


def _one_style_loss(model, batch, key, *, content_layers, content_weight, statistic):
    content, images = _shifted(key, batch.content, model(batch.content))
    loss, terms = style.perceptual_loss(
        batch.features_fn,
        batch.targets,
        content,
        images,
        content_layers=content_layers,
        content_weight=content_weight,
        statistic=statistic,
        relative=True,
    )
    return jnp.mean(loss), _means(terms)


def _any_style_loss(model, batch, key, *, layer, style_layers, style_weight, tv_weight):
    del key
    encoder = partial(encode, batch.features_fn)
    own, wanted = encoder(batch.content), encoder(batch.styles)
    target = style.adaptive_instance_norm(own[layer], wanted[layer])
    images = decode(model, target, (batch.content.shape[1], batch.content.shape[2]))
    loss, terms = style.adain_loss(
        encoder, images, target, wanted, layer=layer, style_layers=style_layers, style_weight=style_weight,
        tv_weight=tv_weight,
    )  # fmt: skip
    return jnp.mean(loss), _means(terms)


def _shifted(key, *batches):
    """The same part of each, without a few rows and columns: the strides of judge and network must not fall together.

    Both reduce by four. Were they always in step, the network would learn what pleases the judge at its own grid, and
    draw that grid.
    """
    n, h, w, c = batches[0].shape
    top, left = jax.random.randint(key, (2,), 0, SHIFT)
    return [jax.lax.dynamic_slice(batch, (0, top, left, 0), (n, h - SHIFT + 1, w - SHIFT + 1, c)) for batch in batches]


def _means(terms):
    return {name: jnp.mean(values) for name, values in terms.items()}
