"""Feature inversion: the image that a layer's activations tell of."""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipNormalized,
    Keys,
    PixelProblem,
    Transform,
    check_images,
    optimize,
    pytree_function,
    start_from_noise,
    with_settings,
)
from jaxvision.signatures import FeaturesFn
from jaxvision.visualization.feature_visualization import adam


class FeatureInversion(NamedTuple):
    """Images made from activations, and how they came about.

    Attributes:
        images: `(N, H, W, C)`, normalised.
        trace: `(n_steps, N)` for "loss", "distance" and "variation", each before that step's update.
        distance: `(N,)`, how far the activations still are, relative to the given ones: 0 where all is recovered, 1 for
            no activation at all.
    """

    images: Float[Array, "n h w c"]
    trace: dict[str, Float[Array, "n_steps n"]]
    distance: Float[Array, " n"]


def feature_inversion(
    features_fn: FeaturesFn,
    images: Float[ArrayLike, "n h w c"],
    layer: str,
    *,
    key: Keys,
    tv_weight: float = 1e-1,
    tv_exponent: float = 2.0,
    learning_rate: float = 0.05,
    n_steps: int = 200,
    transform: Transform | None = None,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> FeatureInversion:
    r"""From noise, an image with the same activations at a layer as a given one, and otherwise smooth.

    $$ x^* = \arg\min_x \; \frac{\lVert \Phi(x) - \Phi(I) \rVert^2}{\lVert \Phi(I) \rVert^2} + \lambda \, R_\beta(x),
       \qquad R_\beta(x) = \frac{1}{HWC} \sum_{i,j,c} \bigl((x_{i+1,j,c} - x_{ijc})^2 + (x_{i,j+1,c} - x_{ijc})^2
       \bigr)^{\beta / 2} $$

    What is the same is what the layer keeps; what differs is what it has forgotten.

    Args:
        features_fn: images `(N, H, W, C)`, normalised, to named activations, each image on its own.
        images: $I$, `(N, H, W, C)` floats, normalised. Only their activations are looked at.
        layer: the activations' name.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys: the noise.
        tv_weight: $\lambda$. Of 1e-3, 1e-2, 1e-1 and 1 for two photographs at 128 px and four layers of SqueezeNet, 0.1
            came closest to the activations of all but the first layer in most cases and was the least without grain;
            1 blurs early layers, and shows more of the last one.
        tv_exponent: $\beta$, 1 for total variation, 2 for smoother images.
        learning_rate: Adam's, in normalised units.
        n_steps: steps.
        transform: `(image, key) -> image` of the same size; None for none.
        mean: of the network's normalisation, one number per channel: images stay within what [0, 1] maps to.
        std: of the network's normalisation, one number per channel.

    Returns:
        Images, trace and the distance left.

    Raises:
        InputError: if the images have the wrong shape or type, or there is no such layer.

    Example:
        >>> features_fn = lambda images: {"mean": images.mean(axis=(1, 2), keepdims=True)}
        >>> image = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)
        >>> settings = {"tv_weight": 1.0, "mean": [0.5], "std": [0.25]}
        >>> result = feature_inversion(features_fn, image, "mean", key=jax.random.key(0), **settings)
        >>> result.images.ravel().round(2)  # the mean was kept, the difference was not
        Array([0.5, 0.5], dtype=float32)

    References:
        Mahendran and Vedaldi, "Understanding deep image representations by inverting them",
        https://arxiv.org/abs/1412.0035, 2015, equations 2 and 3. Departures: Adam instead of momentum, a box of colours
        instead of a penalty on large values, the variation as a mean.
    """
    images = check_images(images)
    n, h, w, c = images.shape
    features = _features(pytree_function(features_fn), images, layer)
    problem = PixelProblem(
        objective=jax.tree_util.Partial(
            with_settings(_objective, layer, float(tv_exponent)), pytree_function(features_fn), features, tv_weight
        ),
        optimizer=adam(float(learning_rate)),
        transform=transform,
        project=ClipNormalized(tuple(mean), tuple(std)),
    )
    state = start_from_noise(problem, n, key=key, image_shape=(h, w, c))
    begin = state.images.astype(images.dtype)
    result = optimize(problem, begin, n_steps=n_steps, key=state.keys)
    return FeatureInversion(result.images, result.trace, result.final["distance"])


def _features(features_fn: FeaturesFn, images: Float[Array, "n h w c"], layer: str) -> Float[Array, "n h2 w2 c2"]:
    layers: Any = jax.eval_shape(operator.call, features_fn, images)  # kept: a second call does not trace again
    if layer not in layers:
        raise InputError(f'there is no layer "{layer}": the network gives {", ".join(layers)}')
    return jax.jit(with_settings(_layer, layer))(features_fn, images)


def _layer(layer: str, features_fn: FeaturesFn, images: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
    return features_fn(images)[layer]


def _objective(
    layer: str,
    exponent: float,
    features_fn: FeaturesFn,
    features: Float[Array, "n h w c"],
    tv_weight: ArrayLike,
    images: Float[Array, "n h2 w2 c2"],
) -> tuple[Array, dict[str, Array]]:
    axes = tuple(range(1, features.ndim))
    squares = jnp.sum(features**2, axis=axes)
    distance = jnp.sum((features_fn(images)[layer] - features) ** 2, axis=axes) / jnp.where(squares > 0, squares, 1)
    variation = _variation(images, exponent)
    return distance + variation * jnp.asarray(tv_weight, variation.dtype), {
        "distance": distance,
        "variation": variation,
    }


def _variation(images: Float[Array, "n h w c"], exponent: float) -> Float[Array, " n"]:
    """Beyond the last row and column an image goes on as it is. Where it is flat, the power's gradient is zero."""
    down = jnp.diff(images, axis=1, append=images[:, -1:])
    right = jnp.diff(images, axis=2, append=images[:, :, -1:])
    squares = down**2 + right**2
    powers = jnp.where(squares > 0, jnp.where(squares > 0, squares, 1) ** (exponent / 2), 0)
    return jnp.mean(powers, axis=(1, 2, 3))
