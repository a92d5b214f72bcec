"""What a network that styles in one pass is trained by."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.pixels.loop import Terms
from jaxvision.signatures import FeaturesFn
from jaxvision.style.losses import content_loss, total_variation_loss
from jaxvision.style.objective import Layers, StyleObjective, StyleTargets, style_targets
from jaxvision.style.statistic import GRAM, MOMENTS, StyleStatistic


def perceptual_loss(
    features_fn: FeaturesFn,
    targets: StyleTargets,
    content: Float[Array, "n h w c"],
    images: Float[Array, "n h w c"],
    *,
    content_layers: Layers,
    content_weight: ArrayLike = 1.0,
    statistic: StyleStatistic = GRAM,
    relative: bool = False,
) -> tuple[Float[Array, " n"], Terms]:
    r"""How far each image is from its own content and from a style that all of them share.

    $$ L = \sum_l \alpha_l L_\text{content}^l(y, x) + \sum_s \sum_l \beta_{sl} L_\text{style}^{sl}(y)
         + \gamma L_\text{TV}(y), \qquad y = f_W(x) $$

    The objective of `style_problem`, with contents that change from batch to batch, as training needs it.

    Args:
        features_fn: images to a dictionary of feature maps by layer.
        targets: of `style_targets` for one image: styles, their weights and that of the total variation; what it holds
            of a content is not looked at.
        content: x, `(N, H, W, C)`.
        images: y, `(N, H, W, C)`, what the network made of them.
        content_layers: layer to its share of the content.
        content_weight: of all content layers together.
        statistic: as given to `style_targets`.
        relative: as given to `style_targets`.

    Returns:
        `(N,)`, and the weighted terms by name, `(N,)` each: "content/LAYER", "style/LAYER", "tv".

    Example:
        >>> features_fn, layers = (lambda images: {"pixels": images}), {"pixels": 1.0}
        >>> grey = jnp.full((2, 8, 8, 3), 0.5)
        >>> targets = style_targets(features_fn, grey[:1], [grey[:1]], content_layers=layers, style_layers=layers)
        >>> perceptual_loss(features_fn, targets, grey, grey + 1, content_layers=layers)[1]["content/pixels"]
        Array([1., 1.], dtype=float32)

    References:
        Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution",
        https://arxiv.org/abs/1603.08155, 2016, equation 5. Departures: all terms are means, and several styles are
        allowed.
    """
    own = style_targets(
        features_fn,
        content,
        [],
        content_layers=content_layers,
        style_layers={},
        content_weight=content_weight,
        relative=relative,
    )
    shared = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(images), *leaf.shape[1:])), targets)
    both = shared._replace(content=own.content, content_weights=own.content_weights)
    return StyleObjective(statistic)(features_fn, both, images)


def adain_loss(
    features_fn: FeaturesFn,
    images: Float[Array, "n h w c"],
    target: Float[Array, "n h2 w2 d"],
    style_features: Mapping[str, Float[Array, "n _ _ _"]],
    *,
    layer: str,
    style_layers: Layers,
    style_weight: ArrayLike = 1.0,
    tv_weight: ArrayLike = 0.0,
) -> tuple[Float[Array, " n"], Terms]:
    r"""How far each decoded image is from the normalised features it was made from, and from its style's moments.

    $$ L = \frac{\lVert F_l(y) - t \rVert^2}{\lVert t \rVert^2} + \beta \sum_k w_k
         \frac{d(M(F_k(y)), M(F_k(s)))}{d(0, M(F_k(s)))} + \gamma L_\text{TV}(y), \qquad y = g(t) $$

    with $t$ of `adaptive_instance_norm` and $M$ the mean and deviation of each channel. Each layer is measured in units
    of its own size, so that weights hold for every network.

    Args:
        features_fn: images to a dictionary of feature maps by layer.
        images: y, `(N, H, W, C)`, the decoder's.
        target: t, `(N, h, w, D)`, as large as the features of y.
        style_features: layer to the features of the styles, `(N, h, w, c)`.
        layer: of the encoder, where t is.
        style_layers: layer to its share of the style.
        style_weight: beta.
        tv_weight: gamma.

    Returns:
        `(N,)`, and the weighted terms by name, `(N,)` each: "content/LAYER", "style/LAYER", "tv".

    Example:
        >>> features_fn, ramp = (lambda images: {"pixels": images}), jnp.arange(48.0).reshape(1, 4, 4, 3)
        >>> words = {"layer": "pixels", "style_layers": {"pixels": 1.0}}
        >>> adain_loss(features_fn, ramp, ramp, {"pixels": ramp}, **words)[0]  # all that was wanted
        Array([0.], dtype=float32)

    References:
        Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
        https://arxiv.org/abs/1703.06868, 2017, equations 11 to 13: the content term is against t, not against the
        content. Departures: squared differences, in units of each layer.
    """
    features = features_fn(images)
    terms: Terms = {f"content/{layer}": content_loss(features[layer], target) / _unit(content_loss(0 * target, target))}
    for name, share in style_layers.items():
        wanted = MOMENTS.summarize(style_features[name])
        nothing = MOMENTS.summarize(0 * style_features[name])
        distance = MOMENTS.distance(MOMENTS.summarize(features[name]), wanted)
        terms[f"style/{name}"] = jnp.asarray(style_weight) * share * distance / _unit(MOMENTS.distance(nothing, wanted))
    terms["tv"] = jnp.asarray(tv_weight) * total_variation_loss(images)
    return sum(terms.values(), start=jnp.zeros_like(terms["tv"])), terms


def _unit(size: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.lax.stop_gradient(jnp.maximum(size, 1e-12))
