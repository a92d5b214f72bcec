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
from experiments.meshes import DIVIDED, WHOLE
from experiments.networks import Network
from experiments.style_stages import STATISTICS, is_vgg, suited_layers
from experiments.stylizer_files import Stylizer
from jaxvision import style
from jaxvision.signatures import FeaturesFn
from jaxvision.stylizers import AdaINDecoder, TransformerNet, adain_decoder, decode, encode, transformer_net

Loss = tuple[Float[Array, ""], dict[str, Float[Array, ""]]]

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
        manner: for one style, targets of `style.style_targets`; for any, a style for each, `(N, H, W, 3)`, normalised.
        features_fn: images to features by layer.
    """

    content: Float[Array, "n h w 3"]
    manner: Any
    features_fn: FeaturesFn


@dataclass(frozen=True)
class Task:
    """A training: a model, batches by step, and a loss.

    Attributes:
        stylizer: with its model's first weights.
        batch_fn: `step -> Batch`, a pytree.
        loss_fn: `(model, batch, key) -> (loss, metrics)`.
        divides: how a batch lies on a mesh.
    """

    stylizer: Stylizer
    batch_fn: Callable[[Int[Array, ""]], Batch]
    loss_fn: Callable[[Any, Batch, Key[Array, ""]], Loss]
    divides: Batch


def one_style(
    config: Any, network: Network, photographs: UInt8[Array, "m s s 3"], picture: Float[Array, "1 h w 3"]
) -> Task:
    """Johnson's training: a network for one style.

    Args:
        config: the settings of `experiments.fast_style`, resolved.
        network: judges content and style.
        photographs: to be styled.
        picture: the style, normalised.

    Returns:
        The task.
    """
    content_layers, style_layers = suited_layers(network)
    weights_key, crops_key = jax.random.split(jax.random.key(config.seed))
    judged: dict[str, Any] = {"statistic": STATISTICS[config.statistic], "relative": True}
    targets = style.style_targets(
        network.features_fn,
        picture,
        [picture],
        content_layers={},
        style_layers=style_layers,
        style_weights=[config.style_weight],
        tv_weight=config.tv_weight,
        **judged,
    )
    crops = partial(random_crops, batch_size=config.batch_size, side=config.size)

    def batch_fn(
        photographs: Array, key: Array, features_fn: FeaturesFn, targets: style.StyleTargets, step: Array
    ) -> Batch:
        return Batch(crops(photographs, key, step), targets, features_fn)

    def loss_fn(model: TransformerNet, batch: Batch, key: Key[Array, ""]) -> Loss:
        content, images = _shifted(key, batch.content, model(batch.content))
        loss, terms = style.perceptual_loss(
            batch.features_fn,
            batch.manner,
            content,
            images,
            content_layers=content_layers,
            content_weight=config.content_weight,
            **judged,
        )
        return jnp.mean(loss), jax.tree.map(jnp.mean, terms)

    model = transformer_net(width=config.width, n_blocks=config.n_blocks, key=weights_key)
    return Task(
        Stylizer(model, None, "", "in training"),
        Partial(batch_fn, photographs, crops_key, network.features_fn, targets),
        loss_fn,
        Batch(DIVIDED, WHOLE, WHOLE),
    )


def any_style(
    config: Any, network: Network, photographs: UInt8[Array, "m s s 3"], pictures: UInt8[Array, "p s s 3"]
) -> Task:
    """Huang and Belongie's training: a decoder for the features of any style.

    Args:
        config: the settings of `experiments.fast_style`, resolved.
        network: encodes and judges.
        photographs: to be styled.
        pictures: the styles, one drawn for each photograph of a batch.

    Returns:
        The task.
    """
    layer, style_layers = ADAIN["vgg" if is_vgg(network) else "squeezenet"]
    weights_key, content_key, style_key = jax.random.split(jax.random.key(config.seed), 3)
    crops = partial(random_crops, batch_size=config.batch_size, side=config.size)

    def batch_fn(photographs: Array, pictures: Array, keys: Array, features_fn: FeaturesFn, step: Array) -> Batch:
        return Batch(crops(photographs, keys[0], step), crops(pictures, keys[1], step), features_fn)

    def loss_fn(model: AdaINDecoder, batch: Batch, _key: Key[Array, ""]) -> Loss:
        encoder = partial(encode, batch.features_fn)
        own, wanted = encoder(batch.content), encoder(batch.manner)
        target = style.adaptive_instance_norm(own[layer], wanted[layer])
        _, height, width, _ = batch.content.shape
        images = decode(model, target, (height, width))
        loss, terms = style.adain_loss(
            encoder,
            images,
            target,
            wanted,
            layer=layer,
            style_layers=style_layers,
            style_weight=config.style_weight / config.content_weight,
            tv_weight=config.tv_weight / config.content_weight,
        )
        return jnp.mean(loss), jax.tree.map(jnp.mean, terms)

    model = adain_decoder(network.features_fn, layer, key=weights_key)
    return Task(
        Stylizer(model, network, layer, "in training"),
        Partial(batch_fn, photographs, pictures, jnp.stack([content_key, style_key]), network.features_fn),
        loss_fn,
        Batch(DIVIDED, DIVIDED, WHOLE),
    )


def _shifted(key: Key[Array, ""], *batches: Float[Array, "n h w 3"]) -> list[Float[Array, "n h2 w2 3"]]:
    """The same part of each, without a few rows and columns: the strides of judge and network must not fall together.

    Both reduce by four. Were they always in step, the network would learn what pleases the judge at its own grid, and
    draw that grid.
    """
    n, h, w, c = batches[0].shape
    top, left = jax.random.randint(key, (2,), 0, SHIFT)
    return [jax.lax.dynamic_slice(batch, (0, top, left, 0), (n, h - SHIFT + 1, w - SHIFT + 1, c)) for batch in batches]
