"""Style transfer: the exercise's losses, its features and its run."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision import style
from jaxvision.backbones.classifier import Model
from jaxvision.pixels import Keys, advance, normalize, resize, start


def extract_features(x: Float[ArrayLike, "n h w 3"], cnn: Model) -> list[Float[Array, "n _ _ _"]]:
    """The outputs of SqueezeNet's `features[0]` to `features[12]`.

    Args:
        x: `(N, H, W, 3)`, normalised.
        cnn: `model(images) -> (logits, activations)`, such as `backbones.squeezenet1_1("imagenet")`.

    Returns:
        Thirteen feature maps.

    Example:
        >>> from jaxvision.backbones import squeezenet1_1
        >>> features = jax.jit(extract_features)(jnp.zeros((1, 32, 32, 3)), squeezenet1_1())
        >>> len(features), features[5].shape
        (13, (1, 3, 3, 128))
    """
    activations = cnn(jnp.asarray(x))[1]
    return [activations[f"features.{i}"] for i in range(13)]


def content_loss(
    content_weight: ArrayLike, content_current: Float[Array, "n h w c"], content_original: Float[Array, "n h w c"]
) -> Float[Array, ""]:
    """The weighted sum of squared differences: `style.content_loss` without its mean.

    Args:
        content_weight: the weight.
        content_current: `(1, H, W, C)`, features of the image.
        content_original: `(1, H, W, C)`, features of the content.

    Returns:
        A scalar.

    Example:
        >>> content_loss(0.5, jnp.ones((1, 2, 2, 3)), jnp.zeros((1, 2, 2, 3)))
        Array(6., dtype=float32)
    """
    return jnp.asarray(content_weight) * jnp.sum(style.content_loss(content_current, content_original, normalize=False))


def gram_matrix(features: Float[Array, "n h w c"], normalize: bool = True) -> Float[Array, "n c c"]:
    """Products of channels, divided by H * W * C if asked for: `style.gram_matrix`.

    Args:
        features: `(N, H, W, C)`.
        normalize: divide by H * W * C.

    Returns:
        `(N, C, C)`.

    Example:
        >>> gram_matrix(jnp.ones((1, 2, 2, 1)), normalize=False)
        Array([[[4.]]], dtype=float32)
    """
    return style.gram_matrix(features, normalize=normalize)


def style_loss(
    feats: Sequence[Float[Array, "n _ _ _"]],
    style_layers: Sequence[int],
    style_targets: Sequence[Float[Array, "n _ _"]],
    style_weights: Sequence[ArrayLike],
) -> Float[Array, ""]:
    """The weighted sum of squared distances of Gram matrices: `style.style_loss`.

    Args:
        feats: of `extract_features`.
        style_layers: indices into `feats`.
        style_targets: for each of these layers the Gram matrix of the style, `(1, C, C)`.
        style_weights: for each of these layers its weight.

    Returns:
        A scalar.

    Example:
        >>> style_loss([jnp.ones((1, 2, 2, 1))], [0], [jnp.zeros((1, 1, 1))], [3.0])
        Array(3., dtype=float32)
    """
    layers = [str(layer) for layer in style_layers]
    features = {str(i): value for i, value in enumerate(feats)}
    targets, weights = dict(zip(layers, style_targets, strict=True)), dict(zip(layers, style_weights, strict=True))
    return jnp.sum(style.style_loss(features, targets, weights))


def tv_loss(img: Float[Array, "n h w 3"], tv_weight: ArrayLike) -> Float[Array, ""]:
    """The weighted sum of squared differences of neighbours: `style.total_variation_loss` without its mean.

    Args:
        img: `(1, H, W, 3)`.
        tv_weight: the weight.

    Returns:
        A scalar.

    Example:
        >>> tv_loss(jnp.arange(6.0).reshape(1, 1, 2, 3), 0.5)
        Array(13.5, dtype=float32)
    """
    return jnp.asarray(tv_weight) * jnp.sum(style.total_variation_loss(img, normalize=False))


def style_transfer(
    cnn: Model,
    content_image: Float[ArrayLike, "1 h w 3"],
    style_image: Float[ArrayLike, "1 h2 w2 3"],
    image_size: int,
    style_size: int,
    content_layer: int,
    content_weight: ArrayLike,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    tv_weight: ArrayLike,
    init_random: bool = False,
    *,
    key: Keys | None = None,
    num_iterations: int = 200,
) -> Float[Array, "1 h3 w3 3"]:
    """The assignment's run: Adam at 3.0, begun anew at 0.1 after 180 of 200 iterations, clamped to +-1.5 until 190.

    `style.transfer` is the same with weights that hold for every size, from coarse to fine.

    Args:
        cnn: `model(images) -> (logits, activations)`, such as `backbones.squeezenet1_1("imagenet")`.
        content_image: `(1, H, W, 3)` in [0, 1].
        style_image: `(1, H, W, 3)` in [0, 1].
        image_size: short side of the result.
        style_size: short side of the style.
        content_layer: index into `extract_features`.
        content_weight: see `content_loss`; with style weights of 0 the content is inverted from its features.
        style_layers: indices into `extract_features`.
        style_weights: see `style_loss`; with content weight 0 the style's texture is synthesised.
        tv_weight: see `tv_loss`.
        init_random: begin from uniform noise in [0, 1] instead of the content.
        key: of that noise; `jax.random.key(0)` if not given.
        num_iterations: steps; the times above are 180, 190 and 200 of 200.

    Returns:
        `(1, H, W, 3)`, normalised; `pixels.denormalize` gives [0, 1] for display.

    Raises:
        InputError: if a layer or a shape does not fit.

    Example:
        >>> from jaxvision.backbones import squeezenet1_1
        >>> photo, painting = jnp.zeros((1, 32, 40, 3)), jnp.ones((1, 50, 40, 3))
        >>> style_transfer(squeezenet1_1(), photo, painting, 32, 32, 3, 6e-2, [1, 4], [3e5, 1e3], 2e-2).shape
        (1, 32, 40, 3)
    """
    content = normalize(resize(content_image, image_size))
    features_fn = jax.tree_util.Partial(_by_index, cnn)
    targets = style.style_targets(
        features_fn,
        content,
        [normalize(resize(style_image, style_size))],
        content_layers={str(content_layer): 1.0},
        style_layers=dict(zip(map(str, style_layers), map(float, style_weights), strict=True)),
        content_weight=content_weight,
        tv_weight=tv_weight,
    )
    noise = jax.random.uniform(jax.random.key(0) if key is None else key, content.shape)
    images = jnp.clip(noise if init_random else content, -style.CLAMP, style.CLAMP)
    for optimizer, n_steps, project in style.published_schedule(num_iterations):
        problem = style.style_problem(features_fn, targets, optimizer, normalize=False, project=project)
        images = advance(problem, start(problem, images), n_steps=n_steps)[0].images
    return images


def _by_index(cnn: Model, images: Float[Array, "n h w 3"]) -> dict[str, Array]:
    return {str(i): features for i, features in enumerate(extract_features(images, cnn))}
