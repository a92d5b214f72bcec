"""The assignment's own names and conventions, each a line or two onto the library.

For those who come from Stanford's CS231n, assignment 3. Images are floats `(N, H, W, 3)`, normalised with ImageNet's
mean and deviation (`pixels.normalize`); one image is a batch of one. A network is a function from images to logits:

    logits_fn = backbones.logits_fn(backbones.squeezenet1_1(weights="imagenet"))
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision import style
from jaxvision.adversarial import fooling_image
from jaxvision.attribution import saliency_map
from jaxvision.pixels import Keys, advance, normalize, resize, start
from jaxvision.visualization import class_visualization

Classes = Int[ArrayLike, "..."] | Sequence[int]


def compute_saliency_maps(logits_fn: Callable, X: Float[ArrayLike, "n h w c"], y: Classes) -> Float[Array, "n h w"]:
    """Class saliency maps of images and their labels: `attribution.saliency_map`.

    Args:
        logits_fn: images to logits.
        X: `(N, H, W, 3)`, normalised.
        y: `(N,)` labels, or one label for all images.

    Returns:
        `(N, H, W)`, the largest absolute gradient over the colour channels.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> compute_saliency_maps(lambda x: x.sum(axis=(1, 2)), jnp.ones((1, 1, 2, 3)), [0])
        Array([[[1., 1.]]], dtype=float32)
    """
    return saliency_map(logits_fn, X, _one_per_image(y, np.shape(X)[0]))


def make_fooling_image(
    logits_fn: Callable,
    X: Float[ArrayLike, "n h w c"],
    target_y: Classes,
    *,
    learning_rate: float = 1.0,
    num_steps: int = 100,
) -> Float[Array, "n h w c"]:
    """Images near X that are classified as target_y: the images of `adversarial.fooling_image`.

    Args:
        logits_fn: images to logits.
        X: `(1, H, W, 3)` or a batch, normalised.
        target_y: the class to be mistaken for, or `(N,)`, one for each image.
        learning_rate: length of a step of the normalised gradient.
        num_steps: steps at most; an image stops as soon as it is classified as its target.

    Returns:
        Images of X's shape; those that could not be fooled in time are the last reached.

    Raises:
        InputError: if images, targets or logits have the wrong shape, type or range.

    Example:
        >>> make_fooling_image(lambda x: x.sum(axis=(1, 2)), jnp.zeros((1, 1, 1, 3)), 2).ravel()
        Array([0., 0., 1.], dtype=float32)
    """
    targets = _one_per_image(target_y, np.shape(X)[0])
    return fooling_image(logits_fn, X, targets, learning_rate=learning_rate, n_steps=num_steps).images


def create_class_visualization(
    logits_fn: Callable,
    target_y: Classes,
    *,
    key: Keys,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    l2_reg: float = 1e-3,
    learning_rate: float = 25.0,
    num_iterations: int = 100,
    blur_every: int = 10,
    max_jitter: int = 16,
) -> Float[Array, "n h w c"]:
    """Images that maximise the score of target_y: the images of `visualization.class_visualization`.

    Args:
        logits_fn: images to logits.
        target_y: a class, or `(N,)` classes, each with an image of its own.
        key: decides the noise to begin with and the jitter.
        image_shape: `(H, W, 3)`.
        l2_reg: weight of the penalty on the square norm.
        learning_rate: length of a step of the normalised gradient.
        num_iterations: steps.
        blur_every: steps from one blur to the next.
        max_jitter: largest circular shift in pixels.

    Returns:
        `(N, H, W, 3)`, N = 1 for a single class: normalised, as every function here takes it. `pixels.denormalize`
        gives [0, 1] for display.

    Raises:
        InputError: if targets or logits have the wrong shape, type or range.

    Example:
        >>> import jax
        >>> logits_fn = lambda x: x.mean(axis=(1, 2))
        >>> create_class_visualization(logits_fn, 2, key=jax.random.key(0), image_shape=(8, 8, 3)).shape
        (1, 8, 8, 3)
    """
    return class_visualization(
        logits_fn,
        _one_per_image(target_y, 1),
        key=key,
        image_shape=image_shape,
        l2=l2_reg,
        learning_rate=learning_rate,
        n_steps=num_iterations,
        blur_every=blur_every,
        max_jitter=max_jitter,
    ).images


def extract_features(x: Float[ArrayLike, "n h w 3"], cnn: Callable) -> list[Float[Array, "n _ _ _"]]:
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
    cnn: Callable,
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


def _by_index(cnn: Callable, images: Float[Array, "n h w 3"]) -> dict[str, Array]:
    return {str(i): features for i, features in enumerate(extract_features(images, cnn))}


def _one_per_image(classes: Classes, n: int) -> Int[Array, "..."] | Int[np.ndarray, "..."]:
    """A class given once, for each of n images; several as they are."""
    array = classes if isinstance(classes, jnp.ndarray) else np.asarray(classes)
    return array if array.ndim else jnp.broadcast_to(jnp.asarray(array), (n,))
