"""Style transfer as an objective for the pixel loop: what an image shall keep, what it shall take on."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import PixelProblem, check_images, pytree_function, resize
from jaxvision.pixels.loop import Terms
from jaxvision.signatures import FeaturesFn
from jaxvision.style.losses import content_loss, total_variation_loss
from jaxvision.style.statistic import GRAM, StyleStatistic

Layers = Mapping[str, float | int]


class StyleTargets(NamedTuple):
    """What N images are to become: a pytree whose leaves all have a leading axis N.

    Attributes:
        content: layer to the content's features.
        content_weights: layer to `(N,)`.
        styles: for each style, layer to its statistics.
        style_weights: for each style, layer to `(N,)`.
        regions: for each style, where it shall show, `(N, H, W)`; None for everywhere.
        tv_weight: `(N,)`.
    """

    content: dict[str, Float[Array, "n h w c"]]
    content_weights: dict[str, Float[Array, " n"]]
    styles: tuple[dict[str, Any], ...]
    style_weights: tuple[dict[str, Float[Array, " n"]], ...]
    regions: tuple[Float[Array, "n h w"] | None, ...]
    tv_weight: Float[Array, " n"]


@dataclasses.dataclass(frozen=True)
class StyleObjective:
    r"""The weighted sum of content, style and total variation, with every term by its layer.

    $$ L(x) = \sum_l \alpha_l L_\text{content}^l + \sum_s \sum_l \beta_{sl} L_\text{style}^{sl} + \gamma L_\text{TV} $$

    Attributes:
        statistic: what a style is.
        normalize: means over pixels and channels in content and total variation, so that weights hold for every size;
            False for plain sums, as in the assignment.
    """

    statistic: StyleStatistic = GRAM
    normalize: bool = True

    def __call__(
        self, features_fn: FeaturesFn, targets: StyleTargets, images: Float[Array, "n h w c"]
    ) -> tuple[Float[Array, " n"], Terms]:
        """Loss and weighted terms: "content/LAYER", "style/LAYER" (summed over styles), "tv"."""
        features = features_fn(images)
        terms: Terms = {}
        for layer, weight in targets.content_weights.items():
            distance = content_loss(features[layer], targets.content[layer], normalize=self.normalize)
            terms[f"content/{layer}"] = weight * distance
        for style, weights, region in zip(targets.styles, targets.style_weights, targets.regions, strict=True):
            for layer, weight in weights.items():
                found = self.statistic.summarize(features[layer], region_at(region, features[layer]))
                term = weight * self.statistic.distance(found, style[layer])
                terms[f"style/{layer}"] = terms.get(f"style/{layer}", jnp.zeros_like(term)) + term
        terms["tv"] = targets.tv_weight * total_variation_loss(images, normalize=self.normalize)
        loss = sum(terms.values(), start=jnp.zeros_like(terms["tv"]))
        return loss, terms


def region_at(
    region: Float[Array, "n h w"] | None, features: Float[Array, "n h2 w2 c"]
) -> Float[Array, "n h2 w2"] | None:
    """A region at the size of a layer: the share of each feature's neighbourhood that lies inside.

    Example:
        >>> region_at(jnp.array([[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]]), jnp.zeros((1, 1, 3, 3)))[0, 0, 1].item()
        0.5
    """
    if region is None:
        return None
    return resize(region[..., None], (features.shape[1], features.shape[2]))[..., 0]


def style_targets(
    features_fn: FeaturesFn,
    content: Float[ArrayLike, "n h w c"],
    styles: Sequence[Float[ArrayLike, "_ _ _ _"]],
    *,
    content_layers: Layers,
    style_layers: Layers,
    content_weight: ArrayLike = 1.0,
    style_weights: Sequence[ArrayLike] | None = None,
    tv_weight: ArrayLike = 0.0,
    regions: Sequence[Float[ArrayLike, "_ _ _"] | None] | None = None,
    statistic: StyleStatistic = GRAM,
    relative: bool = False,
) -> StyleTargets:
    """The features of contents and the statistics of styles, for a batch of N images.

    Every weight is a number or `(N,)`: a contact sheet over styles, weights and seeds is one batch.

    Args:
        features_fn: images `(N, H, W, C)` to a dictionary of feature maps by layer, each image on its own.
        content: `(N, H, W, C)`, what to keep.
        styles: S of `(1, h, w, C)`, the same for all images, or `(N, h, w, C)`, one for each; each of its own size.
        content_layers: layer to its share of the content.
        style_layers: layer to its share of each style.
        content_weight: of all content layers together; 0 leaves texture synthesis.
        style_weights: one for each style, 1 if not given; 0 leaves feature inversion.
        tv_weight: of the total variation.
        regions: one for each style, `(1, H, W)` or `(N, H, W)` in [0, 1], where it shall show; None for everywhere.
        statistic: what a style is.
        relative: measure each layer's distance in units of what an image without any features would be away. Weights
            then hold for every network and statistic; otherwise they depend on how large a layer's values are.

    Returns:
        The targets of `style_problem`.

    Raises:
        InputError: if numbers of styles, weights and regions do not match, a region has another size than the content,
            or a layer is not among the features.

    Example:
        >>> features_fn = lambda images: {"pixels": images}
        >>> targets = style_targets(
        ...     features_fn, jnp.ones((2, 8, 8, 3)), [jnp.ones((1, 6, 6, 3))],
        ...     content_layers={"pixels": 1.0}, style_layers={"pixels": 1.0}, content_weight=jnp.array([0.1, 10.0])
        ... )
        >>> targets.content_weights["pixels"], targets.styles[0]["pixels"].shape
        (Array([ 0.1, 10. ], dtype=float32), (2, 3, 3))
    """
    content = check_images(content)
    styles = [check_images(style) for style in styles]
    n, h, w, _ = content.shape
    style_weights = [1.0] * len(styles) if style_weights is None else list(style_weights)
    regions = [None] * len(styles) if regions is None else list(regions)
    if not len(styles) == len(style_weights) == len(regions):
        raise InputError(
            f"there must be one weight and one region for each style, got {len(styles)} styles, "
            f"{len(style_weights)} weights and {len(regions)} regions"
        )
    check_regions(regions, (h, w))
    features_fn = pytree_function(features_fn)
    kept = {layer: weight for layer, weight in content_layers.items() if weight}
    taken = {layer: weight for layer, weight in style_layers.items() if weight}
    _require_layers(features_fn, content, [*kept, *taken])
    features, content_units = _describe(features_fn, content, tuple(kept), _UNCHANGED, relative=relative)
    described = [_describe(features_fn, style, tuple(taken), statistic, relative=relative) for style in styles]

    def weighted(weight: ArrayLike, shares: Layers, units: dict[str, Array]) -> dict[str, Array]:
        return {layer: _per_image(weight, n) * share / _rows(units[layer], n) for layer, share in shares.items()}

    return StyleTargets(
        content=features,
        content_weights=weighted(content_weight, kept, content_units),
        styles=tuple(jax.tree.map(lambda leaf: _rows(leaf, n), targets) for targets, _ in described),
        style_weights=tuple(
            weighted(own, taken, units) for own, (_, units) in zip(style_weights, described, strict=True)
        ),
        regions=tuple(None if region is None else _rows(jnp.asarray(region), n) for region in regions),
        tv_weight=_per_image(tv_weight, n),
    )


def check_regions(regions: Sequence[Float[ArrayLike, "_ _ _"] | None], size: tuple[int, int]) -> None:
    """Refuses regions of another size than the content.

    Raises:
        InputError: one sentence with both sizes.
    """
    for region in regions:
        found = size if region is None else jnp.shape(region)[1:]
        if found != size:
            raise InputError(
                f"a region must have the content's size {size[0]} x {size[1]}, got {' x '.join(map(str, found))}: "
                "resize it first"
            )


def style_problem(
    features_fn: FeaturesFn,
    targets: StyleTargets,
    optimizer: optax.GradientTransformation,
    *,
    statistic: StyleStatistic = GRAM,
    normalize: bool = True,
    project: Callable[[Array, Array], Array] | None = None,
) -> PixelProblem:
    """Style transfer for the pixel loop: `pixels.start` from an image, then `pixels.advance`.

    Args:
        features_fn: images to a dictionary of feature maps.
        targets: of `style_targets`.
        optimizer: an optax optimiser, one for each image; build it once, or take `style.adam` or `style.lbfgs`.
        statistic: as given to `style_targets`.
        normalize: means (weights hold for every size) or, as in the assignment, plain sums.
        project: `(images, step) -> images` after each update.

    Returns:
        The problem; its terms are "content/LAYER", "style/LAYER" and "tv".

    Example:
        >>> from jaxvision import pixels
        >>> features_fn, layers = lambda images: {"pixels": images}, {"pixels": 1.0}
        >>> content, style = jnp.ones((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 3))
        >>> targets = style_targets(features_fn, content, [style], content_layers=layers, style_layers=layers)
        >>> problem = style_problem(features_fn, targets, optax.sgd(0.1))
        >>> state, trace = pixels.advance(problem, pixels.start(problem, content), n_steps=2)
        >>> sorted(trace)
        ['content/pixels', 'loss', 'style/pixels', 'tv']
    """
    objective = jax.tree_util.Partial(StyleObjective(statistic, normalize), pytree_function(features_fn), targets)
    return PixelProblem(objective, optimizer, project=project)


def _unchanged(features: Array) -> Array:
    return features


_UNCHANGED = StyleStatistic(_unchanged, content_loss)  # a content, described as a style is: by the features themselves


@functools.partial(jax.jit, static_argnames=("layers", "statistic", "relative"))
def _describe(
    features_fn: FeaturesFn, images: Array, layers: tuple[str, ...], statistic: StyleStatistic, *, relative: bool
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Statistics by layer, and the unit of each layer's distance."""
    features = features_fn(images)
    found = {layer: statistic.summarize(features[layer]) for layer in layers}
    units = {
        layer: statistic.distance(statistic.summarize(0 * features[layer]), target) for layer, target in found.items()
    }
    return found, {
        layer: jnp.maximum(unit, 1e-12) if relative else jnp.ones_like(unit) for layer, unit in units.items()
    }


def _require_layers(features_fn: FeaturesFn, images: Array, layers: Sequence[str]) -> None:
    known = jax.eval_shape(features_fn, images)
    for layer in layers:
        if layer not in known:
            raise InputError(f"there is no layer {layer!r} among the features: choose from {', '.join(known)}")


def _per_image(weight: ArrayLike, n: int) -> Float[Array, " n"]:
    return jnp.broadcast_to(jnp.asarray(weight, jnp.result_type(float)), (n,))


def _rows(leaf: Array, n: int) -> Array:
    if leaf.shape[0] not in (1, n):
        raise InputError(f"a style or region must be one for all or one for each of {n} images, got {leaf.shape[0]}")
    return jnp.broadcast_to(leaf, (n, *leaf.shape[1:]))
